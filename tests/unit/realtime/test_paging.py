"""Frames fit, lose nothing, and keep the order."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from wedsync.conversations.events import Event
from wedsync.realtime import paging

ITEM = UUID("0190cccc-0000-7000-8000-000000000009")
THREAD = UUID("0190cccc-0000-7000-8000-000000000001")
LIMIT = 28_000

texts = st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=8), st.integers(0, 750))


def log(contents: list[str], first: int) -> list[Event]:
    return [
        {"seq": first + n, "kind": "message.created", "message_id": content}
        for n, content in enumerate(contents)
    ]


def decoded(frames: list[bytes]) -> list[dict[str, Any]]:
    assert all(len(frame) <= LIMIT for frame in frames)
    return [json.loads(frame) for frame in frames]


@given(
    st.lists(texts, min_size=1, max_size=30),
    st.integers(1, 2**50),
    st.booleans(),
    st.sampled_from([None, "c1"]),
)
def test_event_frames_fit_and_put_together_are_the_log(
    contents: list[str], first: int, more: bool, re: str | None
) -> None:
    events = log(contents, first)
    head = events[-1]["seq"] + 5

    frames = decoded([*paging.event_frames(THREAD, "a1", head, events, re=re, more=more)])

    assert [event for frame in frames for event in frame["events"]] == events
    assert [frame["from_seq"] for frame in frames] == [frame["events"][0]["seq"] for frame in frames]
    assert [frame["to_seq"] for frame in frames] == [frame["events"][-1]["seq"] for frame in frames]
    assert [frame["more"] for frame in frames] == [False] * (len(frames) - 1) + [more]
    assert {frame.get("re") for frame in frames} == {re}


def test_a_frame_that_ends_in_a_void_reaches_to_the_end_of_the_void() -> None:
    events: list[Event] = [{"seq": 4, "kind": "thread.created"}, {"seq": 5, "to_seq": 9, "kind": "void"}]

    (frame,) = decoded([*paging.event_frames(THREAD, "a1", 9, events)])

    assert (frame["from_seq"], frame["to_seq"]) == (4, 9)


def test_no_events_are_no_frame() -> None:
    assert [*paging.event_frames(THREAD, "a1", 9, [])] == []


def test_synced_comes_even_if_nothing_changed() -> None:
    (frame,) = decoded([*paging.synced_frames("c1", [], [], ITEM, "token")])

    assert frame == {
        "type": "synced",
        "re": "c1",
        "threads": [],
        "gone": [],
        "inbox_head": str(ITEM),
        "part": 1,
        "more": False,
        "since": "token",
    }


@given(st.integers(0, 300), st.integers(0, 900))
def test_synced_frames_fit_and_only_the_last_has_the_token(changed: int, gone: int) -> None:
    threads = [
        {"thread_id": str(uuid4()), "epoch": "a1", "head_seq": n, "me": {"role": "owner"}}
        for n in range(changed)
    ]
    lost = [uuid4() for _ in range(gone)]

    frames = decoded([*paging.synced_frames("c1", threads, lost, None, "token")])

    assert [thread for frame in frames for thread in frame["threads"]] == threads
    assert [thread_id for frame in frames for thread_id in frame["gone"]] == [str(each) for each in lost]
    assert [frame["part"] for frame in frames] == [*range(1, len(frames) + 1)]
    assert [frame["since"] for frame in frames] == [None] * (len(frames) - 1) + ["token"]
    assert [frame["more"] for frame in frames] == [True] * (len(frames) - 1) + [False]
