"""The queue of what a big thread has still to hear: read anew, asked anew, and harmless when it comes twice."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.database.test_conversation import make_thread, say
from tests.fixtures.clock import Clock
from tests.fixtures.functions import modules_of
from tests.fixtures.notifying import Notifying
from tests.fixtures.queue_server import sqs_event
from tests.fixtures.stub_server import Request, answer, serving
from tests.fixtures.wedding import ANA, CARLO, FLORA, PETRA, PHIL, Person
from wedsync.conversations import message_acts, participants
from wedsync.conversations.models import AddedParticipant
from wedsync.platform import db
from wedsync.platform.errors import Forbidden
from wedsync.realtime import fanout, fanout_sql, shards

EVERYBODY = (ANA, PETRA, FLORA, CARLO, PHIL)


@dataclass
class Devices:
    """Each of the people has one device connected; `frames` is what it got, in order."""

    frames: dict[UUID, list[Any]] = field(default_factory=dict[UUID, list[Any]])
    posts: int = 0
    table_down: bool = False
    slow: bool = False

    def reply(self, request: Request) -> bytes:
        if "x-amz-target" not in request.headers:
            self.posts += 1
            self.frames.setdefault(UUID(request.path.rpartition("/")[2]), []).append(json.loads(request.body))
            return answer(200)
        if self.table_down:
            return answer(400, b'{"__type": "AccessDeniedException"}')
        asked = json.loads(request.body)["RequestItems"]["connections"]["Keys"]
        items = [self._item(key["pk"]["S"]) for key in asked]
        return answer(200, json.dumps({"Responses": {"connections": items}}).encode())

    def heard(self, who: Person) -> list[int]:
        """The seqs that have arrived at his device."""
        return [event["seq"] for frame in self.frames.get(who.user_id, []) for event in frame["events"]]

    def _item(self, key: str) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "connection_id": {"S": key[2:]},
            "connected_at": {"N": "0"},
            "expires_at": {"N": str(2**40)},
        }
        if self.slow:
            entry["lags_until"] = {"N": str(time.time() + 60)}
        return {"pk": {"S": key}, "connections": {"M": {"phone": {"M": entry}}}}


@pytest.fixture
def devices(notifying: Notifying, monkeypatch: pytest.MonkeyPatch) -> Iterator[Devices]:
    told = Devices()
    with serving(told.reply) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)
        monkeypatch.setenv("CALLBACK_URL", stub.url)
        monkeypatch.setenv("POSTS_PER_SECOND", "1000")
        yield told


def shard(thread: UUID, *seqs: int, people: tuple[Person, ...] = EVERYBODY) -> str:
    [made] = shards.cut(thread, seqs, [person.user_id for person in people])
    return made.model_dump_json()


def fan_out(notifying: Notifying, *bodies: str) -> Any:
    """What the function answers."""
    with modules_of("fanout") as app:
        return notifying.run(app.handler, sqs_event(*bodies), None)


def test_who_is_named_and_sees_it_hears_of_the_event_as_it_is_now(
    notifying: Notifying, devices: Devices
) -> None:
    thread = make_thread(people=(PETRA, FLORA))
    said = say(ANA, thread, "Peonies?").resource()
    message_acts.delete(ANA, UUID(said["id"]))

    answered = fan_out(notifying, shard(thread, 1, 2, 3, people=(PETRA, FLORA, CARLO)))

    assert answered == {"batchItemFailures": []}
    assert {*devices.frames} == {PETRA.user_id, FLORA.user_id}
    [frame] = devices.frames[FLORA.user_id]
    assert (frame["type"], frame["from_seq"], frame["to_seq"], frame["head_seq"]) == ("events", 1, 3, 3)
    created, message, deleted = frame["events"]
    assert created["thread"]["subject"] == "Flowers"
    assert (message["message"]["message"], bool(message["message"]["deleted_at"])) == ("", True)
    assert (deleted["seq"], deleted["message"]["seq"]) == (3, 2)
    assert "is_read" not in message["message"]


def test_who_is_removed_between_the_commit_and_the_shard_hears_nothing(
    notifying: Notifying, devices: Devices
) -> None:
    thread = make_thread(people=(PETRA, FLORA))
    say(ANA, thread, "not for Flora")
    body = shard(thread, 2)
    participants.remove(ANA, thread, FLORA.user_id)

    answered = fan_out(notifying, body)

    assert answered == {"batchItemFailures": []}
    assert {*devices.frames} == {ANA.user_id, PETRA.user_id}


def test_who_reads_for_the_others_may_be_removed_at_that_moment(
    notifying: Notifying, devices: Devices
) -> None:
    thread = make_thread(people=(PETRA, FLORA))
    say(ANA, thread)
    as_each = db.as_each

    def after_a_removal(asked: Any) -> Any:
        notifying.stored(
            "update wedsync.thread_participants set left_at = now() where thread_id = %(t)s and user_id = %(u)s",
            t=thread,
            u=asked[0][0].user_id,
        )
        return as_each(asked)

    with mock.patch.object(db, "as_each", after_a_removal):
        fan_out(notifying, shard(thread, 2))

    assert devices.heard(FLORA) == [2]


def test_each_hears_of_what_lies_in_his_window_only(notifying: Notifying, devices: Devices) -> None:
    thread = make_thread(people=(FLORA,))
    say(ANA, thread, "before")
    participants.add(ANA, thread, AddedParticipant(user_id=PHIL.user_id))
    say(ANA, thread, "after")

    fan_out(notifying, shard(thread, 2, 3, 4))

    assert devices.heard(FLORA) == [2, 3, 4]
    assert devices.heard(PHIL) == [3, 4]
    assert "before" not in json.dumps(devices.frames[PHIL.user_id])


def test_what_is_about_a_message_outside_a_window_is_not_pushed(
    notifying: Notifying, devices: Devices
) -> None:
    thread = make_thread(people=(FLORA,))
    before = say(ANA, thread, "before").resource()
    participants.add(ANA, thread, AddedParticipant(user_id=PHIL.user_id))
    message_acts.pin(ANA, UUID(before["id"]), pinned=True)

    fan_out(notifying, shard(thread, 4))

    assert devices.heard(FLORA) == [4]
    assert devices.heard(PHIL) == []


def test_who_reads_along_hears_no_push(notifying: Notifying, devices: Devices) -> None:
    thread = make_thread(by=PETRA, people=(FLORA,), visibility="hosts")
    say(PETRA, thread)

    fan_out(notifying, shard(thread, 2))

    assert {*devices.frames} == {PETRA.user_id, FLORA.user_id}


def test_slow_connections_are_left_out_but_not_of_an_emergency(
    notifying: Notifying, devices: Devices
) -> None:
    thread = make_thread(people=(FLORA,))
    say(ANA, thread)
    say(ANA, thread, priority_level="emergency")
    devices.slow = True

    fan_out(notifying, shard(thread, 2))
    ordinary = devices.posts
    fan_out(notifying, shard(thread, 3))

    assert ordinary == 0
    assert devices.heard(FLORA) == [3]


def test_the_same_record_twice_pushes_twice_and_does_no_harm(notifying: Notifying, devices: Devices) -> None:
    thread = make_thread(people=(FLORA,))
    say(ANA, thread)
    body = shard(thread, 2, people=(FLORA,))

    answered = [fan_out(notifying, body), fan_out(notifying, body)]

    first, second = devices.frames[FLORA.user_id]
    assert answered == [{"batchItemFailures": []}] * 2
    assert first == second


def test_a_burst_comes_in_one_frame(notifying: Notifying, devices: Devices) -> None:
    thread = make_thread(people=(PETRA, FLORA))
    for number in range(9):
        say(ANA, thread, f"message {number}")

    fan_out(notifying, *(shard(thread, seq, people=(PETRA, FLORA)) for seq in (4, 2, 3, 7, 8, 10, 9)))

    assert [(f["from_seq"], f["to_seq"]) for f in devices.frames[FLORA.user_id]] == [(2, 4), (7, 10)]
    assert devices.heard(PETRA) == [2, 3, 4, 7, 8, 9, 10]
    assert devices.posts == 4


def test_a_poison_record_alone_comes_again(
    notifying: Notifying, devices: Devices, capsys: pytest.CaptureFixture[str]
) -> None:
    thread = make_thread(people=(FLORA,))
    say(ANA, thread)

    answered = fan_out(
        notifying,
        shard(thread, 2, people=(FLORA,)),
        '{"thread_id": "canary", "seqs": [1], "people": []}',
        shard(uuid4(), 1, people=(FLORA,)),
    )

    assert answered == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert devices.heard(FLORA) == [2]
    assert "canary" not in capsys.readouterr().out


def test_a_table_in_trouble_brings_the_record_again(notifying: Notifying, devices: Devices) -> None:
    thread = make_thread(people=(FLORA,))
    devices.table_down = True

    answered = fan_out(notifying, shard(thread, 1, people=(FLORA,)))

    assert answered == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert devices.posts == 0


def test_what_there_is_no_time_for_is_left_to_the_next_sync(
    notifying: Notifying,
    devices: Devices,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    thread = make_thread(people=(FLORA,))
    monkeypatch.setattr(fanout, "BUDGET_SECONDS", 0)

    fan_out(notifying, shard(thread, 1, people=(FLORA,)))

    assert devices.posts == 0
    assert "shard given up" in capsys.readouterr().out


def test_a_pace_that_is_too_slow_for_the_time_there_is_is_given_up_too(
    notifying: Notifying,
    devices: Devices,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    thread = make_thread(people=(PETRA, FLORA))
    monkeypatch.setenv("POSTS_PER_SECOND", "1")
    monkeypatch.setattr(fanout, "BUDGET_SECONDS", 1.5)

    fan_out(notifying, shard(thread, 1))

    assert devices.posts == 2
    assert "shard given up" in capsys.readouterr().out


def test_only_a_worker_asks_who_is_pushed_to(notifying: Notifying) -> None:
    asked = {"thread": make_thread(), "seqs": [1], "people": [FLORA.user_id]}

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.transaction(ANA, (fanout_sql.AUDIENCE, asked))
    with pytest.raises(Forbidden):
        notifying.run(db.transaction, ANA, (fanout_sql.AUDIENCE, asked))
