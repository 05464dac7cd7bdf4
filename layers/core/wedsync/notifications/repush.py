"""Pushing an event again that nobody may have pushed: its writer died, or was cut off, after the commit (R17)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from wedsync.realtime import shards
from wedsync.realtime.shards import Shard


class Missing(NamedTuple):
    """Who has stored an event on no device, and the lane that the event is in."""

    user_id: UUID
    thread_id: UUID
    seq: int
    lane: str


def push_again(missing: Sequence[Missing]) -> None:
    """Push events to those of these people who are connected, as each may read them: through the fan-out, since what
    was left lying comes all at once, and no faster than that may. What it does not take, a sync finds (R21)."""
    shards.put(_shards(missing))


def _shards(missing: Sequence[Missing]) -> Iterator[tuple[str, Shard]]:
    """Whoever misses the same events of a thread shares a shard."""
    wanted: dict[tuple[str, UUID, UUID], list[int]] = defaultdict(list)
    for each in missing:
        wanted[each.lane, each.thread_id, each.user_id].append(each.seq)
    alike: dict[tuple[str, UUID, frozenset[int]], list[UUID]] = defaultdict(list)
    for (lane, thread_id, user_id), seqs in wanted.items():
        alike[lane, thread_id, frozenset(seqs)].append(user_id)
    for (lane, thread_id, seqs), people in alike.items():
        yield from ((lane, shard) for shard in shards.cut(thread_id, seqs, people))
