"""How far a person has read and his devices have stored: cursors that only rise (R2, R15, R16)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from typing_extensions import TypedDict

from wedsync.conversations import messages_sql
from wedsync.platform.context import Caller
from wedsync.platform.db import Rows, Statement, transaction
from wedsync.platform.errors import Forbidden, NotFound

A = TypeVar("A")


class Cursors(TypedDict):
    """Where the caller stands in a thread."""

    thread_id: str
    epoch: str
    head_seq: int
    read_seq: int
    delivered_seq: int
    unread_count: int
    marked_unread: bool


@dataclass(frozen=True, slots=True)
class Receipt:
    """How far a person has got in a thread, and who is told so; None: others were told less than a second ago (R2)."""

    thread_id: UUID
    user_id: UUID
    delivered_seq: int
    read_seq: int
    people: frozenset[UUID] | None


@dataclass(frozen=True, slots=True)
class Moved(Generic[A]):
    """The answer of a move of cursors that is committed, and what it means for others."""

    answer: A
    receipts: tuple[Receipt, ...]


class Unread(TypedDict):
    """What waits for a person: unread messages and the threads they are in or that he marked, acknowledgements he is
    asked for, scheduled messages that he has to decide on."""

    messages: int
    threads: int
    acknowledgements: int
    scheduled: int


def unread(who: Caller) -> Unread:
    """What waits for the caller, in all his threads (R15)."""
    ((row,),) = transaction(who, (messages_sql.UNREAD, {}))
    return {
        "messages": row["messages"],
        "threads": row["threads"],
        "acknowledgements": row["acknowledgements"],
        "scheduled": row["scheduled"],
    }


def mark_unread(who: Caller, thread_id: UUID) -> Cursors:
    """A flag of its own, which moves no cursor; reading takes it away (R15).

    Raises NotFound, Forbidden for an implicit host.
    """
    return _moved(who, thread_id, (messages_sql.MARK_UNREAD, {"thread_id": thread_id})).answer


def read(who: Caller, thread_id: UUID, epoch: str, seq: int) -> Moved[Cursors]:
    """The person has seen everything up to `seq`. A foreign epoch changes nothing, a seq beyond the head is the head.

    Raises NotFound, Forbidden for an implicit host, who has no cursors.
    """
    return _moved(who, thread_id, (messages_sql.READ, _values(epoch, {thread_id: seq})))


def delivered(who: Caller, thread_id: UUID, epoch: str, seq: int) -> Moved[Cursors]:
    """A device has stored everything up to `seq`; otherwise as `read`."""
    return _moved(who, thread_id, (messages_sql.DELIVERED, _values(epoch, {thread_id: seq})))


def acknowledge(who: Caller, epoch: str, cursors: Mapping[UUID, int]) -> Moved[None]:
    """`delivered` for many threads at once; threads that the caller is not in are passed over."""
    (moved,) = transaction(who, (messages_sql.DELIVERED, _values(epoch, cursors)))
    return Moved(None, _receipts(moved))


def receipt(who: Caller, thread_id: UUID) -> Moved[None]:
    """Where the caller is by now, if others were not told at the time; nothing in a thread that he is not in."""
    (told,) = transaction(who, (messages_sql.RECEIPT, {"thread_id": thread_id}))
    return Moved(None, _receipts(told))


def _values(epoch: str, cursors: Mapping[UUID, int]) -> dict[str, Any]:
    return {"epoch": epoch, "thread_ids": list(cursors), "seqs": list(cursors.values())}


def _moved(who: Caller, thread_id: UUID, move: Statement) -> Moved[Cursors]:
    moved, rows = transaction(who, move, (messages_sql.CURSORS, {"thread_id": thread_id}))
    if not rows:
        raise NotFound
    row = rows[0]
    if row["read_seq"] is None:
        raise Forbidden("you read along in this thread without taking part")
    stands: Cursors = {
        "thread_id": str(thread_id),
        "epoch": row["epoch"],
        "head_seq": row["head_seq"],
        "read_seq": row["read_seq"],
        "delivered_seq": row["delivered_seq"],
        "unread_count": row["unread_count"],
        "marked_unread": row["marked_unread"],
    }
    return Moved(stands, _receipts(moved))


def _receipts(rows: Rows) -> tuple[Receipt, ...]:
    return tuple(
        Receipt(
            row["thread_id"],
            row["user_id"],
            row["delivered_seq"],
            row["read_seq"],
            None if row["people"] is None else frozenset(row["people"]),
        )
        for row in rows
    )
