"""What the function of a channel with a provider does with a batch of its queue: claim, read, send, record (R23)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from wedsync.notifications import deliveries
from wedsync.notifications.deliveries import Claimed, Later, NotificationText, Outcome, Withdrawn
from wedsync.platform import queues
from wedsync.platform.observability import logger

Send = Callable[[Claimed, NotificationText], Outcome]

PORTION = 10  # claimed together, where what a crash leaves behind may be sent again
# Nothing is claimed or sent later in a call: what is on its way must have time to be answered and recorded.
BUDGET_SECONDS = 8.0


class Work(BaseModel):
    """The body of a record: ids only (decision 10)."""

    model_config = ConfigDict(extra="forbid")

    deliveries: list[UUID] = Field(min_length=1, max_length=50)


class UnfinishedError(Exception):
    """Some deliveries of a record are left for its next receipt; the others find themselves done."""


def named(body: str) -> list[UUID]:
    """The deliveries that a record names. Raises ValueError if it is none of ours."""
    return Work.model_validate_json(body).deliveries


def handle(event: Mapping[str, Any], send: Send, *, at_once: int = 1) -> dict[str, Any]:
    """Deliver a batch of SQS records by `send`, `at_once` claims at a time; the records that have to come again."""
    deadline = time.monotonic() + BUDGET_SECONDS
    return queues.each(event, lambda body: _deliver_all(named(body), send, at_once, deadline))


def _deliver_all(ids: Sequence[UUID], send: Send, at_once: int, deadline: float) -> None:
    portions = [ids[first : first + at_once] for first in range(0, len(ids), at_once)]
    left = sum(_deliver(portion, send, deadline) for portion in portions)
    if left:
        raise UnfinishedError(f"{left} of {len(ids)} deliveries are left")


def _deliver(portion: Sequence[UUID], send: Send, deadline: float) -> int:
    """How many of the portion its record has to bring again."""
    if time.monotonic() >= deadline:
        return len(portion)
    try:
        claims = deliveries.claim(portion)
    except Exception:  # noqa: BLE001 (the others must not wait for these; their record comes again)
        logger().exception("deliveries failed", extra={"deliveries": [str(each) for each in portion]})
        return len(portion)
    try:
        texts = deliveries.texts((each.user_id, each.message_id) for each in claims)
    except Exception:  # noqa: BLE001 (certainly not sent: a claim that is left behind would make an SMS unknown)
        logger().exception("texts failed", extra={"deliveries": [str(each) for each in portion]})
        return sum(not _done(each, lambda _: Later(code="unread")) for each in claims)
    return sum(
        not _done(each, partial(_outcome, texts.get((each.user_id, each.message_id)), send, deadline))
        for each in claims
    )


def _done(claimed: Claimed, deliver: Callable[[Claimed], Outcome]) -> bool:
    try:
        outcome = deliver(claimed)
        moved = deliveries.record(claimed, outcome)
    except Exception:  # noqa: BLE001 (the others must not wait for this one; its record comes again)
        logger().exception("delivery failed", extra={"delivery_id": str(claimed.delivery_id)})
        return False
    logger().info(
        "delivery",
        extra={
            "delivery_id": str(claimed.delivery_id),
            "channel": claimed.channel,
            "lane": claimed.lane,
            "attempt": claimed.attempt,
            "outcome": type(outcome).__name__.lower(),
            "recorded": moved,
        },
    )
    return True


def _outcome(text: NotificationText | None, send: Send, deadline: float, claimed: Claimed) -> Outcome:
    if text is None:
        return Withdrawn("removed")
    if time.monotonic() >= deadline:  # those before it took long: the clockwork brings it again
        return Later(code="no_time")
    return send(claimed, text)
