"""What those who are connected hear of a commit, and what happens to those who cannot."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.unit.realtime.conftest import Gateway, Queues, connect
from wedsync.conversations.events import Change, Committed, Event
from wedsync.platform import aws
from wedsync.realtime import broadcast, connections, poster, shards
from wedsync.realtime.broadcast import deliver
from wedsync.realtime.connections import Connection
from wedsync.realtime.poster import Outcome

THREAD = UUID("0190cccc-0000-7000-8000-000000000001")
COUPLE, PLANNER, FLORIST, CATERER = (uuid4() for _ in range(4))
EVENT: Event = {
    "seq": 7,
    "kind": "message.created",
    "at": "2026-06-13T14:03:11.000Z",
    "actor_id": str(COUPLE),
}

pytestmark = pytest.mark.usefixtures("table")


def change(*audience: UUID, revoked: UUID | None = None, events: tuple[Event, ...] = (EVENT,)) -> Change:
    lost = frozenset({revoked} if revoked else ())
    return Change(THREAD, "a1", 7, events, frozenset(audience), lost)


def test_every_device_of_the_audience_gets_the_event_and_nobody_else(gateway: Gateway) -> None:
    connect(PLANNER, "phone=")
    connect(PLANNER, "laptop=", device_id="laptop")
    connect(FLORIST, "florist=")
    connect(CATERER, "caterer=")

    answer = deliver(Committed("the answer", (change(COUPLE, PLANNER, FLORIST),)))

    frame = {
        "type": "events",
        "thread_id": str(THREAD),
        "epoch": "a1",
        "from_seq": 7,
        "to_seq": 7,
        "head_seq": 7,
        "more": False,
        "events": [EVENT],
    }
    assert answer == "the answer"
    assert gateway.frames == {"phone=": [frame], "laptop=": [frame], "florist=": [frame]}


def test_who_lost_access_hears_that_and_not_the_event(gateway: Gateway) -> None:
    connect(PLANNER, "planner=")
    connect(FLORIST, "florist=")

    deliver(Committed(None, (change(PLANNER, revoked=FLORIST),)))

    assert [frame["type"] for frame in gateway.frames["planner="]] == ["events"]
    assert gateway.frames["florist="] == [{"type": "access", "thread_id": str(THREAD), "state": "revoked"}]


def test_to_whom_nothing_is_left_hears_what_was_lost_and_is_disconnected(gateway: Gateway) -> None:
    connect(FLORIST, "phone=")
    connect(FLORIST, "laptop=", device_id="laptop")
    connect(PLANNER, "planner=")
    left = Committed("the answer", (change(PLANNER, revoked=FLORIST),), dismissed=frozenset({FLORIST}))

    answer = deliver(left)

    assert answer == "the answer"
    for device in ("phone=", "laptop="):
        access, bye = gateway.frames[device]
        assert (access["type"], bye["type"], bye["code"]) == ("access", "bye", 4003)
        assert "retry" not in bye
    assert {*gateway.closed} == {"phone=", "laptop="}
    assert [each.user_id for each in connections.find([PLANNER, FLORIST])] == [PLANNER]


def test_a_dead_connection_is_forgotten_and_the_others_are_not_disturbed(gateway: Gateway) -> None:
    connect(PLANNER, "dead=")
    laptop = connect(PLANNER, "laptop=", device_id="laptop")
    florist = connect(FLORIST, "florist=")
    gateway.statuses["dead="] = [410]

    deliver(Committed(None, (change(PLANNER, FLORIST),)))

    assert {*gateway.frames} == {"laptop=", "florist="}
    assert {*connections.find([PLANNER, FLORIST])} == {laptop, florist}


def test_a_connection_whose_handshake_is_being_answered_is_not_taken_for_dead(gateway: Gateway) -> None:
    opening = connect(PLANNER, "opening=", age=0)
    gateway.statuses["opening="] = [410]

    deliver(Committed(None, (change(PLANNER),)))

    assert connections.find([PLANNER]) == [opening]


def test_a_slow_connection_is_left_out_until_it_has_synced(gateway: Gateway) -> None:
    slow = connect(PLANNER, "slow=")
    gateway.statuses["slow="] = [429]

    deliver(Committed(None, (change(PLANNER),)))
    deliver(Committed(None, (change(PLANNER),)))

    assert connections.find([PLANNER]) == [replace(slow, lagging=True)]
    assert gateway.frames == {}

    connections.settle(slow)
    deliver(Committed(None, (change(PLANNER),)))

    assert [frame["type"] for frame in gateway.frames["slow="]] == ["events"]


def test_one_slow_connection_of_sixty_is_left_out_and_delays_nobody(
    gateway: Gateway, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "DIRECT", 60)
    people = [uuid4() for _ in range(60)]
    for number, person in enumerate(people):
        connect(person, f"c{number}=")
    gateway.statuses["c7="] = [429]

    for _ in range(2):
        deliver(Committed(None, (change(*people),)))

    assert {name: len(frames) for name, frames in gateway.frames.items()} == {
        f"c{number}=": 2 for number in range(60) if number != 7
    }
    assert [each.connection_id for each in connections.find(people) if each.lagging] == ["c7="]


def test_an_emergency_is_tried_on_a_slow_connection_too(gateway: Gateway) -> None:
    connections.mark_lagging(connect(PLANNER, "slow="))

    deliver(Committed(None, (change(PLANNER),)))
    ordinary = [*gateway.frames]
    broadcast.push(
        [replace(change(PLANNER), emergencies=frozenset({7}))], connections.find([PLANNER]), seconds=5
    )

    assert ordinary == []
    assert [*gateway.frames] == ["slow="]


def test_when_the_accounts_requests_are_used_up_the_sender_does_not_write_down_everybody(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    people = [uuid4() for _ in range(30)]
    for number, person in enumerate(people):
        connect(person, f"c{number}=")
        gateway.statuses[f"c{number}="] = [429]

    deliver(Committed(None, (change(*people),)))

    assert sum(each.lagging for each in connections.find(people)) == 10
    assert "the account's requests are used up" in capsys.readouterr().out


def test_fifty_are_pushed_to_at_once_and_the_others_through_the_fan_out(
    gateway: Gateway, queues: Queues
) -> None:
    people = [uuid4() for _ in range(70)]
    for number, person in enumerate(people):
        connect(person, f"c{number}=")

    deliver(Committed(None, (change(*people),)))

    [shard] = queues.bodies["FANOUT"]
    told = {people[int(name[1:-1])] for name in gateway.frames}
    assert len(gateway.frames) == 50
    assert {UUID(each) for each in shard["people"]} == {*people} - told
    assert (shard["thread_id"], shard["seqs"]) == (str(THREAD), [7])
    assert queues.bodies["EVENTS"] == [{"events": [{"thread_id": str(THREAD), "seq": 7}]}]


def test_of_a_thousand_people_one_read_is_looked_up_and_the_others_go_in_shards_of_two_hundred(
    gateway: Gateway, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [uuid4() for _ in range(1_000)]
    asked: list[int] = []
    find = connections.find
    monkeypatch.setattr(connections, "find", lambda some: (asked.append(len(some)), find(some))[1])

    deliver(Committed(None, (change(*people),)))

    named = [UUID(person) for shard in queues.bodies["FANOUT"] for person in shard["people"]]
    assert asked == [100]
    assert [len(shard["people"]) for shard in queues.bodies["FANOUT"]] == [200, 200, 200, 200, 100]
    assert len({*named}) == 900


def test_who_wrote_it_who_lost_it_and_who_is_looking_are_told_at_once(
    gateway: Gateway, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "DIRECT", 3)
    others = [uuid4() for _ in range(10)]
    for number, person in enumerate(others):
        connect(person, f"c{number}=")
    connect(FLORIST, "lost=")
    connect(COUPLE, "wrote=")
    looking = connect(PLANNER, "looks=")
    find = connections.find
    monkeypatch.setattr(
        connections,
        "find",
        lambda people: [replace(each, focus=THREAD) if each == looking else each for each in find(people)],
    )

    deliver(Committed(None, (change(*others, COUPLE, PLANNER, revoked=FLORIST),)))

    assert {*gateway.frames} == {"lost=", "wrote=", "looks="}
    assert len(queues.bodies["FANOUT"][0]["people"]) == 10


def test_who_lost_access_hears_it_at_once_however_many_they_are(
    gateway: Gateway, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "DIRECT", 1)
    monkeypatch.setattr(broadcast, "DIRECT_PEOPLE", 1)
    lost = [uuid4() for _ in range(4)]
    for number, person in enumerate(lost):
        connect(person, f"c{number}=")

    deliver(Committed(None, (replace(change(PLANNER), revoked=frozenset(lost)),)))

    assert [frames[0]["type"] for frames in gateway.frames.values()] == ["access"] * 4
    assert queues.bodies["FANOUT"][0]["people"] == [str(PLANNER)]


def test_an_emergency_goes_through_the_fan_out_in_its_own_lane(
    gateway: Gateway, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "DIRECT_PEOPLE", 1)
    emergency = replace(change(COUPLE, PLANNER), emergencies=frozenset({7}))

    deliver(Committed(None, (emergency,)))

    assert len(queues.bodies["FANOUT_EMERGENCY"]) == 1
    assert queues.bodies["FANOUT"] == []


def test_what_the_fan_out_does_not_take_the_planner_is_asked_to_push_again(
    gateway: Gateway, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "DIRECT_PEOPLE", 1)
    monkeypatch.setattr(shards, "SEND_SECONDS", 0.05)
    connect(COUPLE, "wrote=")
    queues.down = {"FANOUT"}

    answer = deliver(Committed("the answer", (change(COUPLE, PLANNER),)))

    assert answer == "the answer"
    assert {*gateway.frames} == {"wrote="}
    assert queues.bodies["EVENTS"][0]["again"] is True


def test_a_connection_whose_token_ran_out_hears_that_once_and_no_event(gateway: Gateway) -> None:
    expired = connections.opened(PLANNER, "phone", "expired=", int(time.time()) - 1)
    connections.register(expired)

    deliver(Committed(None, (change(PLANNER),)))
    deliver(Committed(None, (change(PLANNER),)))

    assert [(frame["type"], frame["code"]) for frame in gateway.frames["expired="]] == [("bye", 4001)]
    assert connections.find([PLANNER]) == []


def test_a_sender_does_not_wait_for_the_end_of_all_whose_tokens_ran_out(
    gateway: Gateway, queues: Queues
) -> None:
    people = [uuid4() for _ in range(25)]
    for number, person in enumerate(people):
        connections.register(connections.opened(person, "phone", f"c{number}=", int(time.time()) - 1))

    left = []
    for _ in range(3):
        deliver(Committed(None, (change(*people),)))
        left.append(len(connections.find(people)))

    assert left == [15, 5, 0]
    assert {len(frames) for frames in gateway.frames.values()} == {1}


def test_a_send_to_few_is_one_read_of_the_table_and_one_call_of_a_queue(
    gateway: Gateway, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(PLANNER, "planner=")
    asked: list[str] = []
    call = aws.call

    def noted(service: str, operation: str, body: dict[str, object], **options: float) -> object:
        asked.append(operation)
        return call(service, operation, body, **options)

    monkeypatch.setattr(aws, "call", noted)

    deliver(Committed(None, (change(COUPLE, PLANNER, FLORIST),)))

    assert asked == ["BatchGetItem", "SendMessageBatch"]


def test_a_large_change_comes_in_several_frames_in_order(gateway: Gateway) -> None:
    connect(PLANNER, "planner=")
    events: tuple[Event, ...] = tuple(
        {"seq": seq, "kind": "message.created", "message_id": "é" * 6000} for seq in range(3, 8)
    )

    deliver(Committed(None, (change(PLANNER, events=events),)))

    frames = gateway.frames["planner="]
    assert [(frame["from_seq"], frame["to_seq"]) for frame in frames] == [(3, 4), (5, 6), (7, 7)]
    assert [event for frame in frames for event in frame["events"]] == [*events]
    assert max(gateway.sizes) <= 28_000


def test_after_a_lost_frame_a_connection_is_sent_no_later_one(gateway: Gateway) -> None:
    connect(PLANNER, "planner=")
    gateway.statuses["planner="] = [500]

    deliver(Committed(None, (change(PLANNER), change(PLANNER))))

    assert gateway.frames == {}


def test_several_changes_reach_each_in_their_order(gateway: Gateway) -> None:
    connect(PLANNER, "planner=")
    later = replace(change(PLANNER), head_seq=8, events=({"seq": 8, "kind": "participant.added"},))

    deliver(Committed(None, (change(PLANNER), later)))

    assert [frame["head_seq"] for frame in gateway.frames["planner="]] == [7, 8]


def test_a_commit_without_changes_asks_nobody(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    assert deliver(Committed(42, ())) == 42


def test_a_table_in_trouble_costs_the_push_and_not_the_answer(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(PLANNER, "planner=")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    assert deliver(Committed("the answer", (change(PLANNER),))) == "the answer"

    assert gateway.frames == {}


def test_whom_the_table_does_not_name_the_fan_out_looks_for(
    gateway: Gateway, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [uuid4() for _ in range(130)]

    def refuse(_: object) -> list[Connection]:
        raise aws.ThrottledError("ThrottlingException", "", 400)

    monkeypatch.setattr(connections, "find", refuse)

    deliver(Committed(None, (change(*people, revoked=FLORIST),)))

    [shard] = queues.bodies["FANOUT"]
    assert {UUID(each) for each in shard["people"]} == {*people}
    assert queues.bodies["EVENTS"] == [{"events": [{"thread_id": str(THREAD), "seq": 7}]}]


def test_what_neither_the_table_nor_the_fan_out_can_tell_is_pushed_again_later(
    gateway: Gateway, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SEND_SECONDS", 0.05)
    queues.down = {"FANOUT"}

    def refuse(_: object) -> list[Connection]:
        raise aws.ThrottledError("ThrottlingException", "", 400)

    monkeypatch.setattr(connections, "find", refuse)

    deliver(Committed(None, (change(PLANNER),)))

    assert queues.bodies["EVENTS"][0]["again"] is True


def test_one_that_syncs_while_others_are_pushed_to_is_not_left_out(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = connect(PLANNER, "slow=")
    gateway.statuses["slow="] = [429]
    post = poster.post

    def and_it_syncs(*asked: Any) -> dict[str, Outcome]:
        outcomes = post(*asked)
        connections.settle(slow)
        return outcomes

    monkeypatch.setattr(poster, "post", and_it_syncs)

    deliver(Committed(None, (change(PLANNER),)))

    assert [each.lagging for each in connections.find([PLANNER])] == [False]


def test_a_gateway_in_trouble_costs_the_push_and_not_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(PLANNER, "planner=")
    monkeypatch.setenv("CALLBACK_URL", "http://127.0.0.1:1/v1")

    assert deliver(Committed("the answer", (change(PLANNER),))) == "the answer"

    assert len(connections.find([PLANNER])) == 1


def test_a_table_that_fails_while_tidying_costs_nothing(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(PLANNER, "dead=")
    gateway.statuses["dead="] = [410]
    call = aws.call

    def read_only(service: str, operation: str, body: dict[str, object], **options: float) -> object:
        if operation == "UpdateItem":
            raise aws.ThrottledError("ThrottlingException", "", 400)
        return call(service, operation, body, **options)

    monkeypatch.setattr(aws, "call", read_only)

    assert deliver(Committed("the answer", (change(PLANNER),))) == "the answer"
