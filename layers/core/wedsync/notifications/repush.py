"""Pushing an event again that nobody may have pushed: its writer died, or was cut off, after the commit (R17)."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from wedsync.conversations import resources
from wedsync.conversations.events import Change, event
from wedsync.notifications import planner_sql as sql
from wedsync.platform import aws, db
from wedsync.platform.context import Acting
from wedsync.platform.errors import Unavailable
from wedsync.platform.observability import logger
from wedsync.realtime import broadcast, connections

BUDGET_SECONDS = 2.0  # nobody waits for it, but the batches behind

Missing = tuple[UUID, UUID, int]  # who, thread, seq


def push_again(missing: Sequence[Missing]) -> None:
    """Push events to those of these people who are connected, as each may read them. Trouble is logged (R21)."""
    try:
        found = connections.find({user_id for user_id, _, _ in missing}, BUDGET_SECONDS)
        now = time.time()
        connected = {each.user_id for each in found if each.expires_at > now and not each.lagging}
        changes = _changes([each for each in missing if each[0] in connected])
    except (aws.AwsError, Unavailable) as error:
        logger().warning("nothing pushed again", extra={"code": error.code})
        return
    if changes:
        broadcast.push(changes, found, BUDGET_SECONDS)


def _changes(missing: Sequence[Missing]) -> list[Change]:
    """One for each event, in the order of the log; what is pushed does not depend on its reader (R15)."""
    wanted: dict[UUID, list[tuple[UUID, int]]] = defaultdict(list)
    for user_id, thread_id, seq in missing:
        wanted[user_id].append((thread_id, seq))
    read = db.as_each([(Acting(user_id, "user"), _events(ids)) for user_id, ids in wanted.items()])
    rows: dict[tuple[UUID, int], Mapping[str, Any]] = {}
    audience: dict[tuple[UUID, int], set[UUID]] = defaultdict(set)
    for user_id, found in zip(wanted, read, strict=True):
        for row in found:
            rows[row["in_thread"], row["seq"]] = row
            audience[row["in_thread"], row["seq"]].add(user_id)
    return [_change(rows[key], frozenset(audience[key])) for key in sorted(rows)]


def _events(ids: Sequence[tuple[UUID, int]]) -> db.Statement:
    return sql.EVENTS, {"threads": [thread for thread, _ in ids], "seqs": [seq for _, seq in ids]}


def _change(row: Mapping[str, Any], audience: frozenset[UUID]) -> Change:
    told = event(row, None if row["id"] is None else resources.message(row))
    return Change(row["in_thread"], row["epoch"], row["seq"], (told,), audience, frozenset())
