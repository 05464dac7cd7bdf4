"""When a device asks, pings, gives up and begins anew; what happens to threads is in the model's test."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from wedsync_client.frames import (
    Applied,
    Close,
    Effect,
    Frame,
    Hint,
    Keep,
    Load,
    Page,
    Place,
    Post,
    Queued,
    Remember,
    Renew,
    Reoffer,
    Saved,
    Sent,
    Transmit,
)
from wedsync_client.machine import Machine
from wedsync_client.modes import Modes
from wedsync_client.sending import RETRY_SECONDS
from wedsync_client.timing import Attempts, Timing

TIMING = Timing()
WRITTEN = Queued("t1", {"client_msg_id": "a", "message": "hello"})
ME = {"role": "participant", "delivered_seq": 0, "read_seq": 0}
HERE = Place("e", 4, 4, delivered=4)


def machine(**saved: Any) -> Machine:
    return Machine("flora", Saved(**saved), TIMING, Random(1))  # noqa: S311


def frames(effects: list[Effect]) -> list[Frame]:
    return [each.frame for each in effects if isinstance(each, Transmit)]


def sends(effects: list[Effect]) -> list[Frame]:
    return [frame for frame in frames(effects) if frame["action"] == "send"]


def question(effects: list[Effect]) -> Frame:
    [sync] = [frame for frame in frames(effects) if frame["action"] == "sync"]
    return sync


def synced(asked: Frame, **fields: Any) -> Frame:
    told = {
        "type": "synced",
        "re": asked["id"],
        "threads": [],
        "gone": [],
        "part": 1,
        "more": False,
        "since": "s1",
    }
    return {**told, **fields}


def pushed(seq: int, **fields: Any) -> Frame:
    event = {"seq": seq, "kind": "message.created"}
    return {"type": "events", "thread_id": "t1", "epoch": "e", "head_seq": seq, "events": [event], **fields}


def known(**me: Any) -> Frame:
    return {"thread_id": "t1", "epoch": "e", "head_seq": 5, "me": {**ME, **me}}


def caught_up(**saved: Any) -> Machine:
    device = machine(**saved)
    device.received(synced(question(device.connected(0.0))), 0.0)
    return device


def test_sync_is_the_first_frame_with_all_cursors() -> None:
    device = machine(since="s0", epoch="e", places={"t1": HERE}, queued=[Queued("t1", {})])

    first, *_ = frames(device.connected(0.0))

    assert first["action"] == "sync"
    assert (first["since"], first["cursors"]) == ("s0", {"t1": {"epoch": "e", "seq": 4}})


def test_a_new_connection_is_pinged_at_once_and_closed_when_nothing_comes() -> None:
    silent, alive = machine(), machine()

    told = [frames(each.connected(1.0)) for each in (silent, alive)]
    alive.received({"type": "typing", "thread_id": "t1"}, 8.9)

    assert [[frame["action"] for frame in each] for each in told] == [["sync", "ping"]] * 2
    assert silent.deadline() == 9.0
    assert silent.tick(9.0) == [Close()]
    assert Close() not in alive.tick(9.0)


def test_it_asks_again_every_two_minutes() -> None:
    device = caught_up()

    assert [frame["action"] for frame in frames(device.tick(119.0))] == ["ping"]
    assert question(device.tick(120.0))["since"] == "s1"


def test_of_many_threads_those_that_are_behind_are_named_first() -> None:
    places = {f"t{number}": Place("e", 5, 6 if number == 250 else 5) for number in range(300)}
    device = machine(epoch="e", places=places)

    cursors = question(device.connected(0.0))["cursors"]

    assert len(cursors) == 200
    assert "t250" in cursors


def test_a_gap_is_given_a_moment_before_it_asks() -> None:
    device = caught_up(epoch="e", places={"t1": HERE})

    assert frames(device.received(pushed(7), 10.0)) == []
    assert device.deadline() == pytest.approx(10.25)
    assert question(device.tick(10.25))["cursors"] == {"t1": {"epoch": "e", "seq": 4}}


def stored(*, seq: int, thread_id: str = "t1", epoch: str = "e") -> Frame:
    result = {"client_msg_id": "a", "status": "ok", "seq": seq, "code": None}
    return {"type": "sent", "re": "m1", "thread_id": thread_id, "epoch": epoch, "results": [result]}


@pytest.mark.parametrize("answer", [stored(seq=6), stored(seq=1, thread_id="t2"), stored(seq=1, epoch="f")])
def test_what_was_stored_and_is_not_told_is_asked_for_in_a_moment(answer: Frame) -> None:
    written = Queued(answer["thread_id"], WRITTEN.body)
    device = caught_up(epoch="e", places={"t1": HERE}, queued=[written])

    effects = device.received(answer, 1.0)

    assert [type(each) for each in effects] == [Sent]
    assert question(device.tick(1.0 + TIMING.gap))["cursors"] == {"t1": {"epoch": "e", "seq": 4}}


def test_what_was_posted_and_is_not_told_is_asked_for_in_a_moment() -> None:
    urgent = Queued("t1", {**WRITTEN.body, "priority_level": "emergency"})
    device = machine(epoch="e", places={"t1": HERE}, queued=[urgent])
    effects = device.connected(0.0)
    [post] = [each.frame for each in effects if isinstance(each, Post)]
    device.received(synced(question(effects)), 0.0)

    device.posted({**stored(seq=6), "re": post["id"]}, 1.0)

    assert question(device.tick(1.0 + TIMING.gap))["cursors"] == {"t1": {"epoch": "e", "seq": 4}}


def test_what_comes_within_a_moment_is_not_asked_for() -> None:
    device = caught_up(epoch="e", places={"t1": HERE}, queued=[WRITTEN])

    device.received(stored(seq=6), 1.0)
    device.received(pushed(6), 1.1)
    device.received(pushed(5), 1.2)
    told = [*frames(device.tick(1.0 + TIMING.gap)), *frames(device.tick(100.0))]

    assert "sync" not in [frame["action"] for frame in told]


def test_after_a_gap_it_asks_once_more_for_what_nothing_has_shown() -> None:
    device = caught_up(epoch="e", places={"t1": HERE})
    device.received(pushed(6), 1.0)
    asked = question(device.tick(1.0 + TIMING.gap))
    device.received({**pushed(5), "re": asked["id"]}, 3.0)
    device.received(synced(asked), 3.0)

    assert "sync" not in [frame["action"] for frame in frames(device.tick(3.0 + TIMING.longest_pause / 2.1))]
    again = question(device.tick(3.0 + TIMING.longest_pause))
    device.received(synced(again), 14.0)
    assert "sync" not in [frame["action"] for frame in frames(device.tick(100.0))]


def test_what_a_late_answer_tells_of_is_asked_for_too() -> None:
    device = caught_up(epoch="e", places={"t1": HERE})
    late = {**synced({"id": "old"}), "threads": [known()]}

    device.received(late, 1.0)

    assert question(device.tick(1.0 + TIMING.gap))["cursors"] == {"t1": {"epoch": "e", "seq": 4}}


def test_an_answer_in_parts_counts_when_it_is_whole() -> None:
    device = machine(since="s0")
    asked = question(device.connected(0.0))
    part = {"thread_id": "t1", "epoch": "e", "head_seq": 3, "me": ME}

    device.received(synced(asked, threads=[part], more=True, since=None), 1.0)
    again = question(device.tick(TIMING.answer))

    assert again["since"] == "s0"
    assert again["cursors"] == {"t1": {"epoch": "e", "seq": 0}}


def test_a_token_that_is_not_the_servers_is_given_up() -> None:
    device = machine(since="from elsewhere")
    asked = question(device.connected(0.0))

    device.received({"type": "error", "re": asked["id"], "code": "invalid"}, 0.0)

    assert question(device.tick(TIMING.longest_pause))["since"] is None


def test_trouble_of_the_server_is_waited_for() -> None:
    device = machine(since="s0")
    asked = question(device.connected(0.0))

    device.received({"type": "error", "re": asked["id"], "code": "unavailable", "retry_after_ms": 3000}, 1.0)

    assert frames(device.tick(3.9)) == []
    assert question(device.tick(5.5))["since"] == "s0"  # not everybody at one moment


def test_syncs_that_bring_nothing_become_rare() -> None:
    device = machine(epoch="e", places={"t1": Place("e", 4, 9)})
    now, asked = 0.0, question(device.connected(0.0))
    pauses: list[float] = []

    for _ in range(12):
        device.received(synced(asked), now)
        sent: list[Frame] = []
        before = now
        while not any(frame["action"] == "sync" for frame in sent):
            now = device.deadline() or now
            sent = frames(device.tick(now))
        asked = next(frame for frame in sent if frame["action"] == "sync")
        pauses.append(now - before)

    assert sum(pauses[6:]) > sum(pauses[:6])
    assert max(pauses) <= TIMING.longest_pause


def test_a_long_thread_that_is_new_begins_at_its_newest_page() -> None:
    device = machine()
    asked = question(device.connected(0.0))
    listed = {"thread_id": "t1", "epoch": "e", "head_seq": 4000, "me": ME}

    effects = device.received(synced(asked, threads=[listed]), 1.0)
    sync = question(device.loaded(Page("t1", "e", 4000, []), 2.0))

    assert Load("t1") in effects
    assert sync["cursors"] == {"t1": {"epoch": "e", "seq": 4000}}


def test_pages_and_texts_that_were_not_loaded_are_loaded_by_the_next_process() -> None:
    device = machine(epoch="e", places={"t1": Place("e", 4, loading=True)}, truncated=[Load("t2", "m", 3)])

    effects = device.connected(0.0)
    again = device.connected(1.0)

    assert [each for each in effects if isinstance(each, Load)] == [Load("t1"), Load("t2", "m", 3)]
    assert [each for each in again if isinstance(each, Load)] == [Load("t1")]


def test_a_page_that_nobody_waits_for_changes_nothing() -> None:
    device = caught_up(epoch="e", places={"t1": HERE})

    assert device.loaded(Page("t1", "e", 9, []), 1.0) == []
    assert device.loaded(Page("t9", "e", 9, []), 1.0) == []
    assert device.missing("t9") == []


def test_late_answers_of_earlier_questions_say_nothing_of_what_is_not_there() -> None:
    device = machine(epoch="e", places={"t1": HERE})
    question(device.connected(0.0))
    listed = {"thread_id": "t2", "epoch": "e", "head_seq": 3, "me": ME}
    late = {"type": "synced", "re": "old", "threads": [listed], "gone": ["t1"], "more": False, "since": "x"}

    device.received(late, 1.0)
    device.received({"type": "resync_required", "re": "old", "thread_id": "t1", "epoch": "e"}, 1.0)
    sync = question(device.tick(TIMING.answer))

    assert sync["since"] is None
    assert sync["cursors"].keys() == {"t1", "t2"}


def test_an_answer_counts_when_all_its_parts_are_here_in_any_order() -> None:
    device = machine(since="s0")
    asked = question(device.connected(0.0))
    first, second = (synced(asked, part=part, more=True, since=None) for part in (1, 2))
    last = synced(asked, part=3, since="s9")

    early = [*device.received(first, 0.1), *device.received(last, 0.1), *device.received(first, 0.1)]
    whole = device.received(second, 0.2)

    assert Remember("s9", None) not in early
    assert Remember("s9", None) in whole


def test_an_answer_that_lost_a_part_is_asked_for_again_soon() -> None:
    device = machine(since="s0")
    device.received(synced(question(device.connected(0.0)), part=2, since="s9"), 0.1)

    again = question(device.tick(0.1 + TIMING.gap))

    assert again["since"] == "s0"


def test_a_void_that_reaches_back_begins_after_what_is_known() -> None:
    device = caught_up(epoch="e", places={"t1": HERE})
    void = {"seq": 2, "to_seq": 7, "kind": "void"}

    effects = device.received(pushed(8, events=[{"seq": 8, "kind": "message.created"}, void]), 0.0)

    applied = [each.event for each in effects if isinstance(each, Applied)]
    assert [(each.seq, each.last) for each in applied] == [(5, 7), (8, 8)]


def test_what_is_held_back_for_a_gap_has_an_end() -> None:
    device = caught_up(epoch="e", places={"t1": HERE})

    for seq in range(6, 2000):
        device.received(pushed(seq), 0.0)
    applied = [each for each in device.received(pushed(5), 0.0) if isinstance(each, Applied)]

    assert len(applied) == 1000


def test_a_dead_line_is_closed_when_no_pong_comes() -> None:
    device = caught_up()

    assert frames(device.tick(55.0)) == [{"action": "ping"}]
    assert device.deadline() == 63.0
    assert device.tick(62.9) == []
    assert device.tick(63.0) == [Close()]


def test_any_frame_is_a_sign_of_life() -> None:
    device = caught_up()
    device.tick(60.0)

    device.received({"type": "pong"}, 61.0)

    assert Close() not in device.tick(68.0)


def test_what_still_comes_on_the_connection_before_is_no_sign_of_life_of_the_one_in_use() -> None:
    device = caught_up(epoch="e", places={"t1": HERE})
    device.connected(1.0)

    heard = device.received(pushed(5), 2.0, in_use=False)

    assert [each.event.seq for each in heard if isinstance(each, Applied)] == [5]
    assert device.tick(1.0 + TIMING.pong) == [Close()]


def test_on_the_day_it_pings_as_often_as_it_is_asked_to() -> None:
    device = caught_up()
    day = {"type": "mode", "wedding_id": "w1", "phase": "day_of", "ping_seconds": 25, "typing": False}

    told = device.received(day, 10.0)
    pings = [frames(device.tick(at)) for at in (34.0, 35.0)]

    assert told == [Hint(day)]
    assert pings == [[], [{"action": "ping"}]]


def test_a_mode_holds_until_another_of_its_wedding_or_for_five_minutes() -> None:
    modes = Modes()
    for wedding, seconds in (("w1", 25), ("w2", 40)):
        modes.note({"type": "mode", "wedding_id": wedding, "ping_seconds": seconds}, 0.0)

    modes.note({"type": "mode", "wedding_id": "w1", "ping_seconds": 55}, 100.0)

    assert [modes.ping_every(55.0, at) for at in (100.0, 299.0, 300.0)] == [40, 40, 55]


def test_the_announced_end_of_the_token_asks_for_a_renewal() -> None:
    device = caught_up()

    assert device.received({"type": "auth_expiring", "expires_at": "2026-06-13T15:00:00.000Z"}, 1.0) == [
        Renew()
    ]
    assert device.received({"type": "auth_ok", "re": "auth", "expires_at": "…"}, 1.0) == []


def test_what_is_not_answered_is_asked_again_and_the_line_is_tried() -> None:
    device = machine()
    device.connected(0.0)

    device.received({"type": "pong"}, 0.1)

    assert [frame["action"] for frame in frames(device.tick(10.0))] == ["sync", "ping"]


def test_a_failure_of_the_gateway_and_unknown_frames_end_nothing() -> None:
    device = caught_up()

    assert device.received({"message": "Internal server error", "requestId": "r"}, 1.0) == []
    typing = {"type": "typing", "thread_id": "t1"}
    assert device.received(typing, 1.0) == [Hint(typing)]


def test_a_bye_is_passed_on() -> None:
    bye = {"type": "bye", "code": 4010, "retry": {"min_ms": 0, "max_ms": 1}}

    assert Close(bye) in caught_up().received(bye, 1.0)


def test_nothing_is_due_while_disconnected() -> None:
    device = caught_up()

    device.disconnected()

    assert device.deadline() is None
    assert device.tick(1000.0) == []


def test_access_to_a_thread_that_is_not_known_was_lost_before() -> None:
    lost = {"type": "access", "thread_id": "t1", "state": "revoked"}

    assert caught_up().received(lost, 1.0) == []


def test_receipts_are_cumulative_and_rare() -> None:
    device = caught_up(epoch="e", places={"t1": HERE})

    now = frames(device.received(pushed(5), 5.0))
    soon = frames(device.received(pushed(6), 5.1))
    later = frames(device.tick(7.0))

    assert [frame["cursors"] for frame in now] == [{"t1": 5}]
    assert soon == []
    assert [frame["cursors"] for frame in later] == [{"t1": 6}]


def test_an_ack_that_was_lost_is_said_again_with_the_next_sync_until_the_server_knows_it() -> None:
    device = caught_up(epoch="e", places={"t1": HERE})
    ack = {"action": "ack", "epoch": "e", "cursors": {"t1": 5}}
    said: list[bool] = []

    for now, listed in ((5.0, []), (200.0, []), (400.0, [known(delivered_seq=5)]), (600.0, [])):
        sync = question(device.tick(now) or device.received({"type": "me", "changed": "place"}, now))
        told = device.received(synced(sync, threads=listed), now)
        told += device.received(pushed(5), now + 1.0)
        said.append(ack in frames([*told, *device.tick(now + 3.0)]))

    assert said == [True, True, False, False]


def test_who_only_reads_along_says_nothing_of_it() -> None:
    device = machine(epoch="e", places={"t1": Place("e", 4, 4)})
    device.focus("t1", 0.0)
    asked = question(device.connected(0.0))

    device.received(synced(asked, threads=[known(role=None)]), 0.1)
    told = [*device.received(pushed(5), 5.0), *device.tick(8.0)]

    assert {"ack", "read"}.isdisjoint(frame["action"] for frame in frames(told))


def test_what_is_read_needs_no_ack() -> None:
    device = caught_up(epoch="e", places={"t1": HERE})
    device.focus("t1", 4.0)

    told = frames(device.received(pushed(5), 6.0))

    assert [(frame["action"], frame["seq"]) for frame in told] == [("read", 5)]


def test_what_is_read_is_told_until_the_server_knows_it() -> None:
    device = caught_up(epoch="e", places={"t1": HERE})
    device.focus("t1", 4.0)
    lost = frames(device.received(pushed(5), 6.0))
    device.disconnected()

    asked = device.connected(10.0)
    again = frames(device.received(synced(question(asked)), 13.0))
    asked = device.connected(20.0)
    listed = device.received(synced(question(asked), threads=[known(read_seq=5)]), 20.0)

    read = {"action": "read", "epoch": "e", "thread_id": "t1", "seq": 5}
    assert read in lost
    assert read in again
    assert read not in frames(listed)
    assert [each.place.read for each in listed if isinstance(each, Keep)] == [5]


def test_what_is_unsent_waits_for_the_first_sync_of_a_connection_or_for_its_time_out() -> None:
    answered, unanswered = (machine(queued=[WRITTEN]) for _ in range(2))
    asked = [question(each.connected(0.0)) for each in (answered, unanswered)]

    waiting = [*answered.tick(1.0), *unanswered.tick(9.9)]
    sent = [answered.received(synced(asked[0]), 1.1), unanswered.tick(10.0)]

    assert frames(waiting) == []
    assert [[WRITTEN.body]] * 2 == [each["messages"] for told in sent for each in sends(told)]


def test_a_sync_that_is_refused_holds_nothing_back() -> None:
    device = machine(queued=[WRITTEN])
    asked = question(device.connected(0.0))

    sent = device.received({"type": "error", "re": asked["id"], "code": "internal"}, 1.0)

    assert [each["messages"] for each in sends(sent)] == [[WRITTEN.body]]


def test_while_the_database_is_away_the_next_sync_is_waited_for() -> None:
    device = machine(queued=[WRITTEN])
    asked = question(device.connected(0.0))

    away = device.received({"type": "error", "re": asked["id"], "code": "unavailable"}, 9.0)
    again = device.tick(9.0 + 2 * TIMING.gap)
    back = device.received(synced(question(again)), 12.0)

    assert sends([*away, *again]) == []
    assert [each["messages"] for each in sends(back)] == [[WRITTEN.body]]


def test_a_late_answer_to_an_earlier_sync_lets_nothing_go() -> None:
    device = caught_up(epoch="e")
    early = question(device.received({"type": "me", "thread_id": "t1", "changed": "place"}, 1.0))
    asked = question(device.tick(11.0))
    device.received({"type": "error", "re": asked["id"], "code": "unavailable", "retry_after_ms": 3000}, 12.0)
    device.queue(WRITTEN)

    late = device.received(synced(early, threads=[{**known(), "epoch": "e2"}]), 12.1)

    assert Reoffer("e2") not in late
    assert sends(late) == []


def test_each_connection_has_its_own_time_to_answer_a_sync() -> None:
    device = machine(queued=[WRITTEN])
    asked = question(device.connected(0.0))
    away = {"type": "error", "re": asked["id"], "code": "unavailable", "retry_after_ms": 25_000}
    device.received(away, 1.0)

    device.connected(29.0)

    assert sends(device.tick(38.9)) == []
    assert sends(device.tick(39.0)) != []


def test_what_no_frame_can_carry_is_posted_and_waits_like_everything() -> None:
    long = Queued("t1", {"client_msg_id": "long", "message": "😀" * 8_000})
    device = machine(queued=[long, WRITTEN])
    asked = device.connected(0.0)
    [post] = [each for each in device.received(synced(question(asked)), 0.1) if isinstance(each, Post)]
    away = {"client_msg_id": "long", "status": "skipped", "code": "unavailable", "seq": None}
    answer = {"type": "sent", "re": post.frame["id"], "thread_id": "t1", "epoch": "e"}

    refused = device.posted({**answer, "results": [away]}, 1.0)
    asked_first = device.tick(1.0 + RETRY_SECONDS)
    told = device.received(synced(question(asked_first)), 3.1)
    [again] = [each for each in told if isinstance(each, Post)]
    stored = {**away, "status": "ok", "code": None, "seq": 5}
    settled = device.posted({**answer, "re": again.frame["id"], "results": [stored]}, 4.0)

    assert not any(isinstance(each, Post) for each in (*asked, *refused, *asked_first))
    assert [each["message"] for each in again.frame["messages"]] == ["😀" * 8_000]
    assert settled[0] == Sent("t1", "long", 5, "e", duplicate=False)
    assert [each["messages"] for each in sends(settled)] == [[WRITTEN.body]]


def test_what_is_offered_again_is_queued_before_what_is_unsent_goes() -> None:
    device = machine(epoch="e", queued=[WRITTEN])
    asked = question(device.connected(0.0))
    again = Queued("t1", {"client_msg_id": "before", "message": "lost"})

    restored = device.received(synced(asked, threads=[{**known(), "epoch": "e2"}]), 1.0)
    device.requeue([again, WRITTEN])

    assert Reoffer("e2") in restored
    assert sends(restored) == []
    assert device.deadline() == 0.0
    assert [each["messages"] for each in sends(device.tick(1.0))] == [[again.body, WRITTEN.body]]


@pytest.mark.parametrize("trouble", ["error", "sent"])
def test_a_server_that_was_away_is_asked_before_anything_is_sent_again(trouble: str) -> None:
    device = machine(queued=[WRITTEN])
    [sent] = sends(device.received(synced(question(device.connected(0.0))), 0.0))
    result = {"client_msg_id": "a", "status": "skipped", "code": "unavailable"}
    away = {"type": trouble, "re": sent["id"], "thread_id": "t1", "code": "unavailable", "results": [result]}

    device.received(away, 1.0)
    asked = device.tick(1.0 + RETRY_SECONDS)
    again = device.received(synced(question(asked)), 3.5)

    assert sends(asked) == []
    assert [each["messages"] for each in sends(again)] == [[WRITTEN.body]]


def test_too_many_requests_hold_back_one_thread_for_as_long_as_is_asked() -> None:
    device = machine(queued=[WRITTEN])
    [sent] = sends(device.received(synced(question(device.connected(0.0))), 0.0))
    result = {"client_msg_id": "a", "status": "skipped", "code": "rate_limited"}
    limited = {"type": "sent", "re": sent["id"], "thread_id": "t1", "results": [result]}

    device.received({**limited, "retry_after_ms": 5000}, 1.0)
    device.queue(Queued("t2", {"client_msg_id": "b"}))
    told = [sends(device.tick(at)) for at in (1.1, 5.9, 6.0)]

    assert [[each["thread_id"] for each in frames] for frames in told] == [["t2"], [], ["t1"]]


@pytest.mark.parametrize("pushes", [True, False])
def test_a_question_from_before_the_server_was_away_lets_nothing_go(*, pushes: bool) -> None:
    device = machine(epoch="e")
    device.received(synced(question(device.connected(0.0, pushes=pushes))), 0.0)
    device.queue(WRITTEN)
    out = [*device.received({"type": "me", "thread_id": "t1", "changed": "place"}, 1.0), *device.tick(1.0)]
    early = question(out) if pushes else {"id": "s2"}
    [sent] = sends(out)
    result = {"client_msg_id": "a", "status": "skipped", "code": "unavailable"}

    device.received({"type": "sent", "re": sent["id"], "thread_id": "t1", "results": [result]}, 1.5)
    late = device.received(synced(early), 1.6)
    asked = device.tick(1.5 + RETRY_SECONDS)
    again = device.received(synced(question(asked)), 3.6)

    assert sends([*late, *asked]) == []
    assert question(asked).get("wait", 0) == 0
    assert [each["messages"] for each in sends(again)] == [[WRITTEN.body]]


def test_focus_is_said_at_once_and_again_while_a_thread_is_visible() -> None:
    device = caught_up()

    said = frames(device.focus("t1", 1.0))
    again = frames(device.focus("t1", 2.0))
    due = device.deadline()
    kept_up = frames(device.tick(1.0 + TIMING.focus_every))
    ended = frames(device.focus(None, 6.0))

    assert said == kept_up == [{"action": "focus", "thread_id": "t1"}]
    assert again == []
    assert due == 1.0 + TIMING.focus_every
    assert ended == [{"action": "focus", "thread_id": None}]
    assert [each["action"] for each in frames(device.tick(50.0))] == []


def test_a_new_connection_hears_what_is_visible_after_the_sync() -> None:
    device = caught_up()
    device.disconnected()
    assert device.focus("t1", 1.0) == []

    told = frames(device.connected(2.0))

    assert [frame["action"] for frame in told] == ["sync", "ping", "focus"]


def test_typing_is_said_every_three_seconds_and_only_while_connected() -> None:
    device = caught_up()

    said = [len(frames(device.typing("t1", at))) for at in (1.0, 2.0, 4.0)]
    elsewhere = frames(device.typing("t2", 4.0))
    device.disconnected()

    assert said == [1, 0, 1]
    assert elsewhere == [{"action": "typing", "thread_id": "t2"}]
    assert device.typing("t1", 9.0) == []


def test_on_the_day_of_a_wedding_typing_is_not_said() -> None:
    device = caught_up()
    mode = {"type": "mode", "wedding_id": "w", "phase": "day_of", "ping_seconds": 25, "typing": False}

    device.received(mode, 1.0)

    assert device.typing("t1", 2.0) == []
    assert frames(device.typing("t1", 1_000.0)) == [{"action": "typing", "thread_id": "t1"}]


def test_what_another_device_changed_of_ones_own_is_asked_for() -> None:
    device = caught_up()

    place = device.received({"type": "me", "thread_id": "t1", "changed": "place"}, 1.0)
    device.received(synced(question(place)), 1.1)
    draft = device.received({"type": "me", "thread_id": "t1", "changed": "draft"}, 2.0)

    assert [each.frame["changed"] for each in (*place, *draft) if isinstance(each, Hint)] == [
        "place",
        "draft",
    ]
    assert frames(draft) == []


def test_each_failure_doubles_the_longest_wait_and_success_ends_that() -> None:
    class Longest(Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    attempts = Attempts(TIMING, Longest())

    waits = [attempts.delay() for _ in range(8)]
    attempts.succeeded()

    assert waits == [0.5, 1.0, 2.0, 4.0, 7.0, 7.0, 7.0, 7.0]
    assert attempts.delay() == 0.5
    assert attempts.asked_delay(1000, 20_000) == 20.0
    assert attempts.renewal() == 112 * 60


def test_sockets_count_as_refused_after_three_times_in_a_minute_until_one_has_caught_up() -> None:
    now = 0.0
    attempts = Attempts(TIMING, Random(1), lambda: now)  # noqa: S311

    for now in (1.0, 20.0, 61.0):  # noqa: B007 (the clock reads it)
        attempts.refused()

    assert not attempts.sockets_are_refused
    now = 79.0
    attempts.refused()
    now = 500.0
    attempts.refused()
    assert attempts.sockets_are_refused
    attempts.succeeded()
    assert not attempts.sockets_are_refused


def test_where_nothing_is_pushed_it_asks_all_the_time_and_waits_when_it_has_everything() -> None:
    device = machine(since="s0")
    first = question(device.connected(0.0, pushes=False))

    second = question(device.received(synced(first), 1.0))
    me = {"thread_id": "t1", "epoch": "e", "head_seq": 4, "me": ME}
    device.received(synced(second, threads=[me]), 15.0)
    third = question(device.tick(15.0))
    events = pushed(1, re=third["id"], events=[{"seq": 1, "to_seq": 4, "kind": "void"}])
    device.received(events, 15.0)
    fourth = question(device.received(synced(third), 15.0))
    cut = {"type": "error", "re": fourth["id"], "code": "unavailable", "retry_after_ms": 0}
    fifth = question(device.received(cut, 16.0))

    assert [each["wait"] for each in (first, second, third, fourth)] == [0, 20, 0, 20]
    assert third["cursors"] == {"t1": {"epoch": "e", "seq": 0}}
    assert fifth["since"] == "s1"
    assert "wait" not in question(device.connected(17.0))


def test_over_rest_a_question_has_as_long_as_its_request_before_it_is_asked_again() -> None:
    device = machine(since="s0")
    device.received(synced(question(device.connected(0.0, pushes=False))), 1.0)

    early, late = (frames(device.tick(1.0 + seconds)) for seconds in (59.9, 60.0))

    assert early == [{"action": "ping"}]
    assert [frame["action"] for frame in late] == ["sync"]


def test_after_a_poll_that_was_refused_nothing_waits_for_news() -> None:
    device = machine(since="s0")
    poll = question(device.received(synced(question(device.connected(0.0, pushes=False))), 1.0))
    full = {"type": "error", "re": poll["id"], "code": "unavailable", "retry_after_ms": 1000}

    device.received(full, 1.0)
    device.queue(WRITTEN)
    again = device.tick(4.0)
    answered = device.received(synced(question(again)), 4.1)

    assert question(again)["wait"] == 0
    assert sends(again) == []
    assert [each["messages"] for each in sends(answered)] == [[WRITTEN.body]]


def test_an_answer_that_was_cut_holds_nothing_back_that_was_not_held_before() -> None:
    device = machine(since="s0", queued=[WRITTEN])
    first = question(device.connected(0.0, pushes=False))
    cut = {"type": "error", "code": "unavailable", "retry_after_ms": 0}

    held = device.received({**cut, "re": first["id"]}, 1.0)
    sent = device.received(synced(question(held)), 2.0)
    device.queue(Queued("t2", {"client_msg_id": "b"}))
    free = device.received({**cut, "re": question(sent)["id"]}, 3.0)

    assert question(held)["wait"] == question(free)["wait"] == 0
    assert sends(held) == []
    assert [each["thread_id"] for each in (*sends(sent), *sends(free))] == ["t1", "t2"]
