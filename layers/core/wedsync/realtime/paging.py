"""Cutting what is to be said into frames that fit, measured in bytes as they go out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from wedsync.conversations.events import Change, Event
from wedsync.realtime.protocol import FRAME_BYTES, encode


def pushes(change: Change) -> Iterator[bytes]:
    """The `events` frames of a live push; none for a change without events."""
    return event_frames(change.thread_id, change.epoch, change.head_seq, change.events)


def event_frames(
    thread_id: UUID,
    epoch: str,
    head_seq: int,
    events: Sequence[Event],
    *,
    re: str | None = None,
    more: bool = False,
) -> Iterator[bytes]:
    """`events` frames in order; `more` stands on the last one only, those before it are followed anyway."""
    head: dict[str, Any] = {"type": "events"} | ({} if re is None else {"re": re})
    head |= {"thread_id": str(thread_id), "epoch": epoch, "from_seq": head_seq, "to_seq": head_seq}
    head |= {"head_seq": head_seq, "more": False, "events": []}
    room = FRAME_BYTES - len(encode(head))
    groups = list(_groups([(event, len(encode(event)) + 1) for event in events], room))
    for number, group in enumerate(groups, 1):
        first, last = group[0], group[-1]
        span = {"from_seq": first["seq"], "to_seq": last.get("to_seq", last["seq"])}
        yield encode({**head, **span, "more": more and number == len(groups), "events": group})


def synced_frames(
    re: str,
    threads: Iterable[Mapping[str, Any]],
    gone: Iterable[UUID],
    inbox_head: UUID | None,
    since: str,
) -> Iterator[bytes]:
    """`synced` frames; at least one, numbered from 1 so that a lost one is missed, and `since` on the last."""
    head: dict[str, Any] = {
        "type": "synced",
        "re": re,
        "threads": [],
        "gone": [],
        "inbox_head": None if inbox_head is None else str(inbox_head),
        "part": 1,
        "more": False,
    }
    room = FRAME_BYTES - len(encode({**head, "part": 9_999, "since": since}))
    items = [("threads", each) for each in threads] + [("gone", str(each)) for each in gone]
    groups = list(_groups([(item, len(encode(item[1])) + 1) for item in items], room)) or [[]]
    for number, group in enumerate(groups, 1):
        last = number == len(groups)
        lists = {name: [each for kind, each in group if kind == name] for name in ("threads", "gone")}
        yield encode({**head, **lists, "part": number, "more": not last, "since": since if last else None})


def _groups(sized: Iterable[tuple[Any, int]], room: int) -> Iterator[list[Any]]:
    """Runs of items that fit into `room` bytes together."""
    group: list[Any] = []
    used = 0
    for item, size in sized:
        if group and used + size > room:
            yield group
            group, used = [], 0
        group.append(item)
        used += size
    if group:
        yield group
