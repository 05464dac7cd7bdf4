"""The consumer of shards: what was committed, to the many who are connected.

Nothing is taken from the record but ids. Events are read as they are now, under the context of one of those whom they
are for (R12), and the database says who they are for (R7): who was removed meanwhile hears nothing. Pushing twice does
no harm, since clients drop what they have.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any
from uuid import UUID

from wedsync.conversations.events import Change
from wedsync.conversations.replay import told
from wedsync.platform import db, queues
from wedsync.platform.context import WORKER, Acting
from wedsync.platform.observability import logger
from wedsync.realtime import broadcast, connections, fanout_sql, pacing, shards
from wedsync.realtime.broadcast import Pace
from wedsync.realtime.shards import Shard

BUDGET_SECONDS = 8.0  # for all shards of a call; what is late is found by the next sync
FIND_SECONDS = 2.0
READERS = 2  # of the same events: one of them may be removed at this moment

Seqs = frozenset[int]


@dataclass(frozen=True, slots=True)
class _Group:
    """People who are to hear of the same events of a thread."""

    thread_id: UUID
    seqs: Seqs
    people: tuple[UUID, ...]


def push(found: Sequence[Shard]) -> None:
    """Push what the shards name. Shards of one thread are merged, so that a burst comes in few frames.

    Raises aws.AwsError or Unavailable: then some may have heard, and all may be told again.
    """
    deadline = time.monotonic() + BUDGET_SECONDS

    def in_time(connection_ids: Iterable[str]) -> Iterator[str]:
        return takewhile(lambda _: time.monotonic() < deadline, pacing.paced(connection_ids))

    for thread_id, wanted in _merged(found).items():
        for few in queues.parts(sorted(wanted), shards.PEOPLE):
            _push(thread_id, {person: wanted[person] for person in few}, deadline, in_time)
            if time.monotonic() >= deadline:
                logger().warning("shard given up", extra={"thread_id": str(thread_id)})
                return


def _merged(found: Iterable[Shard]) -> dict[UUID, dict[UUID, set[int]]]:
    """Who is to hear what, by thread."""
    wanted: dict[UUID, dict[UUID, set[int]]] = defaultdict(lambda: defaultdict(set))
    for shard in found:
        for person in shard.people:
            wanted[shard.thread_id][person].update(shard.seqs)
    return wanted


def _push(thread_id: UUID, wanted: Mapping[UUID, set[int]], deadline: float, pace: Pace) -> None:
    found = connections.find(wanted, FIND_SECONDS)
    now = time.time()
    reached = {each.user_id for each in found if each.expires_at > now}
    if reached:
        groups = _groups(thread_id, {person: wanted[person] for person in sorted(reached)})
        changes = _changes(groups)
        if changes:
            broadcast.push(changes, found, deadline - time.monotonic(), pace)


def _groups(thread_id: UUID, wanted: Mapping[UUID, set[int]]) -> list[_Group]:
    """Who sees which of the events that he is to hear of, as the access table says now."""
    seqs = sorted({seq for stated in wanted.values() for seq in stated})
    asked = {"thread": thread_id, "seqs": seqs, "people": [*wanted]}
    (rows,) = db.transaction(WORKER, (fanout_sql.AUDIENCE, asked))
    seen: dict[UUID, set[int]] = defaultdict(set)
    for row in rows:
        if row["seq"] in wanted[row["user_id"]]:
            seen[row["user_id"]].add(row["seq"])
    alike: dict[Seqs, list[UUID]] = defaultdict(list)
    for person, visible in seen.items():
        alike[frozenset(visible)].append(person)
    return [_Group(thread_id, shared, tuple(people)) for shared, people in alike.items()]


def _changes(groups: Sequence[_Group]) -> list[Change]:
    """For each group a change per run of events, in the order of the log."""
    asked = [(group, reader) for group in groups for reader in group.people[:READERS]]
    read = db.as_each([(Acting(reader, "user"), _events(group)) for group, reader in asked])
    rows: dict[Seqs, dict[int, Mapping[str, Any]]] = defaultdict(dict)
    for (group, _), found in zip(asked, read, strict=True):
        rows[group.seqs].update((row["seq"], row) for row in found)
    return [
        _change(group, [rows[group.seqs][seq] for seq in run])
        for group in groups
        for run in _runs(sorted(rows[group.seqs]))
    ]


def _events(group: _Group) -> db.Statement:
    return fanout_sql.EVENTS, {"thread": group.thread_id, "seqs": sorted(group.seqs)}


def _runs(seqs: Sequence[int]) -> Iterator[list[int]]:
    """Cut where a number is missing: the events of a frame are contiguous."""
    run: list[int] = []
    for seq in seqs:
        if run and seq != run[-1] + 1:
            yield run
            run = []
        run.append(seq)
    if run:
        yield run


def _change(group: _Group, rows: Sequence[Mapping[str, Any]]) -> Change:
    events = tuple(told(row) for row in rows)
    last = rows[-1]
    return Change(
        group.thread_id,
        last["epoch"],
        last["seq"],
        events,
        audience=frozenset(group.people),
        revoked=frozenset(),
        emergencies=frozenset(row["seq"] for row in rows if row["priority_level"] == "emergency"),
    )
