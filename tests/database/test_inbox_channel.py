"""The inbox channel: one item however often it is delivered, and a frame to whoever is connected."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from tests.database.test_conversation import make_thread, say
from tests.fixtures.clock import Clock
from tests.fixtures.functions import modules_of
from tests.fixtures.notifying import Notifying
from tests.fixtures.queue_server import sqs_event
from tests.fixtures.stub_server import Request, answer, serving
from tests.fixtures.wedding import ANA, FLORA
from wedsync.conversations import cursors, participants
from wedsync.notifications import inbox
from wedsync.notifications.inbox import NotificationQuery
from wedsync.realtime import connections, poster

FOREVER = 2**40


@dataclass
class Sockets:
    """Flora's telephone is connected; her tablet has been slow, her watch's token has run out."""

    frames: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    unknown: bool = False
    reads: int = 0
    shared_out: list[str] = field(default_factory=list[str])

    def reply(self, request: Request) -> bytes:
        if "x-amz-target" not in request.headers:
            if request.method == "POST":
                self.frames.append((request.path.rpartition("/")[2], json.loads(request.body)))
            return answer(200)
        if request.headers["x-amz-target"] == "AmazonSQS.SendMessageBatch":
            asked = json.loads(request.body)
            if "FANOUT" in asked["QueueUrl"]:
                self.shared_out += [entry["MessageBody"] for entry in asked["Entries"]]
            return answer(200, b"{}")
        self.reads += request.headers["x-amz-target"].endswith("BatchGetItem")
        if self.unknown:
            return answer(400, b'{"__type": "AccessDeniedException"}')
        entries = {
            "phone": self._entry("phone"),
            "tablet": self._entry("tablet") | {"lags_until": {"N": str(time.time() + 60)}},
            "watch": self._entry("watch") | {"expires_at": {"N": "1"}},
        }
        item = {
            "pk": {"S": f"U#{FLORA.user_id}"},
            "connections": {"M": {device: {"M": entry} for device, entry in entries.items()}},
        }
        return answer(200, json.dumps({"Responses": {"connections": [item]}, "Attributes": item}).encode())

    def _entry(self, connection_id: str) -> dict[str, Any]:
        return {
            "connection_id": {"S": connection_id},
            "connected_at": {"N": "0"},
            "expires_at": {"N": str(FOREVER)},
        }


@pytest.fixture
def sockets(notifying: Notifying, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sockets]:
    told = Sockets()
    monkeypatch.setattr(poster, "BUDGET_SECONDS", 5)
    monkeypatch.setattr(connections.find, "__defaults__", (5,))
    with serving(told.reply) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)
        monkeypatch.setenv("CONNECTIONS_TABLE", "connections")
        monkeypatch.setenv("CALLBACK_URL", stub.url)
        monkeypatch.setenv("POSTS_PER_SECOND", "1000")
        yield told


@pytest.fixture
def thread(notifying: Notifying, sockets: Sockets) -> UUID:
    """A thread in which Flora is to be told of a message."""
    notifying.stored("delete from wedsync.inbox_items")
    return told_thread(notifying)


def told_thread(notifying: Notifying, **stated: Any) -> UUID:
    made = make_thread()
    say(ANA, made, "Peonies? " * 100, **stated)
    notifying.plan(made)
    return made


def record(notifying: Notifying, thread: UUID) -> str:
    """What stands on the queue for Flora and the one message of the thread."""
    return json.dumps({"deliveries": [str(notifying.delivery(thread, FLORA.user_id)["id"])]})


def deliver(notifying: Notifying, *threads: UUID) -> Any:
    """What the function answers."""
    event = sqs_event(*(record(notifying, each) for each in threads))
    with modules_of("inbox") as app:
        return notifying.run(app.handler, event, None)


def test_the_frame_shows_what_the_list_shows(notifying: Notifying, sockets: Sockets, thread: UUID) -> None:
    deliver(notifying, thread)

    (item,) = inbox.page(FLORA, NotificationQuery())["data"]
    assert sockets.frames == [("phone", {"type": "notification", "notification": item})]
    assert notifying.delivery(thread, FLORA.user_id)["status"] == "delivered"


def test_frames_come_no_faster_than_an_inbox_may_post(
    notifying: Notifying, sockets: Sockets, thread: UUID, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTS_PER_SECOND", "4")  # of the fan-out; an inbox has a quarter
    began = clock.now

    deliver(notifying, thread, told_thread(notifying))

    assert len(sockets.frames) == 2
    assert clock.now - began == 1


def test_what_was_read_before_it_was_told_is_pushed_as_read(notifying: Notifying, sockets: Sockets) -> None:
    thread = told_thread(notifying, requires_ack=True)
    cursors.read(FLORA, thread, notifying.epoch(), 2)

    deliver(notifying, thread)

    [(_, frame)] = sockets.frames
    assert frame["notification"]["read_at"] is not None
    assert frame["notification"] == inbox.page(FLORA, NotificationQuery())["data"][0]


def test_the_same_event_twice_is_one_item_and_one_frame(
    notifying: Notifying, sockets: Sockets, thread: UUID
) -> None:
    answers = [deliver(notifying, thread), deliver(notifying, thread)]

    assert answers == [{"batchItemFailures": []}] * 2
    assert len(inbox.page(FLORA, NotificationQuery())["data"]) == 1
    assert len(sockets.frames) == 1


def test_a_delivery_that_was_queued_again_leaves_no_second_item(notifying: Notifying, thread: UUID) -> None:
    deliver(notifying, thread)
    notifying.stored("update wedsync.deliveries set status = 'queued'")

    deliver(notifying, thread)

    assert len(inbox.page(FLORA, NotificationQuery())["data"]) == 1
    assert notifying.delivery(thread, FLORA.user_id)["status"] == "delivered"


def test_the_item_is_there_though_nobody_knows_who_is_connected(
    notifying: Notifying, sockets: Sockets, thread: UUID
) -> None:
    sockets.unknown = True

    deliver(notifying, thread)

    assert sockets.frames == []
    assert len(inbox.page(FLORA, NotificationQuery())["data"]) == 1


def test_a_whole_batch_is_one_act_and_its_poison_comes_again_alone(
    notifying: Notifying, sockets: Sockets, thread: UUID
) -> None:
    others = [told_thread(notifying), told_thread(notifying)]
    participants.remove(ANA, others[1], FLORA.user_id)
    bodies = [record(notifying, each) for each in (thread, *others)]

    with modules_of("inbox") as app:
        event = sqs_event(*bodies, '{"deliveries": ["poison"]}', bodies[0])
        answer = notifying.run(app.handler, event, None)

    stored = [notifying.delivery(each, FLORA.user_id) for each in (thread, *others)]
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m3"}]}
    assert [(each["status"], each["reason"]) for each in stored] == [
        ("delivered", None),
        ("delivered", None),
        ("cancelled", "removed"),
    ]
    assert {frame["notification"]["thread_id"] for _, frame in sockets.frames} == {
        str(thread),
        str(others[0]),
    }
    assert sockets.reads == 1


def test_who_is_removed_after_the_act_is_pushed_nothing(
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

    deliver(notifying, thread)

    assert sockets.frames == []
    assert inbox.page(FLORA, NotificationQuery())["data"] == []
