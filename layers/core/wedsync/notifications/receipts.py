"""What became of a message: who has it on a device, who has read it, and by which channels he was told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Literal, LiteralString
from uuid import UUID

from typing_extensions import TypedDict

from wedsync.conversations.resources import moment
from wedsync.platform.clock import rfc3339
from wedsync.platform.context import Caller
from wedsync.platform.db import Rows, transaction

_RECEIPTS: Final[LiteralString] = "select * from app.receipts(%(message_id)s)"
_ACKS: Final[LiteralString] = "select * from app.acks(%(message_id)s)"

State = Literal[
    "queued",
    "sending",
    "unknown",
    "sent",
    "delayed",
    "failed",
    "delivered",
    "bounced",
    "complained",
    "cancelled",
    "suppressed",
    "expired",
]


class Told(TypedDict):
    """One delivery, and since when it is in this state."""

    channel: str
    status: State
    at: str


class Receipt(TypedDict):
    """`delivered`: stored on one of his devices; `read`: seen by him, which implies delivered (R15).

    `ack_asked`: the message asks for his acknowledgement, which he gave at `acked_at`.
    """

    user_id: str
    display_name: str
    delivered: bool
    read: bool
    ack_asked: bool
    acked_at: str | None
    deliveries: list[Told]


class ReceiptList(TypedDict):
    """Everybody the message is for, but its author: a thread has few enough people for one page."""

    data: list[Receipt]
    next_cursor: None


def of_message(who: Caller, message_id: UUID) -> ReceiptList:
    """The receipts of a message, by name.

    Raises NotFound if it is missing or hidden, Forbidden unless its author asks, or a planner of the wedding.
    """
    asked = {"message_id": message_id}
    rows, acked = transaction(who, (_RECEIPTS, asked), (_ACKS, asked))
    acks = {row["user_id"]: row["acked_at"] for row in acked}
    people = [list(group) for _, group in groupby(rows, key=itemgetter("user_id"))]
    return {"data": [_receipt(person, acks) for person in people], "next_cursor": None}


def _receipt(rows: Rows, acks: Mapping[UUID, datetime | None]) -> Receipt:
    person = rows[0]
    return {
        "user_id": str(person["user_id"]),
        "display_name": person["display_name"],
        "delivered": person["delivered"],
        "read": person["read"],
        "ack_asked": person["user_id"] in acks,
        "acked_at": moment(acks.get(person["user_id"])),
        "deliveries": [_told(row) for row in rows if row["channel"] is not None],
    }


def _told(row: Mapping[str, Any]) -> Told:
    return {"channel": row["channel"], "status": row["status"], "at": rfc3339(row["at"])}
