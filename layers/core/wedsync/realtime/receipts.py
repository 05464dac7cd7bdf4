"""Telling how far people have got: at most once a second per person and thread, to whom R2 allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from wedsync.conversations.cursors import Moved, Receipt
from wedsync.realtime import attention, connections, hints
from wedsync.realtime.connections import Connection
from wedsync.realtime.hint_frames import ReceiptFrame

MOST_TOLD = 20  # threads of one `ack`: who catches up with more is not waited for

Answer = TypeVar("Answer")


def deliver(moved: Moved[Answer], by: Connection | None = None) -> Answer:
    """Tell what was moved; returns the answer. What comes too soon is owed by the connection that read."""
    with hints.expendable():
        tell(moved.receipts)
        for each in moved.receipts:
            if by and each.people is None:
                attention.owe(by, each.thread_id)
    return moved.answer


def tell(receipts: Sequence[Receipt]) -> None:
    """To others who look at the thread, and to all devices of the person himself. Raises aws.AwsError."""
    due = [each for each in receipts if each.people][:MOST_TOLD]
    found = connections.find({user_id for each in due for user_id in each.people or ()})
    for receipt in due:
        frame: ReceiptFrame = {
            "type": "receipt",
            "thread_id": str(receipt.thread_id),
            "user_id": str(receipt.user_id),
            "delivered_seq": receipt.delivered_seq,
            "read_seq": receipt.read_seq,
        }
        hints.tell(frame, [each for each in found if _concerns(each, receipt)])


def _concerns(connection: Connection, receipt: Receipt) -> bool:
    if connection.user_id not in (receipt.people or ()):
        return False
    own = connection.user_id == receipt.user_id
    return attention.hears(connection) if own else attention.concerns(connection, receipt.thread_id)
