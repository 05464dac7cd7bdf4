"""How far a person has read and his devices have stored: cursors that only rise (R2, R15, R16)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from typing_extensions import TypedDict

from wedsync.conversations import messages_sql
from wedsync.platform.context import Caller
from wedsync.platform.db import Statement, transaction
from wedsync.platform.errors import Forbidden, NotFound


class Cursors(TypedDict):
    """Where the caller stands in a thread."""

    thread_id: str
    epoch: str
    head_seq: int
    read_seq: int
    delivered_seq: int
    unread_count: int
    marked_unread: bool


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
    return _moved(who, thread_id, (messages_sql.MARK_UNREAD, {"thread_id": thread_id}))


def read(who: Caller, thread_id: UUID, epoch: str, seq: int) -> Cursors:
    """The person has seen everything up to `seq`. A foreign epoch changes nothing, a seq beyond the head is the head.

    Raises NotFound, Forbidden for an implicit host, who has no cursors.
    """
    return _moved(who, thread_id, (messages_sql.READ, _values(epoch, {thread_id: seq})))


def delivered(who: Caller, thread_id: UUID, epoch: str, seq: int) -> Cursors:
    """A device has stored everything up to `seq`; otherwise as `read`."""
    return _moved(who, thread_id, (messages_sql.DELIVERED, _values(epoch, {thread_id: seq})))


def acknowledge(who: Caller, epoch: str, cursors: Mapping[UUID, int]) -> None:
    """`delivered` for many threads at once; threads that the caller is not in are passed over."""
    transaction(who, (messages_sql.DELIVERED, _values(epoch, cursors)))


def _values(epoch: str, cursors: Mapping[UUID, int]) -> dict[str, Any]:
    return {"epoch": epoch, "thread_ids": list(cursors), "seqs": list(cursors.values())}


def _moved(who: Caller, thread_id: UUID, move: Statement) -> Cursors:
    _, rows = transaction(who, move, (messages_sql.CURSORS, {"thread_id": thread_id}))
    if not rows:
        raise NotFound
    row = rows[0]
    if row["read_seq"] is None:
        raise Forbidden("you read along in this thread without taking part")
    return {
        "thread_id": str(thread_id),
        "epoch": row["epoch"],
        "head_seq": row["head_seq"],
        "read_seq": row["read_seq"],
        "delivered_seq": row["delivered_seq"],
        "unread_count": row["unread_count"],
        "marked_unread": row["marked_unread"],
    }
