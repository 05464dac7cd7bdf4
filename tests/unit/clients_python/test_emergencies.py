"""Emergencies take two roads at once; whichever is answered first settles them, once."""

from __future__ import annotations

from random import Random
from typing import Any

from wedsync_client.frames import Effect, Frame, Post, Queued, Refused, Saved, Sent, Transmit
from wedsync_client.machine import Machine
from wedsync_client.session import Session
from wedsync_client.store import Store
from wedsync_client.timing import Timing

TIMING = Timing()


def item(name: str, thread: str = "t1") -> Queued:
    return Queued(thread, {"client_msg_id": name, "message": name})


def emergency(name: str, thread: str = "t1") -> Queued:
    return Queued(thread, {**item(name).body, "priority_level": "emergency"})


def machine(*queued: Queued) -> Machine:
    return Machine("flora", Saved(epoch="e", queued=queued), TIMING, Random(1))  # noqa: S311


def live(*queued: Queued) -> Machine:
    device = machine()
    [sync, *_] = [each.frame for each in device.connected(0.0) if isinstance(each, Transmit)]
    told = {"threads": [], "gone": [], "part": 1, "more": False, "since": "s"}
    device.received({"type": "synced", "re": sync["id"], **told}, 0.0)
    for each in queued:
        device.queue(each)
    return device


def names(frames: list[Frame]) -> list[list[str]]:
    return [[each["client_msg_id"] for each in frame["messages"]] for frame in frames]


def posts(effects: list[Effect]) -> list[Frame]:
    return [each.frame for each in effects if isinstance(each, Post)]


def sends(effects: list[Effect]) -> list[Frame]:
    frames = [each.frame for each in effects if isinstance(each, Transmit)]
    return [frame for frame in frames if frame["action"] == "send"]


def settled(effects: list[Effect]) -> list[Effect]:
    return [each for each in effects if isinstance(each, Sent | Refused)]


def answer(frame: Frame, status: str = "ok", code: str | None = None, epoch: str = "e") -> Frame:
    results = [
        {"client_msg_id": each["client_msg_id"], "status": status, "seq": seq, "code": code}
        for seq, each in enumerate(frame["messages"], 5)
    ]
    return {"type": "sent", "re": frame["id"], "thread_id": "t1", "epoch": epoch, "results": results}


def unreached(frame: Frame) -> Frame:
    return answer(frame, "skipped", "unavailable")


def test_an_emergency_takes_both_roads_at_once_with_what_was_written_before_it_in_its_thread() -> None:
    device = live(item("a"), emergency("b"), item("c"), item("d", "t2"))

    out = device.tick(1.0)

    assert names(posts(out)) == [["a", "b"]]
    assert names(sends(out)) == [["a", "b", "c"], ["d"]]


def test_what_rest_answers_first_is_settled_and_nothing_that_the_socket_says_later_changes_it() -> None:
    devices = [live(emergency("a")) for _ in range(3)]
    later: list[list[Effect]] = []

    for device, late in zip(devices, ("duplicate", "error", "refusal"), strict=True):
        out = device.tick(1.0)
        [post], [sent] = posts(out), sends(out)
        assert settled(device.posted(answer(post), 1.1)) == [Sent("t1", "a", 5, "e", duplicate=False)]
        refusal = {"type": "error", "re": sent["id"], "code": "invalid"}
        frame = refusal if late == "refusal" else answer(sent, late, "invalid")
        later.append([*device.received(frame, 9.0), *device.tick(30.0)])

    assert [settled(each) + posts(each) + sends(each) for each in later] == [[], [], []]


def test_what_the_socket_answers_first_is_settled_and_not_posted_again() -> None:
    device = live(emergency("a"))
    out = device.tick(1.0)
    [post], [sent] = posts(out), sends(out)

    first = device.received(answer(sent), 1.1)
    second = device.posted(unreached(post), 9.0)

    assert settled(first) == [Sent("t1", "a", 5, "e", duplicate=False)]
    assert settled(second) == posts(device.tick(60.0)) == []


def test_a_line_that_never_answers_is_doubted_although_rest_has_settled_the_message() -> None:
    device = live(emergency("a"))
    device.posted(answer(posts(device.tick(1.0))[0]), 1.1)
    device.tick(10.9)

    assert device.deadline() == 11.0
    doubt = device.tick(11.0)
    after = device.received({"type": "pong"}, 11.1)

    assert doubt == [Transmit({"action": "ping"})]
    assert after == []


def test_without_a_connection_it_is_posted_all_the_same_and_again_on_each_new_one() -> None:
    device = machine(item("a"), emergency("b"), item("c", "t2"))

    assert device.deadline() == 0.0
    alone = device.tick(1.0)
    assert device.deadline() is None
    again = [device.connected(now) for now in (2.0, 3.0)]

    assert [*map(type, alone)] == [Post]
    assert [names(posts(each)) for each in (alone, *again)] == [[["a", "b"]]] * 3


def test_where_all_goes_over_rest_there_is_one_road() -> None:
    device = machine(emergency("a"))

    out = device.connected(1.0, pushes=False)
    beside = device.deadline()
    device.disconnected()

    assert names(sends(out)) == [["a"]]
    assert posts(out) == []
    assert beside is not None
    assert beside > 1.0
    assert names(posts(device.tick(2.0))) == [["a"]]


def test_rest_is_tried_again_after_random_times_that_grow_until_the_message_is_settled() -> None:
    class Longest(Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    device = Machine("flora", Saved(queued=[emergency("a")]), TIMING, Longest())
    now, waits = 0.0, list[float]()

    for _ in range(7):
        [post] = posts(device.tick(now))
        assert device.posted(unreached(post), now) == []
        due = device.deadline()
        assert due is not None
        waits.append(due - now)
        now = due

    assert waits == [min(TIMING.longest_retry, TIMING.retry * 2**failures) for failures in range(7)]
    [post] = posts(device.tick(now))
    assert settled(device.posted(answer(post), now)) != []
    assert device.deadline() is None


def test_a_new_emergency_waits_neither_for_the_answer_nor_for_the_next_attempt_of_another() -> None:
    device = live(emergency("a"))
    [first] = posts(device.tick(1.0))

    device.queue(emergency("b"))
    [second] = posts(device.tick(1.1))
    overtaken = device.posted(answer(first), 1.2)
    device.posted(unreached(second), 1.3)
    device.queue(emergency("c"))

    assert names([second]) == [["a", "b"]]
    assert [type(each) for each in settled(overtaken)] == [Sent]
    assert posts(overtaken) == []
    assert names(posts(device.tick(1.3))) == [["b", "c"]]


def test_behind_a_message_that_is_refused_an_emergency_waits_for_nothing() -> None:
    device = live(item("a"), emergency("b"))
    [post] = posts(device.tick(1.0))
    alone = {**post, "messages": post["messages"][:1]}

    refused = device.posted(answer(alone, "error", "invalid"), 1.1)

    assert settled(refused) == [Refused("t1", "a", "invalid")]
    assert names(posts(refused)) == [["b"]]


def test_a_thread_that_is_lost_refuses_it_once() -> None:
    device = live(emergency("a"))
    out = device.tick(1.0)
    [post], [sent] = posts(out), sends(out)

    refused = device.posted(answer(post, "error", "not_found"), 1.1)
    again = device.received({"type": "error", "re": sent["id"], "code": "not_found"}, 1.2)

    assert settled(refused) == [Refused("t1", "a", "not_found")]
    assert settled(again) == []


def test_an_answer_out_of_a_log_that_is_no_more_settles_nothing() -> None:
    device = live(emergency("a"))
    [before] = posts(device.tick(1.0))

    device.requeue([emergency("a")])
    late = device.posted(answer(before), 2.0)
    [again] = posts(late)

    assert settled(late) == []
    assert settled(device.posted(answer(again, epoch="e2"), 2.1)) == [
        Sent("t1", "a", 5, "e2", duplicate=False)
    ]


def test_a_process_that_ends_between_the_roads_leaves_the_message_to_the_next_one() -> None:
    store = Store(":memory:", "flora", "phone", 0.0)
    here: Any = {"message": "help", "priority_level": "emergency"}

    def process() -> Session:
        return Session(Machine("flora", store.saved(), TIMING, Random(1)), store, lambda: 1.0)  # noqa: S311

    first = process()
    first.send("t1", here)
    [asked] = first.tick().posts
    second = process()
    [again] = second.tick().posts
    told = second.posted(answer(again, "duplicate")).told

    assert names([asked]) == names([again])
    assert [type(each) for each in told] == [Sent]
    assert store.queued() == []
    assert process().tick().posts == []
    store.close()
