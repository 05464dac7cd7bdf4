"""What every channel's function does with a batch of its queue: claim, read, send, record (R23)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from wedsync.notifications import deliveries
from wedsync.notifications.deliveries import Claimed, NotificationText, Outcome
from wedsync.platform import queues
from wedsync.platform.observability import logger

Send = Callable[[Claimed, NotificationText], Outcome]

BUDGET_SECONDS = (
    8.0  # nothing is claimed later in a call: what is claimed must have time to be sent and recorded
)


class Work(BaseModel):
    """The body of a record: ids only (decision 10)."""

    model_config = ConfigDict(extra="forbid")

    deliveries: list[UUID] = Field(min_length=1, max_length=50)


class UnfinishedError(Exception):
    """Some deliveries of a record are left for its next receipt; the others find themselves done."""


def handle(event: Mapping[str, Any], send: Send) -> dict[str, Any]:
    """Deliver a batch of SQS records by `send`; the records that have to come again."""
    deadline = time.monotonic() + BUDGET_SECONDS
    return queues.each(event, lambda body: _deliver_all(Work.model_validate_json(body), send, deadline))


def _deliver_all(work: Work, send: Send, deadline: float) -> None:
    left = 0
    for delivery_id in work.deliveries:
        if time.monotonic() >= deadline:
            left += 1
            continue
        try:
            _deliver(delivery_id, send)
        except Exception:  # noqa: BLE001 (the others must not wait for this one; its record comes again)
            logger().exception("delivery failed", extra={"delivery_id": str(delivery_id)})
            left += 1
    if left:
        raise UnfinishedError(f"{left} of {len(work.deliveries)} deliveries are left")


def _deliver(delivery_id: UUID, send: Send) -> None:
    claimed = deliveries.claim(delivery_id)
    if claimed is None:
        return
    text = deliveries.text(claimed)
    if text is None:
        deliveries.withdraw(claimed, "removed")
        return
    outcome = send(claimed, text)
    moved = deliveries.record(claimed, outcome)
    logger().info(
        "delivery",
        extra={
            "delivery_id": str(delivery_id),
            "channel": claimed.channel,
            "lane": claimed.lane,
            "attempt": claimed.attempt,
            "outcome": type(outcome).__name__.lower(),
            "recorded": moved,
        },
    )
