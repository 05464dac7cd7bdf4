"""Catching up: what a device missed, from the log (R19-R21). All or `resync`, never a part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal
from uuid import UUID

from typing_extensions import TypedDict

from wedsync.conversations import replay_sql, resources
from wedsync.conversations.events import Event, event
from wedsync.platform import cursors as signed
from wedsync.platform.context import Caller
from wedsync.platform.db import Rows, transaction
from wedsync.platform.errors import Internal
from wedsync.platform.observability import logger

GAP = 5_000  # events; beyond it loading the newest page is cheaper than replaying
TOTAL = 6_000  # events of one answer, shared by its threads: it is held in memory at once

Reason = Literal["gap_too_large", "epoch_changed", "unknown_cursor"]
Phase = Literal["planning", "final_week", "day_of", "wrap_up", "closed"]


class ChangedThread(TypedDict):
    """A thread that changed since the last sync."""

    thread_id: str
    epoch: str
    head_seq: int
    me: resources.Me


@dataclass(frozen=True, slots=True)
class ThreadReplay:
    """The log of one thread from its cursor on, whole up to the last event (`more`: there is more), or `resync`."""

    thread_id: UUID
    epoch: str
    head_seq: int
    events: tuple[Event, ...]
    more: bool
    resync: Reason | None


@dataclass(frozen=True, slots=True)
class Replay:
    """An answer to sync. `since` is to be handed back next time, once all of this has been taken in.

    `inbox_head`: id of the newest notification; `snapshot`: what was committed when all of this was read; `phases`: of
    the reader's weddings that are near.
    """

    threads: tuple[ThreadReplay, ...]
    changed: tuple[ChangedThread, ...]
    gone: tuple[UUID, ...]
    inbox_head: UUID | None
    since: str
    snapshot: str
    phases: tuple[tuple[UUID, Phase], ...] = ()


def replay(who: Caller, since: str | None, cursors: Mapping[UUID, tuple[str, int]], limit: int) -> Replay:
    """What happened after `cursors` (epoch and seq per thread) and since the token; one round trip.

    At most `limit` events per thread, fewer for many threads. A token of an earlier epoch counts as none.
    Raises Invalid for one that is not ours.
    """
    since_epoch, horizon = _token(since)
    limit = min(limit, TOTAL // max(1, len(cursors)))
    values = {
        "thread_ids": list(cursors),
        "seqs": [seq for _, seq in cursors.values()],
        "gap": GAP,
        "limit": limit,
        "since": horizon,
    }
    (head,), events, changed, gone, near = transaction(
        who,
        (replay_sql.HORIZON, {}),
        (replay_sql.EVENTS, values),
        (replay_sql.CHANGED, values),
        (replay_sql.GONE, values),
        (replay_sql.NEAR_WEDDINGS, {}),
    )
    epoch = head["epoch"]
    if since is not None and since_epoch != epoch:
        (changed,) = transaction(who, (replay_sql.CHANGED, {"since": None}))
    threads = tuple(_threads(epoch, events, cursors, limit))
    known = {thread.thread_id for thread in threads}
    lost = {row["thread_id"] for row in gone} | (cursors.keys() - known)
    return Replay(
        threads,
        tuple(changed_thread(row) for row in changed),
        tuple(sorted(lost)),
        head["inbox_head"],
        signed.encode("since", [epoch, head["xmin"]]),
        head["snapshot"],
        tuple((row["wedding_id"], row["phase"]) for row in near),
    )


def has_changed(who: Caller, since: Replay) -> bool:
    """Whether a sync would list more than it did; one small question, exact to the transaction."""
    known = {"snapshot": since.snapshot, "inbox_head": since.inbox_head}
    ((found,),) = transaction(who, (replay_sql.HAS_CHANGED, known))
    return found["changed"]


def _token(since: str | None) -> tuple[str | None, int | None]:
    if since is None:
        return None, None
    epoch, xmin = signed.decode("since", since, "since")
    return epoch, xmin


def changed_thread(row: Mapping[str, Any]) -> ChangedThread:
    """From a row of `threads_sql.CHANGED_THREAD`."""
    return {
        "thread_id": str(row["thread_id"]),
        "epoch": row["epoch"],
        "head_seq": row["head_seq"],
        "me": resources.me(row),
    }


def _threads(
    epoch: str, rows: Rows, cursors: Mapping[UUID, tuple[str, int]], limit: int
) -> Iterator[ThreadReplay]:
    for thread_id, found in groupby(rows, key=lambda row: row["in_thread"]):
        lines = list(found)
        head = lines[0]["head_seq"]
        stated_epoch, seq = cursors[thread_id]
        reason = _reason(stated_epoch == epoch, seq, head)
        if reason is not None:
            yield ThreadReplay(thread_id, epoch, head, (), False, reason)
            continue
        visible = [line for line in lines if line["seq"] is not None]
        shown, more = visible[:limit], len(visible) > limit
        last = shown[-1]["seq"] if more else head
        seen = {line["seq"] for line in shown}.union(lines[0]["withheld"])
        _check_holes(thread_id, lines[0]["windows"], seen, seq, last)
        yield ThreadReplay(thread_id, epoch, head, tuple(_contiguous(shown, seq, last)), more, None)


def _reason(same_epoch: bool, seq: int, head: int) -> Reason | None:
    if not same_epoch:
        return "epoch_changed"
    if seq > head:
        return "unknown_cursor"
    return "gap_too_large" if head - seq > GAP else None


def _contiguous(lines: Sequence[Mapping[str, Any]], after: int, last: int) -> Iterator[Event]:
    """The events of after+1..last, with void where the log is not the reader's (R8)."""
    for line in lines:
        if line["seq"] > after + 1:
            yield {"seq": after + 1, "to_seq": line["seq"] - 1, "kind": "void"}
        yield told(line)
        after = line["seq"]
    if last > after:
        yield {"seq": after + 1, "to_seq": last, "kind": "void"}


def told(line: Mapping[str, Any]) -> Event:
    """From a row with an event and its message, which keeps its own seq (R3)."""
    return event(
        line, None if line["id"] is None else resources.message({**line, "seq": line["message_seq"]})
    )


def _check_holes(
    thread_id: UUID, windows: Sequence[tuple[int, int]], seen: set[int], after: int, last: int
) -> None:
    """Raises Internal for a hole inside a window: an alarm watches for this line (R8).

    `seen` are the events that are shown, and those withheld because the message they are about is outside.
    """
    spans = [(max(start, after + 1), min(end, last)) for start, end in windows]
    missing = {seq for start, end in spans for seq in range(start, end + 1)} - seen
    if missing:
        logger().error("hole in the log", extra={"thread_id": str(thread_id), "seqs": sorted(missing)[:10]})
        raise Internal
