"""The WebSocket function: real events in, one call into the product, frames out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

from tests.fixtures.functions import modules_of
from wedsync.conversations import cursors, messages
from wedsync.conversations.events import Change, Committed
from wedsync.platform.errors import FieldError, Invalid, NotFound, Unavailable
from wedsync.realtime import connections, poster, sessions

EVENTS = Path(__file__).parents[3] / "events"
COUPLE = UUID("0190aaaa-0000-7000-8000-000000000001")
THREAD = UUID("0190cccc-0000-7000-8000-000000000001")
CONNECTION = "UFq1icdmFiACFUA="


@pytest.fixture
def app() -> Iterator[ModuleType]:
    with modules_of("websocket") as module:
        yield module


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was posted to the connection that spoke."""
    frames: list[Any] = []

    def post(frame: bytes, connection_ids: list[str], seconds: float = 0) -> dict[str, poster.Outcome]:
        frames.extend((each, json.loads(frame)) for each in connection_ids)
        return dict.fromkeys(connection_ids, poster.Outcome.DONE)

    monkeypatch.setattr(poster, "post", post)
    return frames


def event(name: str, body: str | None = None, **authorizer: str) -> dict[str, Any]:
    made = json.loads((EVENTS / f"websocket-{name}.json").read_text())
    made["requestContext"]["authorizer"] |= authorizer
    return made if body is None else made | {"body": body}


def refusing(problem: Exception) -> Any:
    def refuse(*_: object) -> None:
        raise problem

    return refuse


def test_a_send_is_answered_with_the_sent_frame(app: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def send(who: Any, thread_id: UUID, sent: Any) -> Committed[messages.Sent]:
        asked.append((who.user_id, thread_id, [each.message for each in sent]))
        message: Any = {"id": "m1", "seq": 4}
        results = (messages.Result(sent[0].client_msg_id, "ok", message, None),)
        return Committed(messages.Sent(thread_id, "a1", results), ())

    monkeypatch.setattr(messages, "send", send)

    answer = app.handler(event("send"), None)

    assert asked == [(COUPLE, THREAD, ["On my way"])]
    assert answer["statusCode"] == 200
    sent = json.loads(answer["body"])
    assert (sent["type"], sent["re"], sent["results"][0]["seq"]) == ("sent", "c2", 4)


def test_what_was_sent_is_pushed_before_the_answer(app: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed: list[Any] = []
    change = Change(THREAD, "a1", 4, (), frozenset({COUPLE}), frozenset())
    committed = Committed(messages.Sent(THREAD, "a1", ()), (change,))
    monkeypatch.setattr(messages, "send", lambda *_: committed)
    monkeypatch.setattr("wedsync.realtime.broadcast._tell", lambda changes: pushed.append(changes) or True)

    app.handler(event("send"), None)

    assert pushed == [(change,)]


def test_a_refused_send_is_answered_with_an_error_frame(
    app: ModuleType, posted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "send", refusing(NotFound()))

    answer = app.handler(event("send"), None)

    error = json.loads(answer["body"])
    assert (error["type"], error["re"], error["code"]) == ("error", "c2", "not_found")
    assert posted == []


def test_a_send_that_is_not_as_documented_reaches_nobody(
    app: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "send", refusing(AssertionError("it must not be called")))

    answer = app.handler(event("send", '{"action":"send","id":"c2","messages":[]}'), None)

    error = json.loads(answer["body"])
    assert (error["code"], {each["field"] for each in error["errors"]}) == (
        "invalid",
        {"thread_id", "messages"},
    )


def test_ack_and_read_have_no_answer(
    app: ModuleType, posted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def moving(name: str) -> Any:
        return lambda who, *asks: asked.append((name, *asks)) or cursors.Moved(None, ())

    monkeypatch.setattr(cursors, "acknowledge", moving("ack"))
    monkeypatch.setattr(cursors, "read", moving("read"))

    answers = [app.handler(event(name), None) for name in ("ack", "read")]

    assert answers == [{"statusCode": 200}] * 2
    assert [each[0] for each in asked] == ["ack", "read"]
    assert posted == []


@pytest.mark.parametrize(("name", "call"), [("ack", "acknowledge"), ("read", "read")])
def test_trouble_on_a_one_way_route_is_posted(
    app: ModuleType, posted: list[Any], monkeypatch: pytest.MonkeyPatch, name: str, call: str
) -> None:
    monkeypatch.setattr(cursors, call, refusing(Unavailable()))

    answer = app.handler(event(name), None)

    assert answer == {"statusCode": 200}
    ((connection_id, error),) = posted
    assert connection_id == CONNECTION
    assert (error["type"], error["code"], error["retry_after_ms"]) == ("error", "unavailable", 2000)


def test_a_sync_is_handed_to_the_log(app: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        "wedsync.realtime.sync.catch_up", lambda session, wanted: asked.append((session, wanted))
    )

    assert app.handler(event("sync"), None) == {"statusCode": 200}

    ((session, wanted),) = asked
    assert session.principal.user_id == COUPLE
    assert (session.connection.connection_id, session.connection.device_id) == (
        CONNECTION,
        "0190dddd-0000-7000-8000-000000000001",
    )
    assert wanted.action == "sync"


@pytest.mark.parametrize(
    ("body", "code", "re"),
    [('{"action":"dance","id":"c9"}', "unknown_action", "c9"), ("hello", "malformed", None)],
)
def test_a_frame_without_a_route_is_told_so(
    app: ModuleType, posted: list[Any], body: str, code: str, re: str | None
) -> None:
    answer = app.handler(event("unknown", body), None)

    assert answer == {"statusCode": 200}
    ((_, error),) = posted
    assert (error["type"], error["code"], error["re"]) == ("error", code, re)


def test_a_renewal_is_answered_with_its_end(app: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    until = datetime(2026, 11, 22, 16, 30, tzinfo=UTC)
    monkeypatch.setattr(sessions, "renew", lambda session, ticket: until if len(ticket) == 43 else None)

    answer = app.handler(event("auth"), None)

    assert json.loads(answer["body"]) == {
        "type": "auth_ok",
        "re": "c4",
        "expires_at": "2026-11-22T16:30:00.000Z",
    }


def test_a_refused_renewal_is_answered_and_the_connection_stays(
    app: ModuleType, posted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "renew", refusing(Invalid(errors=(FieldError("ticket", "used"),))))

    answer = app.handler(event("auth"), None)

    error = json.loads(answer["body"])
    assert (error["re"], error["code"], error["errors"]) == (
        "c4",
        "invalid",
        [{"field": "ticket", "message": "used"}],
    )
    assert posted == []


def test_a_renewal_of_a_connection_that_is_not_known_has_no_answer(
    app: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "renew", lambda *_: None)

    assert app.handler(event("auth"), None) == {"statusCode": 200}


def test_a_frame_after_the_token_has_expired_ends_the_connection(
    app: ModuleType, posted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    monkeypatch.setattr(connections, "find", lambda _: [])
    monkeypatch.setattr(poster, "close", lambda connection_ids: closed.extend(connection_ids))
    monkeypatch.setattr(messages, "send", refusing(AssertionError("it must not be called")))

    answer = app.handler(event("send", expires_at="1"), None)

    assert answer == {"statusCode": 200}
    assert [(each, frame["code"]) for each, frame in posted] == [(CONNECTION, 4001)]
    assert closed == [CONNECTION]


def test_a_handshake_is_answered_with_its_headers(app: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "connect", lambda request, headers: {"Host-seen": headers["Host"]})

    answer = app.handler(event("connect"), None)

    assert answer["statusCode"] == 200
    assert answer["headers"]["Host-seen"].endswith("amazonaws.com")


def test_a_refused_handshake_has_the_status_of_its_problem(
    app: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "connect", refusing(Unavailable()))

    assert app.handler(event("connect"), None) == {"statusCode": 503}


def test_a_disconnect_is_passed_on(app: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(sessions, "disconnect", seen.append)

    app.handler(event("disconnect"), None)

    assert seen[0]["connectionId"] == CONNECTION


def test_a_client_cannot_name_a_route_of_the_gateway(app: ModuleType, posted: list[Any]) -> None:
    made = event("unknown", '{"action":"$connect"}')
    made["requestContext"]["routeKey"] = "$connect"

    app.handler(made, None)

    assert [frame["code"] for _, frame in posted] == ["unknown_action"]
