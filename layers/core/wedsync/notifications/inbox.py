"""A person's inbox: what he was told of, newest first, and what of it he has seen and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from wedsync.conversations.models import PAGE, Stated
from wedsync.conversations.resources import moment
from wedsync.notifications import inbox_sql
from wedsync.notifications.channels.inbox import PREVIEW_CHARACTERS
from wedsync.platform import cursors
from wedsync.platform.clock import rfc3339
from wedsync.platform.context import Caller
from wedsync.platform.db import Statement, transaction
from wedsync.realtime.protocol import Notification

_COUNTS: Statement = (inbox_sql.COUNTS, {})


class NotificationQuery(Stated):
    """A page of GET /notifications."""

    limit: int = Field(default=50, ge=1, le=PAGE)
    cursor: str | None = Field(default=None, min_length=1, max_length=500)


class Marked(Stated):
    """Which notifications: these, or all there are. Ids that are not the caller's own mark nothing."""

    ids: tuple[UUID, ...] = Field(default=(), max_length=PAGE)
    all: Literal[True] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Marked:
        if bool(self.ids) == bool(self.all):
            raise ValueError("give ids, or all: true")
        return self


class Counts(TypedDict):
    """What is left; what was read in its thread, or is hidden or deleted by now, does not count."""

    unread_count: int
    unseen_count: int


class NotificationPage(Counts):
    data: list[Notification]
    next_cursor: str | None


def page(who: Caller, query: NotificationQuery) -> NotificationPage:
    """The caller's notifications, the newest first. Raises Invalid for a foreign cursor."""
    before, before_id = cursors.decode("notifications", query.cursor) if query.cursor else (None, None)
    asked = {
        "limit": query.limit,
        "before": before,
        "before_id": before_id,
        "preview": PREVIEW_CHARACTERS,
    }
    rows, (left,) = transaction(who, (inbox_sql.PAGE, asked), _COUNTS)
    shown, following = cursors.cut(
        "notifications", rows, query.limit, lambda row: [row["created_at"].isoformat(), str(row["id"])]
    )
    return {
        "data": [_notification(row) for row in shown],
        "next_cursor": following,
        **_counts(left),
    }


def read(who: Caller, marked: Marked) -> Counts:
    """The person has opened them."""
    return _mark(who, (inbox_sql.READ, {"ids": list(marked.ids) or None}))


def seen(who: Caller, marked: Marked) -> Counts:
    """They were on screen in a list."""
    return _mark(who, (inbox_sql.SEEN, {"ids": list(marked.ids) or None}))


def counts(who: Caller) -> Counts:
    """What is left."""
    ((row,),) = transaction(who, _COUNTS)
    return _counts(row)


def _mark(who: Caller, marking: Statement) -> Counts:
    _, (left,) = transaction(who, marking, _COUNTS)
    return _counts(left)


def _counts(row: Mapping[str, Any]) -> Counts:
    return {"unread_count": row["unread_count"], "unseen_count": row["unseen_count"]}


def _notification(row: Mapping[str, Any]) -> Notification:
    return {
        "id": str(row["id"]),
        "category": row["category"],
        "thread_id": str(row["thread_id"]),
        "message_id": str(row["message_id"]),
        "seq": row["seq"],
        "subject": row["subject"],
        "sender_name": row["sender_name"],
        "message": row["message"],
        "created_at": rfc3339(row["created_at"]),
        "seen_at": moment(row["seen_at"]),
        "read_at": moment(row["read_at"]),
    }
