"""Messages to be sent later: stated, looked at and deleted by their author (R18). `due` sends them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import Field
from typing_extensions import TypedDict

from wedsync.conversations import threads_sql
from wedsync.conversations.message_models import LaterEdit, LaterMessage, offset_days
from wedsync.conversations.models import PAGE, Stated
from wedsync.platform import cursors
from wedsync.platform.clock import rfc3339
from wedsync.platform.context import Caller
from wedsync.platform.db import Rows, transaction
from wedsync.platform.errors import NotFound
from wedsync.platform.ids import uuid7
from wedsync.trust import card_numbers

ScheduledStatus = Literal["waiting", "sending", "sent", "needs_attention"]

_SCHEDULE: Final[LiteralString] = """
    select made.*, app.keep_answer(made.id)
      from app.schedule_message(%(id)s, %(thread_id)s, %(stated)s, %(send_at)s, %(offset_days)s,
                                %(wall_time)s::time) made
"""
_EDIT: Final[LiteralString] = """
    select * from app.edit_scheduled_message(%(id)s, %(changed)s, %(card_field)s, %(send_at)s, %(offset_days)s,
                                             %(wall_time)s::time)
"""
_DELETE: Final[LiteralString] = "select app.delete_scheduled_message(%(id)s)"
_ONE: Final[LiteralString] = "select * from scheduled_messages where id = %(id)s"

# Walks scheduled_messages_author.
_PAGE: Final[LiteralString] = """
    select * from scheduled_messages
     where author_id = (select app.user_id())
       and (%(thread_id)s::uuid is null or thread_id = %(thread_id)s)
       and (%(status)s::text is null and status <> 'sent' or status = %(status)s)
       and (%(after)s::timestamptz is null or (send_at, id) > (%(after)s, %(after_id)s::uuid))
     order by send_at, id limit %(limit)s + 1
"""


class ScheduledQuery(Stated):
    """Filters of a list of scheduled messages; without a status those that are not sent."""

    status: ScheduledStatus | None = None
    limit: int = Field(default=50, ge=1, le=PAGE)
    cursor: str | None = Field(default=None, min_length=1, max_length=500)


class ScheduledMessage(TypedDict):
    """`content` is what will be sent, null once it is `message_id`; `reason` why it `needs_attention`."""

    id: str
    thread_id: str
    send_at: str
    relative: str | None
    at: str | None
    status: ScheduledStatus
    reason: str | None
    content: dict[str, Any] | None
    message_id: str | None
    created_at: str
    updated_at: str


class ScheduledPage(TypedDict):
    data: list[ScheduledMessage]
    next_cursor: str | None


def schedule(who: Caller, thread_id: UUID, stated: LaterMessage) -> ScheduledMessage:
    """Have a message sent later, as the caller and with all checks of that moment.

    Raises NotFound, Forbidden and Conflict for who may not post now either, Invalid for a time gone by, a card number.
    """
    values = {
        "id": uuid7(),
        "thread_id": thread_id,
        "stated": Jsonb(stated.content()),
        **_time(stated),
    }
    refusing = card_numbers.refusals(thread_id, **stated.written())
    *_, rows = transaction(who, *refusing, (_SCHEDULE, values))
    return _scheduled(rows[0])


def get(who: Caller, scheduled_id: UUID) -> ScheduledMessage:
    """One of the caller's own. Raises NotFound."""
    (rows,) = transaction(who, (_ONE, {"id": scheduled_id}))
    if not rows:
        raise NotFound
    return _scheduled(rows[0])


def edit(who: Caller, scheduled_id: UUID, stated: LaterEdit) -> ScheduledMessage:
    """Say something else, at another time, or both; one that needed attention waits again.

    Raises NotFound, Forbidden and Conflict as `schedule`, Conflict once it is being sent, Invalid as `schedule`.
    """
    changed = stated.changed()
    values = {
        "id": scheduled_id,
        "changed": Jsonb(changed),
        "card_field": card_numbers.holder(changed),
        **_time(stated),
    }
    (rows,) = transaction(who, (_EDIT, values))
    return _scheduled(rows[0])


def delete(who: Caller, scheduled_id: UUID) -> None:
    """Do not send it. Raises NotFound, Conflict once it is being sent."""
    transaction(who, (_DELETE, {"id": scheduled_id}))


def page(who: Caller, query: ScheduledQuery) -> ScheduledPage:
    """The caller's own in all threads, lost ones too, the next one first. Raises Invalid for a foreign cursor."""
    (rows,) = transaction(who, (_PAGE, _asked(query, None)))
    return _page(query, rows)


def page_of_thread(who: Caller, thread_id: UUID, query: ScheduledQuery) -> ScheduledPage:
    """The caller's own in one thread. Raises NotFound, Invalid for a foreign cursor."""
    visible, rows = transaction(
        who, (threads_sql.VISIBLE, {"thread_id": thread_id}), (_PAGE, _asked(query, thread_id))
    )
    if not visible:
        raise NotFound
    return _page(query, rows)


def _time(stated: LaterMessage | LaterEdit) -> dict[str, Any]:
    return {
        "send_at": stated.send_at,
        "offset_days": offset_days(stated.relative),
        "wall_time": stated.at,
    }


def _asked(query: ScheduledQuery, thread_id: UUID | None) -> Mapping[str, Any]:
    after, after_id = cursors.decode("scheduled", query.cursor) if query.cursor else (None, None)
    return {
        "thread_id": thread_id,
        "status": query.status,
        "after": after,
        "after_id": after_id,
        "limit": query.limit,
    }


def _page(query: ScheduledQuery, rows: Rows) -> ScheduledPage:
    shown, following = cursors.cut(
        "scheduled", rows, query.limit, lambda row: [row["send_at"].isoformat(), str(row["id"])]
    )
    return {"data": [_scheduled(row) for row in shown], "next_cursor": following}


def _scheduled(row: Mapping[str, Any]) -> ScheduledMessage:
    days, wall = row["offset_days"], row["wall_time"]
    return {
        "id": str(row["id"]),
        "thread_id": str(row["thread_id"]),
        "send_at": rfc3339(row["send_at"]),
        "relative": None if days is None else f"P{days}D",
        "at": None if wall is None else wall.isoformat("minutes"),
        "status": row["status"],
        "reason": row["reason"],
        "content": row["stated"],
        "message_id": None if row["message_id"] is None else str(row["message_id"]),
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
    }
