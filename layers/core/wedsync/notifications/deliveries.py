"""One message to one address: claimed by one worker, handed over, written down (R23).

claim  -> Claimed, for exactly one of all who ask, or not there
texts  -> what its recipient may read now, or not there: then it is withdrawn
record -> what the provider said:
    Accepted   it has it                                    sent
    Refused    it will never take it                        failed; `suppress` ends the address
    Later      certainly not sent, may be tried again       queued
    Unknown    nobody knows whether it was sent             unknown, never sent again blindly
    Withdrawn  the recipient sees the message no more       cancelled
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from wedsync.notifications import deliveries_sql as sql
from wedsync.platform import db
from wedsync.platform.context import WORKER, Acting

Lane = Literal["ordinary", "emergency"]
Category = Literal["ordinary", "urgent", "emergency"]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours to hand over. `address` is a subscription's JSON for push."""

    delivery_id: UUID
    token: UUID
    message_id: UUID
    thread_id: UUID
    user_id: UUID
    channel: str
    lane: Lane
    category: Category
    contact_point_id: UUID | None
    address: str = field(repr=False)
    attempt: int
    claimed_at: datetime
    possible_duplicate: bool
    locale: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class NotificationText:
    """What the recipient may read of the message. `sender_name` is None once the sender has left the thread."""

    thread_id: UUID
    subject: str = field(repr=False)
    message: str = field(repr=False)
    message_type: str
    priority_level: str
    seq: int
    created_at: datetime
    sender_name: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has it, under its own id if it gives one."""

    provider: str
    provider_ref: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Definitely not sent, and never will be. `suppress`: this address is not to be tried again."""

    code: str
    suppress: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """Definitely not sent; to be tried again, not before `retry_after` seconds."""

    retry_after: float = 0
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been sent: no answer, or one that says nothing."""

    code: str | None = None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Certainly not sent, and no longer to be: for the worker to say, no channel does."""

    code: str


Outcome = Accepted | Refused | Later | Unknown | Withdrawn


def claim(delivery_ids: Sequence[UUID]) -> list[Claimed]:
    """Those of them that are still wanted and that nobody else has; what is no longer wanted is cancelled."""
    asked = {"asked": list(delivery_ids), "token": uuid4()}
    (rows,) = db.transaction(WORKER, (sql.CLAIM, asked))
    return [claimed(row) for row in rows]


def claimed(row: dict[str, Any]) -> Claimed:
    """From a row of the type `app.claim`."""
    return Claimed(delivery_id=row["id"], **{name: row[name] for name in row if name != "id"})


def texts(wanted: Iterable[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], NotificationText]:
    """What each user may read of his message now, by (user, message); what he sees no more is not there."""
    messages: dict[UUID, list[UUID]] = defaultdict(list)
    for user_id, message_id in wanted:
        messages[user_id].append(message_id)
    found = db.as_each(
        [(Acting(user_id, "user"), (sql.TEXTS, {"messages": ids})) for user_id, ids in messages.items()]
    )
    return {
        (user_id, row.pop("message_id")): NotificationText(**row)
        for user_id, rows in zip(messages, found, strict=True)
        for row in rows
    }


def text(delivery: Claimed) -> NotificationText | None:
    """The message as the recipient sees it now; None if he sees it no more."""
    key = delivery.user_id, delivery.message_id
    return texts([key]).get(key)


def record(delivery: Claimed, outcome: Outcome) -> bool:
    """Write down what came of it; whether the state moved. A claim that was taken away moves nothing."""
    match outcome:
        case Accepted(provider, provider_ref):
            return _record(delivery, "accepted", provider=provider, provider_ref=provider_ref)
        case Refused(code, suppress):
            return _record(delivery, "refused", code=code, suppress=suppress)
        case Later(retry_after, code):
            return _record(delivery, "later", code=code, retry_after=retry_after)
        case Unknown(code):
            return _record(delivery, "unknown", code=code)
        case Withdrawn(code):
            return _record(delivery, "withdrawn", code=code)


def _record(delivery: Claimed, outcome: str, **said: str | float | None) -> bool:
    silent = {"provider": None, "provider_ref": None, "code": None, "suppress": False, "retry_after": 0.0}
    asked = {"delivery_id": delivery.delivery_id, "token": delivery.token, "outcome": outcome}
    (rows,) = db.transaction(WORKER, (sql.RECORD, silent | asked | said))
    return rows[0]["moved"]
