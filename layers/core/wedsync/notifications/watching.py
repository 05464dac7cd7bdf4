"""The watchdog of what is urgent: who is looking is given a moment to read before we write to his telephone (R16).

A person who has the thread in front of him gets the message there, at once. Everything else that was planned for him
waits: reading cancels it, and if he does not read, it goes out. Nobody else waits for anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from wedsync.notifications import kicks
from wedsync.notifications import planner_sql as sql
from wedsync.platform import db
from wedsync.platform.context import WORKER
from wedsync.platform.errors import Unavailable
from wedsync.platform.observability import logger
from wedsync.realtime import presence

# Seconds from the planning on, by category; a message of any other is withheld from nobody.
GRACE_SECONDS: Mapping[str, int] = {"urgent": 60, "emergency": 10}

Row = Mapping[str, Any]  # of app.plan_deliveries


def kick(planned: Sequence[Row]) -> int:
    """Tell the channels of what was planned, of what is withheld only later; how many messages that took."""
    withheld = _withheld(planned)
    messages = kicks.kick_deliveries(_way(row) for row in planned if row["id"] not in withheld)
    for seconds in sorted({*withheld.values()}):
        waiting = [_way(row) for row in planned if withheld.get(row["id"]) == seconds]
        messages += kicks.kick_deliveries(waiting, delay=seconds)
    return messages


def _way(row: Row) -> tuple[str, str, UUID]:
    return row["channel"], row["lane"], row["id"]


def _withheld(planned: Sequence[Row]) -> dict[UUID, int]:
    """How long each delivery to somebody who is looking waits. If the queue forgets it, the clockwork finds it."""
    asked = _of_watchers(
        [row for row in planned if row["category"] in GRACE_SECONDS and row["channel"] != "inbox"]
    )
    if not asked:
        return {}
    statements: list[db.Statement] = [
        (sql.WITHHOLD, {"asked": ids, "seconds": seconds}) for seconds, ids in asked.items()
    ]
    try:
        answers = db.transaction(WORKER, *statements)
    except Unavailable:  # then they hear of it twice
        logger().warning("nothing withheld", extra={"deliveries": sum(map(len, asked.values()))})
        return {}
    withheld = {row["id"]: seconds for seconds, rows in zip(asked, answers, strict=True) for row in rows}
    logger().info("withheld", extra={"deliveries": len(withheld)})
    return withheld


def _of_watchers(rows: Sequence[Row]) -> dict[int, list[UUID]]:
    """Deliveries to those who have the thread of their message in front of them, by how long they wait."""
    recipients: dict[UUID, set[UUID]] = defaultdict(set)
    for row in rows:
        recipients[row["thread_id"]].add(row["user_id"])
    looking = {thread_id: presence.focused(thread_id, people) for thread_id, people in recipients.items()}
    found: dict[int, list[UUID]] = defaultdict(list)
    for row in rows:
        if row["user_id"] in looking[row["thread_id"]]:
            found[GRACE_SECONDS[row["category"]]].append(row["id"])
    return found
