"""Messages on their way out: batches, answers in part, refusals, and what is sent again."""

from __future__ import annotations

from typing import Any

from wedsync_client.frames import MAX_FRAME_BYTES, Frame, Post, Queued, Refused, Sent, Transmit, text_of
from wedsync_client.sending import LONGEST_HOLD, REQUEST_SECONDS, RETRY_SECONDS, Outbox

ANSWER_SECONDS = 10.0


def item(name: str, thread: str = "t1", text: str = "hello") -> Queued:
    return Queued(thread, {"client_msg_id": name, "message": text})


LARGE = item("b", text="😀" * 8_000)


def outbox(*names: str) -> Outbox:
    return Outbox([item(name) for name in names], ANSWER_SECONDS)


def frames(box: Outbox, now: float) -> list[Frame]:
    return [each.frame for each in box.sends(now)]


def asked(box: Outbox, now: float = 0.0) -> list[list[str]]:
    return [[each["client_msg_id"] for each in frame["messages"]] for frame in frames(box, now)]


def answer(frame: Frame, *statuses: str, code: str | None = None) -> dict[str, Any]:
    results = [
        {"client_msg_id": message["client_msg_id"], "status": status, "seq": 5, "code": code}
        for message, status in zip(frame["messages"], statuses, strict=True)
    ]
    return {"thread_id": frame["thread_id"], "re": frame["id"], "epoch": "e", "results": results}


def refusal(frame: Frame, code: str, **fields: Any) -> dict[str, Any]:
    return {"type": "error", "re": frame["id"], "code": code, **fields}


def test_each_thread_sends_one_batch_at_a_time() -> None:
    box = Outbox([item("a"), item("b", "t2"), item("c")], ANSWER_SECONDS)

    assert asked(box) == [["a", "c"], ["b"]]
    box.add(item("d"))
    assert asked(box, 1.0) == []


def test_a_batch_has_twenty_messages_or_as_many_as_fit() -> None:
    many = outbox(*(str(number) for number in range(30)))
    large = Outbox([item(str(number), text="é" * 4000) for number in range(5)], ANSWER_SECONDS)

    assert [len(batch) for batch in asked(many)] == [20]
    assert [len(batch) for batch in asked(large)] == [3]


def test_a_frame_is_as_large_as_the_server_takes_it_and_what_is_larger_is_posted_alone() -> None:
    sizes: list[tuple[bool, int]] = []
    for count in range(6_850, 7_001, 5):
        [out] = Outbox([item("a", text="😀" * count), item("b", text="😀" * 7_000)], ANSWER_SECONDS).sends(
            0.0
        )
        sizes.append((isinstance(out, Transmit), len(text_of(out.frame).encode())))

    sent = [size for is_sent, size in sizes if is_sent]
    posted = [size for is_sent, size in sizes if not is_sent]
    assert 27_500 < max(sent) < min(posted)
    assert max(sent) <= MAX_FRAME_BYTES


def test_nothing_of_its_thread_overtakes_what_is_posted_also_on_another_connection() -> None:
    box = Outbox([item("a"), LARGE, item("c"), item("d", "t2")], ANSWER_SECONDS)

    first = [answer(frame, "ok") for frame in frames(box, 0.0)]
    for each in first:
        list(box.answered(each, 1.0))
    [post] = box.sends(1.0)
    box.disconnected()
    box.failed(2.0)
    meanwhile = asked(box, 30.0)
    settled = [*box.answered(answer(post.frame, "ok"), 31.0)] if box.accepts(answer(post.frame, "ok")) else []

    assert post == Post({"action": "send", "id": "m3", "thread_id": "t1", "messages": [LARGE.body]})
    assert meanwhile == []
    assert [each.client_msg_id for each in settled] == ["b"]
    assert asked(box, 31.0) == [["c"]]


def test_a_post_is_answered_once_and_not_at_all_after_a_restore() -> None:
    box = Outbox([LARGE], ANSWER_SECONDS)
    [before] = frames(box, 0.0)
    box.requeue([LARGE, item("c")])
    [after] = frames(box, 0.0)

    assert [box.accepts(answer(each, "ok")) for each in (before, after, after)] == [False, True, False]


def test_a_post_that_nobody_answers_is_made_again() -> None:
    box = Outbox([LARGE], ANSWER_SECONDS)

    assert [len(asked(box, at)) for at in (0.0, REQUEST_SECONDS - 0.1, REQUEST_SECONDS)] == [1, 0, 1]


def test_what_is_not_answered_in_time_goes_again_first() -> None:
    box = outbox("a", "b")
    asked(box)
    box.add(item("c"))

    assert not box.is_overdue(9.9)
    assert box.deadline() == ANSWER_SECONDS
    assert box.is_overdue(10.0)
    assert asked(box, 10.0) == [["a", "b", "c"]]


def test_a_late_answer_settles_what_it_names_and_leaves_the_new_question_open() -> None:
    box = outbox("a")
    [first] = frames(box, 0.0)
    [second] = frames(box, 10.0)

    settled = list(box.answered(answer(first, "ok"), 11.0))
    again = list(box.answered(answer(second, "duplicate"), 12.0))

    assert settled == [Sent("t1", "a", 5, "e", duplicate=False)]
    assert again == []
    assert box.deadline() is None


def test_what_was_skipped_stays_and_waits_a_moment() -> None:
    box = outbox("a", "b", "c")
    [frame] = frames(box, 0.0)
    stated = answer(frame, "ok", "error", "skipped")
    stated["results"][1]["code"] = "unavailable"

    settled = list(box.answered(stated, 1.0))

    assert [type(each) for each in settled] == [Sent]
    assert asked(box, 1.0) == []
    assert asked(box, 1.0 + RETRY_SECONDS) == [["b", "c"]]


def test_a_message_that_is_refused_leaves_the_others_alone() -> None:
    box = outbox("a", "b")
    [frame] = frames(box, 0.0)
    stated = answer(frame, "error", "ok")
    stated["results"][0]["code"] = "conflict"

    settled = list(box.answered(stated, 1.0))

    assert settled == [Refused("t1", "a", "conflict"), Sent("t1", "b", 5, "e", duplicate=False)]


def test_what_was_behind_a_refused_message_and_has_no_answer_goes_at_once() -> None:
    box = outbox("a", "b")
    [frame] = frames(box, 0.0)
    stated = answer({**frame, "messages": frame["messages"][:1]}, "error", code="forbidden")

    settled = list(box.answered(stated, 1.0))

    assert settled == [Refused("t1", "a", "forbidden")]
    assert asked(box, 1.0) == [["b"]]


def test_the_message_that_spoils_a_batch_is_found_one_by_one() -> None:
    box = outbox("a", "b", "c")
    [frame] = frames(box, 0.0)
    assert list(box.refused(refusal(frame, "invalid"), 0.0)) == []

    refused: list[Refused] = []
    sent: list[str] = []
    for _ in range(3):
        [frame] = frames(box, 0.0)
        [message] = frame["messages"]
        if message["client_msg_id"] == "b":
            refused += box.refused(refusal(frame, "invalid"), 0.0)
        else:
            sent += [each.client_msg_id for each in box.answered(answer(frame, "ok"), 0.0)]

    assert sent == ["a", "c"]
    assert refused == [Refused("t1", "b", "invalid")]
    box.add(item("d"))
    box.add(item("e"))
    assert asked(box) == [["d", "e"]]


def test_trouble_of_the_server_puts_a_batch_off() -> None:
    box = outbox("a", "b")
    [frame] = frames(box, 0.0)

    assert list(box.refused(refusal(frame, "rate_limited", retry_after_ms=4000), 1.0)) == []

    assert asked(box, 4.9) == []
    assert asked(box, 5.0) == [["a", "b"]]


def test_a_line_is_doubted_once_even_if_nobody_waits_for_its_answer_any_more() -> None:
    box = outbox("a")
    [frame] = frames(box, 0.0)
    list(box.answered({**answer(frame, "ok"), "re": "by another road"}, 1.0))

    assert box.deadline() == ANSWER_SECONDS
    assert box.is_overdue(ANSWER_SECONDS)
    assert asked(box, ANSWER_SECONDS) == []
    assert not box.is_overdue(ANSWER_SECONDS)
    assert box.deadline() is None


def test_a_failure_of_the_gateway_puts_everything_off() -> None:
    box = outbox("a")
    asked(box)

    box.failed(1.0)

    assert asked(box, 1.0 + RETRY_SECONDS) == [["a"]]


def test_what_nobody_asked_changes_nothing() -> None:
    box = outbox("a")

    assert list(box.refused({"re": None, "code": "invalid"}, 0.0)) == []
    unknown = {"thread_id": "t9", "re": "m1", "epoch": "e", "results": []}
    assert list(box.answered(unknown, 0.0)) == []
    assert asked(box) == [["a"]]


def test_what_was_sent_before_is_offered_again_before_what_was_not() -> None:
    box = outbox("c")
    asked(box)

    box.requeue([item("a"), item("b"), item("c")])

    assert asked(box) == []
    assert asked(box, ANSWER_SECONDS) == [["a", "b", "c"]]


def test_what_is_held_back_goes_when_it_is_released_or_in_the_end_by_itself() -> None:
    boxes = [outbox("a"), outbox("a")]
    for box in boxes:
        box.hold(0.0, 7.0)
    assert [asked(box, 6.9) for box in boxes] == [[], []]
    assert [box.deadline() for box in boxes] == [7.0, 7.0]

    boxes[0].release()

    assert asked(boxes[0], 6.9) == [["a"]]
    assert asked(boxes[1], 7.0) == [["a"]]


def test_nothing_is_held_back_for_ever() -> None:
    box = outbox("a")

    for now in (0.0, 9.0, 18.0, 27.0):
        box.hold(now, now + 10.0)

    assert box.deadline() == LONGEST_HOLD


def test_an_emergency_is_not_held_back_nor_what_was_written_before_it() -> None:
    urgent = Queued("t2", {"client_msg_id": "c", "message": "help", "priority_level": "emergency"})
    box = Outbox([item("a"), item("b", "t2"), urgent], ANSWER_SECONDS)

    box.hold(0.0, 7.0)

    assert box.deadline() == 0.0
    assert asked(box) == [["b", "c"]]


def test_what_is_held_back_is_not_overdue() -> None:
    box = outbox("a")
    asked(box)

    box.hold(0.0, ANSWER_SECONDS + 1.0)

    assert not box.is_overdue(ANSWER_SECONDS)
    assert box.is_overdue(ANSWER_SECONDS + 1.0)
