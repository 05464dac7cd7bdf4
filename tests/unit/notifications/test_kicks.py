"""What is put on which queue, and what happens when the queue is away."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from tests.fixtures.queue_server import QueueServer
from wedsync.conversations.events import Change, Committed, Event
from wedsync.notifications import kicks
from wedsync.realtime import broadcast
from wedsync.realtime.broadcast import deliver

THREAD = UUID("0190cccc-0000-7000-8000-000000000001")


def committed(*events: Event, emergencies: frozenset[int] = frozenset()) -> Committed[str]:
    return Committed("the answer", (Change(THREAD, "a1", 9, events, frozenset(), frozenset(), emergencies),))


def test_every_committed_event_is_kicked_by_its_id_alone_in_its_lane(queue_server: QueueServer) -> None:
    message = {"message": "canary", "priority_level": "urgent"}

    answer = deliver(
        committed(
            {"seq": 7, "kind": "participant.added", "participant": {"user_id": "canary"}},
            {"seq": 8, "kind": "message.created", "message": message},  # type: ignore[typeddict-item]
            {"seq": 9, "kind": "message.created", "message_id": "canary", "truncated": True},
            emergencies=frozenset({9}),
        )
    )

    thread_id = str(THREAD)
    assert answer == "the answer"
    assert queue_server.bodies == {
        "EVENTS_QUEUE_URL": [
            {"events": [{"thread_id": thread_id, "seq": 7}, {"thread_id": thread_id, "seq": 8}]}
        ],
        "EVENTS_EMERGENCY_QUEUE_URL": [{"events": [{"thread_id": thread_id, "seq": 9}]}],
    }


def test_a_duplicate_send_kicks_nothing(queue_server: QueueServer) -> None:
    assert deliver(Committed("the answer", ())) == "the answer"

    assert queue_server.calls == 0


def test_a_queue_that_is_down_fails_no_write(
    queue_server: QueueServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    queue_server.down = True
    monkeypatch.setattr(broadcast, "KICK_SECONDS", 0.05)

    assert deliver(committed({"seq": 7, "kind": "thread.created"})) == "the answer"

    assert "left for the clockwork" in capsys.readouterr().out


def test_deliveries_go_by_channel_and_lane_fifty_to_a_message(queue_server: QueueServer) -> None:
    ids = [uuid4() for _ in range(120)]

    messages = kicks.kick_deliveries(
        [("inbox", "ordinary", id_) for id_ in ids] + [("sms", "emergency", id_) for id_ in ids[:6]]
    )

    assert [len(body["deliveries"]) for body in queue_server.bodies["INBOX_QUEUE_URL"]] == [50, 50, 20]
    assert queue_server.ids("inbox") == [str(id_) for id_ in ids]
    assert queue_server.ids("sms", "emergency") == [str(id_) for id_ in ids[:6]]
    assert messages == 5
    assert queue_server.calls == 2
