"""Every minute: whatever a crash, a lost message or a silent provider left lying (R17, R23).

    events nobody planned              to the planner again, after 30 s, which also pushes them again
    claims whose worker died           queued again after 90 s; an SMS becomes unknown
    SMS that are unknown               the provider is asked, 3 minutes after the claim
    deliveries that are due, or lost   to their channel again, the lost after 2 minutes
    urgent messages nobody got         an error in the log, once: an alarm watches for it
    idempotency keys                   deleted after 24 hours (R28)

Two at once do no harm: what is kicked twice is planned and claimed once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, LiteralString

from psycopg.errors import UniqueViolation

from wedsync.notifications import clockwork_sql as sql
from wedsync.notifications import deliveries, kicks
from wedsync.notifications.deliveries import Accepted, Claimed, Outcome, Refused
from wedsync.platform import db
from wedsync.platform.context import WORKER
from wedsync.platform.observability import logger

UNPLANNED = timedelta(seconds=30)
STALE = timedelta(seconds=90)
LOST = timedelta(minutes=2)
UNKNOWN = timedelta(minutes=3)
KEYS_LIVE = timedelta(hours=24)
EVENTS_AT_ONCE = 5_000  # more waits for the next minute
WATCHED_AT_ONCE = 5_000
AT_ONCE = 1_000
ASKED_AT_ONCE = 10  # each costs a call to the provider
ASKING_SECONDS = 20.0  # one that hangs must not keep what is due from its queue

Reconcile = Callable[[Claimed], Outcome]


@dataclass(frozen=True, slots=True)
class Tick:
    """What one run found."""

    events: int
    released: int
    reconciled: int
    deliveries: int
    unreached: int
    keys: int


def tick(reconcile: Reconcile) -> Tick:
    """Take up what was left; `reconcile` asks the SMS provider for one whose fate is unknown."""
    events = _rows(sql.LEFT_EVENTS, older_than=UNPLANNED, up_to=EVENTS_AT_ONCE)
    kicks.kick_events(((row["lane"], row["thread_id"], row["seq"]) for row in events), again=True)
    released = _rows(sql.RELEASE, older_than=STALE)
    reconciled = _settle_all(reconcile)
    due = _rows(sql.DUE, lost_after=LOST, up_to=AT_ONCE)
    kicks.kick_deliveries((row["channel"], row["lane"], row["id"]) for row in due)
    unreached = _report_unreached()
    [keys] = _rows(sql.FORGET_KEYS, older_than=KEYS_LIVE, up_to=AT_ONCE)
    found = Tick(len(events), len(released), reconciled, len(due), unreached, keys["forgotten"])
    logger().info(
        "tick",
        extra={
            "events": found.events,
            "released": found.released,
            "reconciled": found.reconciled,
            "deliveries": found.deliveries,
            "unreached": found.unreached,
            "keys": found.keys,
        },
    )
    return found


def _report_unreached() -> int:
    """Whom no channel has reached with what is urgent. An alarm watches for this line."""
    unreached = _rows(sql.UNREACHED, up_to=WATCHED_AT_ONCE)
    for row in unreached:
        logger().error(
            "recipient not reached",
            extra={
                "message_id": str(row["message_id"]),
                "user_id": str(row["user_id"]),
                "category": row["category"],
            },
        )
    return len(unreached)


def _settle_all(reconcile: Reconcile) -> int:
    deadline = time.monotonic() + ASKING_SECONDS
    unknown = _rows(sql.UNKNOWN, older_than=UNKNOWN, up_to=ASKED_AT_ONCE)
    return sum(time.monotonic() < deadline and _settle(deliveries.claimed(row), reconcile) for row in unknown)


def _settle(delivery: Claimed, reconcile: Reconcile) -> bool:
    """Write down what the provider knows of an SMS. What it does not know failed; an emergency is sent once more."""
    try:
        outcome = reconcile(delivery)
    except Exception:  # noqa: BLE001 (one that cannot be told must not hold up the others)
        logger().exception("not reconciled", extra={"delivery_id": str(delivery.delivery_id)})
        return False
    match outcome:
        case Accepted():
            try:
                return deliveries.record(delivery, outcome)
            except UniqueViolation:  # it is the message of another delivery with the same words
                return _give_up(delivery, Refused("unreconciled"))
        case Refused():
            return _give_up(delivery, outcome)
        case _:
            return False  # it could not be asked: in a minute again


def _give_up(delivery: Claimed, outcome: Refused) -> bool:
    return _send_again(delivery) or deliveries.record(delivery, outcome)


def _send_again(delivery: Claimed) -> bool:
    asked = {"delivery_id": delivery.delivery_id, "token": delivery.token}
    return _rows(sql.SEND_AGAIN, **asked)[0]["queued"]


def _rows(statement: LiteralString, **values: Any) -> db.Rows:
    return db.transaction(WORKER, (statement, values))[0]
