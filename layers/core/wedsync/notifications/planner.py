"""From the log to deliveries: who hears of a message, by which channel, when, and why not (R17, R23).

The rules are one statement in the schema (`app.plan_deliveries`): it closes the outbox rows and writes the
deliveries, or does neither. Running it again finds nothing to do.

Whoever should have kicked an event that the clockwork found may have died before it pushed it, too: what the planner
closes for the clockwork is pushed again to those who have not stored it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from wedsync.conversations import due
from wedsync.notifications import kicks, repush, watching
from wedsync.notifications import planner_sql as sql
from wedsync.notifications.repush import Missing
from wedsync.platform import db
from wedsync.platform.context import WORKER
from wedsync.platform.observability import logger

RECIPIENTS = 500  # of one transaction: about a second for what is urgent, where a statement may take thirty
BUDGET_SECONDS = 20.0


class EventId(BaseModel):
    """An event of a thread's log."""

    model_config = ConfigDict(extra="forbid")

    thread_id: UUID
    seq: int = Field(ge=1, lt=2**63)


class Events(BaseModel):
    """The body of a record of the events queue: ids only (decision 10), or that there may be reactions to log."""

    model_config = ConfigDict(extra="forbid")

    events: list[EventId] = Field(default=[], max_length=kicks.PER_BODY)
    again: bool = False
    reactions: bool = False

    @model_validator(mode="after")
    def _one_of_both(self) -> Events:
        if bool(self.events) == self.reactions:
            raise ValueError("give events, or reactions")
        return self


class Named(NamedTuple):
    """An event to plan; `again` if its push may have been lost."""

    thread_id: UUID
    seq: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """How many outbox rows were closed, deliveries queued, and queue messages sent for them."""

    events: int
    deliveries: int
    messages: int


def named(body: str) -> list[Named]:
    """The events that a record of the events queue names, or has had logged. Raises ValueError if it is not ours."""
    record = Events.model_validate_json(body)
    if record.reactions:
        (rows,) = db.transaction(WORKER, (due.LOG_REACTIONS, {"up_to": due.AT_ONCE}))
        return [Named(row["thread_id"], row["seq"], again=True) for row in rows]
    return [Named(event.thread_id, event.seq, record.again) for event in record.events]


def plan(events: Sequence[Named]) -> Planned:
    """Plan the deliveries of these events, and tell the channels. Events already planned are left alone.

    A portion of recipients is a transaction of its own. What there is no time for waits for the clockwork.
    """
    deadline = time.monotonic() + BUDGET_SECONDS
    done, left_over = Planned(0, 0, 0), True
    while left_over and time.monotonic() < deadline:
        found, left_over = _plan_portion(events)
        done = Planned(*(before + more for before, more in zip(astuple(done), astuple(found), strict=True)))
    logger().info(
        "planned",
        extra={
            "threads": sorted({str(event.thread_id) for event in events}),
            "events": done.events,
            "deliveries": done.deliveries,
            "left_over": left_over,
        },
    )
    return done


def _plan_portion(events: Sequence[Named]) -> tuple[Planned, bool]:
    """What one transaction planned, and whether it left events for another."""
    swept = [event for event in events if event.again]
    asked: list[db.Statement] = [(sql.PLAN, _ids(events) | {"recipients": RECIPIENTS})]
    if swept:
        asked.append((sql.UNDELIVERED, _ids(swept)))
    rows, *missing = db.transaction(WORKER, *asked)
    queued = [row for row in rows if row["id"] is not None]
    messages = watching.kick(queued)
    if missing and missing[0]:
        repush.push_again([Missing(**row) for row in missing[0]])
    return Planned(rows[0]["events"], len(queued), messages), rows[0]["left_over"] > 0


def _ids(events: Sequence[Named]) -> dict[str, Any]:
    return {
        "threads": [event.thread_id for event in events],
        "seqs": [event.seq for event in events],
    }
