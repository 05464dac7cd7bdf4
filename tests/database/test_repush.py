"""A push that was lost with its writer comes again with the sweep, to those who have not stored it."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from tests.database.test_conversation import make_thread, say
from tests.database.test_inbox_channel import Sockets, sockets
from tests.fixtures.functions import modules_of
from tests.fixtures.notifying import Notifying
from tests.fixtures.queue_server import sqs_event
from tests.fixtures.wedding import ANA, FLORA
from wedsync.conversations import cursors, message_acts, participants
from wedsync.realtime import connections, shards

__all__ = ["sockets"]


def plan(notifying: Notifying, thread: UUID, *seqs: int, again: bool = True) -> Any:
    """What the planner answers when it is told of these events, as the clockwork tells it."""
    events = [{"thread_id": str(thread), "seq": seq} for seq in seqs]
    with modules_of("planner") as app:
        body = json.dumps({"events": events, "again": again})
        return notifying.run(app.handler, sqs_event(body), None)


def pushed(notifying: Notifying, sockets: Sockets) -> list[Any]:
    """What her telephone got once the fan-out is through; her watch heard that its token has run out."""
    bodies, sockets.shared_out = sockets.shared_out, []
    if bodies:
        with modules_of("fanout") as app:
            notifying.run(app.handler, sqs_event(*bodies), None)
    return [frame for device, frame in sockets.frames if device == "phone"]


@pytest.fixture
def thread(notifying: Notifying, sockets: Sockets) -> UUID:
    """A thread with a message that was committed and never pushed."""
    made = make_thread(people=(FLORA,))
    say(ANA, made, "Peonies?")
    return made


def test_what_the_sweep_found_is_pushed_to_who_has_not_stored_it(
    notifying: Notifying, sockets: Sockets, thread: UUID
) -> None:
    answers = [plan(notifying, thread, 1, 2), plan(notifying, thread, 1, 2)]

    assert answers == [{"batchItemFailures": []}] * 2
    [frame] = pushed(notifying, sockets)
    created, said = frame["events"]
    assert (frame["type"], frame["thread_id"], frame["head_seq"]) == ("events", str(thread), 2)
    assert (created["seq"], created["kind"]) == (1, "thread.created")
    assert (said["seq"], said["message"]["message"]) == (2, "Peonies?")
    assert "is_read" not in said["message"]


def test_a_reaction_that_came_too_soon_is_logged_and_pushed_when_it_is_due(
    notifying: Notifying, sockets: Sockets, thread: UUID
) -> None:
    notifying.stored("delete from wedsync.pending_reactions")
    asked = {"t": thread}
    [message] = notifying.stored("select id from wedsync.thread_messages where thread_id = %(t)s", **asked)
    for who in (FLORA, ANA):
        message_acts.react(who, message["id"], "👍", present=True)
    notifying.stored("update wedsync.pending_reactions set due_at = app.now()")

    with modules_of("planner") as app:
        answers = [notifying.run(app.handler, sqs_event('{"reactions": true}'), None) for _ in range(2)]

    assert answers == [{"batchItemFailures": []}] * 2
    [frame] = pushed(notifying, sockets)
    [reacted] = frame["events"]
    assert (reacted["kind"], len(reacted["message"]["reactions"]["👍"])) == ("message.reaction", 2)


def test_what_was_kicked_in_time_was_pushed_already(
    notifying: Notifying, sockets: Sockets, thread: UUID
) -> None:
    plan(notifying, thread, 1, 2, again=False)

    assert pushed(notifying, sockets) == []


def test_who_has_stored_it_hears_nothing_again(notifying: Notifying, sockets: Sockets, thread: UUID) -> None:
    cursors.delivered(FLORA, thread, notifying.stored("select app.epoch() as epoch")[0]["epoch"], 1)

    plan(notifying, thread, 1, 2)

    assert [frame["from_seq"] for frame in pushed(notifying, sockets)] == [2]


def test_who_was_removed_meanwhile_hears_nothing(
    notifying: Notifying, sockets: Sockets, thread: UUID
) -> None:
    participants.remove(ANA, thread, FLORA.user_id)

    plan(notifying, thread, 1, 2)

    assert pushed(notifying, sockets) == []


def test_who_is_removed_before_the_text_is_read_hears_nothing(
    notifying: Notifying, sockets: Sockets, thread: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = connections.find

    def meanwhile(people: Any, seconds: float) -> Any:
        notifying.stored(
            "update wedsync.thread_participants set left_at = now() where thread_id = %(t)s and user_id = %(u)s",
            t=thread,
            u=FLORA.user_id,
        )
        return find(people, seconds)

    monkeypatch.setattr(connections, "find", meanwhile)

    plan(notifying, thread, 1, 2)

    assert pushed(notifying, sockets) == []


def test_it_is_pushed_through_the_fan_out_in_the_lane_of_its_event(notifying: Notifying) -> None:
    thread = make_thread(people=(FLORA,))
    say(ANA, thread, priority_level="emergency")

    plan(notifying, thread, 1, 2)

    people = sorted(str(each.user_id) for each in (ANA, FLORA))
    told = {"thread_id": str(thread), "people": people}
    assert notifying.queues.bodies["FANOUT_QUEUE_URL"] == [{**told, "seqs": [1]}]
    assert notifying.queues.bodies["FANOUT_EMERGENCY_QUEUE_URL"] == [{**told, "seqs": [2]}]


def test_deliveries_are_planned_though_the_fan_out_takes_nothing(
    notifying: Notifying, sockets: Sockets, thread: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "put", lambda _: False)

    answer = plan(notifying, thread, 1, 2)

    assert answer == {"batchItemFailures": []}
    assert sockets.frames == []
    assert notifying.delivery(thread, FLORA.user_id)["status"] == "queued"
