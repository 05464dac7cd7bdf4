"""The routes of messages, drafts and scheduled messages: statuses, headers, and what a refused request leaves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest

from tests.database.test_conversation import make_thread
from tests.database.test_message_acts import sent
from tests.fixtures.postgres import Database
from tests.fixtures.queue_server import QueueServer
from tests.fixtures.rest_api import Rest
from tests.fixtures.wedding import ANA, CARLO, FLORA, new_id


@pytest.fixture
def thread(wedding: Database) -> UUID:
    return make_thread()


def tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()


def test_a_message_is_read_edited_and_deleted(rest: Rest, thread: UUID) -> None:
    path = f"/messages/{sent(ANA, thread, 'One', requires_ack=True)}"

    read = rest("GET", path, user_id=FLORA.user_id)
    known = rest("GET", path, user_id=FLORA.user_id, headers={"If-None-Match": read.headers["etag"]})
    edited = rest("PATCH", path, {"message": "Two"}, user_id=ANA.user_id)
    history = rest("GET", f"{path}/history", user_id=FLORA.user_id)
    acked = rest("POST", f"{path}/ack", user_id=FLORA.user_id)
    deleted = [rest("DELETE", path, user_id=ANA.user_id) for _ in range(2)]

    assert (read.body["message"], read.body["is_read"], read.body["my_ack"]) == ("One", False, "waiting")
    assert (known.status, known.body) == (304, None)
    assert (edited.status, edited.body["message"]) == (200, "Two")
    assert [each["message"] for each in history.body["data"]] == ["One"]
    assert (acked.status, acked.body["my_ack"]) == (200, "given")
    assert [(answer.status, answer.body) for answer in deleted] == [(204, None)] * 2


def test_a_reaction_that_comes_too_soon_is_looked_for_when_it_is_due(
    rest: Rest, thread: UUID, queue_server: QueueServer
) -> None:
    path = f"/messages/{sent(ANA, thread)}/reactions/{quote('👍')}"

    answers = [rest("PUT", path, user_id=who.user_id) for who in (FLORA, ANA)]

    assert [answer.status for answer in answers] == [200, 200]
    told = queue_server.bodies["EVENTS_QUEUE_URL"]
    assert told == [{"events": [{"thread_id": str(thread), "seq": 3}]}, {"reactions": True}]
    assert queue_server.delays["EVENTS_QUEUE_URL"] == [0, 2]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"message": ""},
        {"message": "x" * 8_001},
        {"message": "x", "seq": 1},
        {"message": "x", "mentions": ["me"]},
    ],
)
def test_a_bad_edit_changes_nothing(rest: Rest, thread: UUID, body: Any) -> None:
    path = f"/messages/{sent(ANA, thread, 'One')}"

    assert rest("PATCH", path, body, user_id=ANA.user_id).status == 422

    assert rest("GET", path, user_id=ANA.user_id).body["edited_at"] is None


def test_pins_have_a_route_of_their_thread(rest: Rest, thread: UUID) -> None:
    message = sent(ANA, thread)

    pinned = rest("PUT", f"/messages/{message}/pin", user_id=FLORA.user_id)
    listed = rest("GET", f"/threads/{thread}/pins", user_id=ANA.user_id)
    taken = rest("DELETE", f"/messages/{message}/pin", user_id=ANA.user_id)

    assert pinned.body["pinned_at"]
    assert [each["id"] for each in listed.body["data"]] == [str(message)]
    assert taken.body["pinned_at"] is None
    assert rest("GET", f"/threads/{thread}/pins", user_id=CARLO.user_id).status == 404


@pytest.mark.parametrize("path_of", [str, quote], ids=["decoded", "as it was sent"])
def test_an_emoji_in_a_path_is_understood_decoded_or_not(rest: Rest, thread: UUID, path_of: Any) -> None:
    message = sent(ANA, thread)

    reacted = rest("PUT", f"/messages/{message}/reactions/{path_of('👩🏽‍🍳')}", user_id=FLORA.user_id)
    refused = rest("PUT", f"/messages/{message}/reactions/{path_of('ö')}", user_id=FLORA.user_id)

    assert (reacted.status, reacted.body["reactions"]) == (200, {"👩🏽‍🍳": [str(FLORA.user_id)]})
    assert (refused.status, refused.body["errors"][0]["field"]) == (422, "emoji")


def test_a_draft_comes_and_goes(rest: Rest, thread: UUID) -> None:
    path = f"/threads/{thread}/draft"

    missing = rest("GET", path, user_id=ANA.user_id)
    put = rest("PUT", path, {"message": "Dear Flora"}, user_id=ANA.user_id)
    read = rest("GET", path, user_id=ANA.user_id)
    deleted = rest("DELETE", path, user_id=ANA.user_id)

    assert [answer.status for answer in (missing, put, read, deleted)] == [404, 200, 200, 204]
    assert put.body == read.body
    assert rest("PUT", path, {"message": " "}, user_id=ANA.user_id).status == 422
    assert rest("GET", path, user_id=ANA.user_id).status == 404


def test_a_scheduled_message_is_made_listed_and_deleted(rest: Rest, thread: UUID) -> None:
    path = f"/threads/{thread}/scheduled-messages"
    body = {"message": "Soon", "send_at": tomorrow(), "mentions": [str(FLORA.user_id)]}

    made = rest("POST", path, body, user_id=ANA.user_id)

    own = made.headers["location"].removeprefix("/v1")
    assert (made.status, own) == (201, f"/scheduled-messages/{made.body['id']}")
    assert made.body["content"] == {"message": "Soon", "mentions": [str(FLORA.user_id)]}
    assert rest("GET", own, user_id=ANA.user_id).body == made.body
    for listed in (path, "/scheduled-messages"):
        assert made.body in rest("GET", listed, user_id=ANA.user_id).body["data"]
    assert rest("DELETE", own, user_id=FLORA.user_id).status == 404
    assert rest("DELETE", own, user_id=ANA.user_id).status == 204
    assert rest("GET", own, user_id=ANA.user_id).status == 404


def test_the_same_request_schedules_one_message(rest: Rest, thread: UUID) -> None:
    path, key = f"/threads/{thread}/scheduled-messages", {"Idempotency-Key": str(new_id())}
    body = {"message": "Soon", "relative": "P-7D", "at": "09:00"}

    made = rest("POST", path, body, user_id=ANA.user_id, headers=key)
    again = rest("POST", path, body, user_id=ANA.user_id, headers=key)

    assert (made.status, made.body["relative"], made.body["at"]) == (201, "P-7D", "09:00")
    assert (again.status, again.body, again.headers["idempotency-replayed"]) == (201, made.body, "true")
    assert len(rest("GET", path, user_id=ANA.user_id).body["data"]) == 1


def test_what_waits_is_counted(rest: Rest, thread: UUID) -> None:
    before = rest("GET", "/me/unread", user_id=FLORA.user_id).body
    sent(ANA, thread, requires_ack=True)

    after = rest("GET", "/me/unread", user_id=FLORA.user_id).body
    marked = rest("PUT", f"/threads/{make_thread()}/unread", user_id=FLORA.user_id)

    assert {name: after[name] - before[name] for name in after} == {
        "messages": 1,
        "threads": 1,
        "acknowledgements": 1,
        "scheduled": 0,
    }
    assert (marked.status, marked.body["marked_unread"]) == (200, True)


def test_unknown_ids_are_not_found(rest: Rest, wedding: Database) -> None:
    for path in (
        f"/messages/{uuid4()}",
        f"/messages/{uuid4()}/history",
        f"/scheduled-messages/{uuid4()}",
        "/messages/1",
    ):
        assert rest("GET", path, user_id=ANA.user_id).status == 404
