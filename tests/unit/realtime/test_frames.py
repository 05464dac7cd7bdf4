"""Frames that clients send: taken, or refused without repeating what they said."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from wedsync.conversations import messages
from wedsync.platform.errors import Conflict, Invalid, Malformed, NotFound, TooLarge, Unavailable
from wedsync.realtime import frames
from wedsync.realtime.protocol import Ack, ClientFrame, Read, Send, Sync

THREAD = "0190cccc-0000-7000-8000-000000000001"
CLIENT_MSG = "0190eeee-0000-4000-8000-000000000001"
SECRET = "the groom does not know"


def sync(**fields: Any) -> str:
    return json.dumps({"action": "sync", "id": "c1", **fields})


def send(*texts: str, **fields: Any) -> str:
    listed = [{"client_msg_id": CLIENT_MSG, "message": text} for text in texts]
    return json.dumps({"action": "send", "id": "c2", "thread_id": THREAD, "messages": listed, **fields})


def test_a_first_sync_needs_no_more_than_its_id() -> None:
    frame = frames.parse(Sync, sync())

    assert (frame.id, frame.since, frame.cursors, frame.limit) == ("c1", None, {}, 300)


def test_a_sync_names_its_cursors_by_thread() -> None:
    frame = frames.parse(Sync, sync(since="token", cursors={THREAD: {"epoch": "a1", "seq": 412}}, limit=20))

    assert [(thread_id, each.epoch, each.seq) for thread_id, each in frame.cursors.items()] == [
        (UUID(THREAD), "a1", 412)
    ]


def test_a_send_carries_up_to_twenty_messages_in_order() -> None:
    frame = frames.parse(Send, send(*(f"message {n}" for n in range(20))))

    assert [each.message for each in frame.messages] == [f"message {n}" for n in range(20)]


@pytest.mark.parametrize(
    ("model", "body", "field"),
    [
        (Sync, sync(limit=301), "limit"),
        (Sync, sync(limit=0), "limit"),
        (Sync, sync(surprise=SECRET), "surprise"),
        (Sync, sync(id=""), "id"),
        (Sync, sync(id="x" * 65), "id"),
        (Sync, sync(id="no blank"), "id"),
        (Sync, sync(id=7), "id"),
        (Sync, json.dumps({"action": "sync"}), "id"),
        (Sync, sync(cursors={"not an id": {"epoch": "a1", "seq": 1}}), "cursors.not an id.[key]"),
        (Sync, sync(cursors={THREAD: {"epoch": "a1", "seq": -1}}), f"cursors.{THREAD}.seq"),
        (Sync, sync(cursors={THREAD: {"seq": 1}}), f"cursors.{THREAD}.epoch"),
        (Sync, sync(cursors={str(uuid4()): {"epoch": "a1", "seq": 1} for _ in range(201)}), "cursors"),
        (Send, send(), "messages"),
        (Send, send(*["x"] * 21), "messages"),
        (Send, send("x" * 8001), "messages.0.message"),
        (Send, send("  "), "messages.0.message"),
        (Send, send("x", thread_id=SECRET), "thread_id"),
        (Send, send("x", action="sync"), "action"),
        (Ack, json.dumps({"action": "ack", "epoch": "a1", "cursors": {}}), "cursors"),
        (Ack, json.dumps({"action": "ack", "epoch": "a1", "cursors": {THREAD: 2**63}}), f"cursors.{THREAD}"),
        (Read, json.dumps({"action": "read", "epoch": "a1", "thread_id": THREAD, "seq": -1}), "seq"),
        (Read, json.dumps({"action": "read", "thread_id": THREAD, "seq": 1}), "epoch"),
        (Read, "[]", ""),
    ],
)
def test_a_frame_that_is_not_as_documented_names_its_field(
    model: type[ClientFrame], body: str, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        frames.parse(model, body)

    assert field in [error.field for error in refused.value.errors]
    assert SECRET not in str(refused.value.errors)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "{",
        '{"action":"sync"',
        '{"a":"\\ud800"}',
        '{"action":"sync","id":"a","id":"b"}',
        sync(cursors={THREAD: {"epoch": "a1", "seq": 1}}).replace('"seq"', '"epoch": "b2", "seq"'),
        "[" * 20_000,
    ],
)
def test_what_is_not_json_is_malformed(body: str) -> None:
    with pytest.raises(Malformed):
        frames.parse(Sync, body)


def test_a_frame_is_measured_in_bytes() -> None:
    with pytest.raises(TooLarge):
        frames.parse(Send, json.dumps({"x": "é" * 14_001}, ensure_ascii=False))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"action":"dance"}', "unknown_action"),
        ("{}", "unknown_action"),
        ("hello", "malformed"),
        ("[1]", "malformed"),
        ('{"action":"dance","action":"dance"}', "malformed"),
    ],
)
def test_a_frame_without_a_route_is_unknown_or_unreadable(body: str, code: str) -> None:
    assert frames.unroutable(body)["code"] == code


@pytest.mark.parametrize(
    ("body", "re"),
    [
        ('{"id":"c9"}', "c9"),
        ('{"id":9}', None),
        ('{"id":"%s"}' % ("x" * 65), None),
        ("{}", None),
        ("[]", None),
        ("7", None),
        ("hello", None),
        ("[" * 20_000, None),
    ],
)
def test_a_refusal_names_the_frame_it_answers_if_that_can_be_read(body: str, re: str | None) -> None:
    assert frames.refusal(NotFound(), body) == {
        "type": "error",
        "re": re,
        "code": "not_found",
        "detail": "There is nothing here",
    }


def test_a_refusal_tells_the_fields_and_when_to_come_again() -> None:
    with pytest.raises(Invalid) as refused:
        frames.parse(Sync, sync(limit=0))

    assert [error["field"] for error in frames.refusal(refused.value, sync()).get("errors", [])] == ["limit"]
    assert frames.refusal(Unavailable(retry_after=2), sync()).get("retry_after_ms") == 2000


def test_a_send_is_answered_message_by_message() -> None:
    message: Any = {"id": "m1", "seq": 417}
    results = (
        messages.Result(UUID(CLIENT_MSG), "ok", message, None),
        messages.Result(UUID(CLIENT_MSG), "duplicate", message, None),
        messages.Result(UUID(CLIENT_MSG), "error", None, Conflict()),
    )

    frame = frames.sent(frames.parse(Send, send("x")), messages.Sent(UUID(THREAD), "a1", results))

    taken = {"client_msg_id": CLIENT_MSG, "id": "m1", "seq": 417, "code": None}
    refused = {"client_msg_id": CLIENT_MSG, "id": None, "seq": None, "code": "conflict"}
    assert frame == {
        "type": "sent",
        "re": "c2",
        "thread_id": THREAD,
        "epoch": "a1",
        "results": [
            {**taken, "status": "ok", "duplicate": False},
            {**taken, "status": "duplicate", "duplicate": True},
            {**refused, "status": "error", "duplicate": False},
        ],
    }
