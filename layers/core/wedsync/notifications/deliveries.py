"""One message to one address: claimed by one worker, handed over, written down (R23).

claim  -> Claimed, for exactly one of all who ask, or None
text   -> what the recipient may read now, or None: then withdraw
record -> what the provider said:
    Accepted   it has it                                    sent (inbox: delivered)
    Refused    it will never take it                        failed; `suppress` ends the address
    Later      certainly not sent, may be tried again       queued
    Unknown    nobody knows whether it was sent             unknown, never sent again blindly
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from wedsync.notifications import deliveries_sql as sql
from wedsync.platform import db

Lane = Literal["ordinary", "emergency"]
Category = Literal["ordinary", "urgent", "emergency"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose eyes a transaction has: the worker's own, which see no text, or a recipient's."""

    user_id: UUID
    kind: Literal["worker", "user"]


WORKER = Caller(UUID(int=0), "worker")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours to hand over. `address` is the user id for the inbox, a subscription's JSON for push."""

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


Outcome = Accepted | Refused | Later | Unknown


def claim(delivery_id: UUID) -> Claimed | None:
    """The delivery, if it is still wanted and nobody else has it; what is no longer wanted is cancelled."""
    asked = {"delivery_id": delivery_id, "token": uuid4()}
    (rows,) = db.transaction(WORKER, (sql.CLAIM, asked))
    return claimed(rows[0]) if rows else None


def claimed(row: dict[str, Any]) -> Claimed:
    """From a row of `app.claim`."""
    return Claimed(delivery_id=row["id"], **{name: row[name] for name in row if name != "id"})


def text(delivery: Claimed) -> NotificationText | None:
    """The message as the recipient sees it now; None if he sees it no more."""
    (rows,) = db.transaction(
        Caller(delivery.user_id, "user"), (sql.TEXT, {"message_id": delivery.message_id})
    )
    return NotificationText(**rows[0]) if rows else None


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


def withdraw(delivery: Claimed, reason: str) -> bool:
    """Cancel what was claimed and certainly not sent."""
    return _record(delivery, "withdrawn", code=reason)


def _record(delivery: Claimed, outcome: str, **said: str | float | None) -> bool:
    silent = {"provider": None, "provider_ref": None, "code": None, "suppress": False, "retry_after": 0.0}
    asked = {"delivery_id": delivery.delivery_id, "token": delivery.token, "outcome": outcome}
    (rows,) = db.transaction(WORKER, (sql.RECORD, silent | asked | said))
    return rows[0]["moved"]
