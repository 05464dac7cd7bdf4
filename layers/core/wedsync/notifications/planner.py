"""From the log to deliveries: who hears of a message, by which channel, when, and why not (R17, R23).

The rules are one statement in the schema (`app.plan_deliveries`): it closes the outbox rows and writes the
deliveries, or does neither. Running it again finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from wedsync.notifications import kicks
from wedsync.notifications import planner_sql as sql
from wedsync.notifications.deliveries import WORKER
from wedsync.platform import db
from wedsync.platform.observability import logger


class EventId(BaseModel):
    """An event of a thread's log."""

    model_config = ConfigDict(extra="forbid")

    thread_id: UUID
    seq: int = Field(ge=1, lt=2**63)


class Events(BaseModel):
    """The body of a record of the events queue: ids only (decision 10)."""

    model_config = ConfigDict(extra="forbid")

    events: list[EventId] = Field(min_length=1, max_length=kicks.PER_BODY)


@dataclass(frozen=True, slots=True)
class Planned:
    """How many outbox rows were closed, deliveries queued, and queue messages sent for them."""

    events: int
    deliveries: int
    messages: int


def named(body: str) -> list[tuple[UUID, int]]:
    """The events that a record of the events queue names. Raises ValueError if it is none of ours."""
    return [(event.thread_id, event.seq) for event in Events.model_validate_json(body).events]


def plan(event_ids: Sequence[tuple[UUID, int]]) -> Planned:
    """Plan the deliveries of these events, and tell the channels. Events already planned are left alone."""
    threads, seqs = [thread for thread, _ in event_ids], [seq for _, seq in event_ids]
    (rows,) = db.transaction(WORKER, (sql.PLAN, {"threads": threads, "seqs": seqs}))
    queued = [(row["channel"], row["lane"], row["id"]) for row in rows if row["id"] is not None]
    planned = Planned(rows[0]["events"], len(queued), kicks.kick_deliveries(queued))
    logger().info(
        "planned",
        extra={
            "threads": sorted({str(thread) for thread in threads}),
            "events": planned.events,
            "deliveries": planned.deliveries,
        },
    )
    return planned
