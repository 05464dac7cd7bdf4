"""The resources of conversations as clients see them (contract.md section 2), made from rows.

The shapes are typed dictionaries: docs/openapi.json is generated from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from wedsync.conversations.models import (
    MessagePriority,
    Permission,
    Role,
    Status,
    ThreadPriority,
    ThreadType,
    Visibility,
)
from wedsync.platform.clock import rfc3339


class Me(TypedDict):
    """The caller's own place in a thread; `role` is null for an implicit host (R10).

    `permissions` is what he may do, by his role or his own, within the rules of the thread's type.
    """

    role: Role | None
    permissions: list[Permission]
    read_seq: int
    delivered_seq: int
    windows: list[tuple[int, int | None]]
    muted_until: str | None
    snoozed_until: str | None
    pinned_at: str | None
    marked_unread: bool


class Thread(TypedDict):
    id: str
    organization_id: str
    wedding_id: str
    natural_key: str | None
    subject: str
    thread_type: ThreadType
    status: Status
    status_reason: str | None
    priority_level: ThreadPriority
    visibility: Visibility
    surprise: bool
    wedding_context: dict[str, Any]
    metadata: dict[str, Any]
    version: int
    created_by: str
    created_at: str
    updated_at: str
    last_seq: int
    epoch: str
    last_activity_at: str
    unread_count: int
    me: Me


class Participant(TypedDict):
    user_id: str
    role: Role
    permissions: list[Permission]
    version: int
    added_by: str
    added_at: str
    left_at: str | None
    display_name: str
    organization_id: str | None
    read_seq: int
    delivered_seq: int


class Message(TypedDict):
    """`reactions` maps an emoji to people. What depends on the reader is missing from pushed frames (R15)."""

    id: str
    thread_id: str
    seq: int
    sender_id: str
    parent_message_id: str | None
    message: str
    message_html: str
    message_type: str
    priority_level: MessagePriority
    attachments: list[dict[str, Any]]
    mentions: list[str]
    requires_ack: bool
    payload: dict[str, Any] | None
    wedding_context: dict[str, Any]
    metadata: dict[str, Any]
    client_msg_id: str
    created_at: str
    edited_at: str | None
    deleted_at: str | None
    retracted_at: str | None
    pinned_at: str | None
    acked_at: str | None
    reactions: dict[str, list[str]]
    is_read: NotRequired[bool]
    my_ack: NotRequired[Literal["waiting", "given"] | None]
    duplicate: NotRequired[bool]


def moment(value: datetime | None) -> str | None:
    """A stored time as clients read it, or None."""
    return None if value is None else rfc3339(value)


def me(row: Mapping[str, Any]) -> Me:
    """From a row with the columns of `app.places`."""
    return {
        "role": row["role"],
        "permissions": row["permissions"],
        "read_seq": row["read_seq"],
        "delivered_seq": row["delivered_seq"],
        "windows": [(start, end) for start, end in row["windows"]],
        "muted_until": moment(row["muted_until"]),
        "snoozed_until": moment(row["snoozed_until"]),
        "pinned_at": moment(row["pinned_at"]),
        "marked_unread": row["marked_unread"],
    }


def thread(row: Mapping[str, Any]) -> Thread:
    """From a row of `threads_sql.PAGE` or `threads_sql.ONE`."""
    return {
        "id": str(row["id"]),
        "organization_id": str(row["organization_id"]),
        "wedding_id": str(row["wedding_id"]),
        "natural_key": row["natural_key"],
        "subject": row["subject"],
        "thread_type": row["thread_type"],
        "status": row["status"],
        "status_reason": row["status_reason"],
        "priority_level": row["priority_level"],
        "visibility": row["visibility"],
        "surprise": row["surprise"],
        "wedding_context": row["wedding_context"],
        "metadata": row["metadata"],
        "version": row["version"],
        "created_by": str(row["created_by"]),
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
        "last_seq": row["last_seq"],
        "epoch": row["epoch"],
        "last_activity_at": rfc3339(row["last_activity_at"]),
        "unread_count": row["unread_count"],
        "me": me(row),
    }


def participant(row: Mapping[str, Any]) -> Participant:
    """From a row of `app.participants`."""
    return {
        "user_id": str(row["user_id"]),
        "role": row["role"],
        "permissions": row["permissions"],
        "version": row["version"],
        "added_by": str(row["added_by"]),
        "added_at": rfc3339(row["added_at"]),
        "left_at": moment(row["left_at"]),
        "display_name": row["display_name"],
        "organization_id": None if row["organization_id"] is None else str(row["organization_id"]),
        "read_seq": row["read_seq"],
        "delivered_seq": row["delivered_seq"],
    }


def message(row: Mapping[str, Any]) -> Message:
    """From a row of thread_messages, without what depends on the reader. Attachments have no rows yet."""
    parent = row["parent_message_id"]
    return {
        "id": str(row["id"]),
        "thread_id": str(row["thread_id"]),
        "seq": row["seq"],
        "sender_id": str(row["sender_id"]),
        "parent_message_id": None if parent is None else str(parent),
        "message": row["message"],
        "message_html": row["message_html"],
        "message_type": row["message_type"],
        "priority_level": row["priority_level"],
        "attachments": [],
        "mentions": [str(person) for person in row["mentions"]],
        "requires_ack": row["requires_ack"],
        "payload": row["payload"],
        "wedding_context": row["wedding_context"],
        "metadata": row["metadata"],
        "client_msg_id": str(row["client_msg_id"]),
        "created_at": rfc3339(row["created_at"]),
        "edited_at": moment(row["edited_at"]),
        "deleted_at": moment(row["deleted_at"]),
        "retracted_at": moment(row["retracted_at"]),
        "pinned_at": moment(row["pinned_at"]),
        "acked_at": moment(row["acked_at"]),
        "reactions": row["reactions"],
    }


def read_message(row: Mapping[str, Any]) -> Message:
    """From a row of `message_pages_sql`: a message as its reader sees it."""
    return {**message(row), "is_read": row["is_read"], "my_ack": row["my_ack"]}
