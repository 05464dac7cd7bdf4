"""Creating, listing and reading threads."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb
from typing_extensions import TypedDict

from wedsync.conversations import messages, resources, threads_sql
from wedsync.conversations.events import Committed, changes
from wedsync.conversations.models import NewThread, ThreadQuery
from wedsync.platform import cursors
from wedsync.platform.context import Caller
from wedsync.platform.db import Statement, transaction
from wedsync.platform.errors import NotFound
from wedsync.platform.ids import uuid7


class ThreadPage(TypedDict):
    data: list[resources.Thread]
    next_cursor: str | None


def create(who: Caller, new: NewThread) -> Committed[resources.Thread]:
    """Create a thread with its people and perhaps its first message, in one transaction.

    The caller becomes its owner. Raises Invalid for a wedding that is not his or a person he may not add (R11).
    """
    thread_id = uuid7()
    first = [new.message] if new.message else []
    writing = messages.statements(thread_id, first, all_or_nothing=True)
    created, _, *sent, read = transaction(who, _creation(thread_id, new), *writing, _one(thread_id))
    posted = messages.committed(thread_id, first, sent)
    return Committed(resources.thread(read[0]), changes(created, []) + posted.changes)


def get(who: Caller, thread_id: UUID) -> resources.Thread:
    """One thread. Raises NotFound if it is missing or hidden."""
    (rows,) = transaction(who, _one(thread_id))
    if not rows:
        raise NotFound
    return resources.thread(rows[0])


def page(who: Caller, query: ThreadQuery) -> ThreadPage:
    """The caller's threads, the latest activity first. Raises Invalid for a foreign cursor."""
    before, before_id = cursors.decode("threads", query.cursor) if query.cursor else (None, None)
    values = {
        **query.model_dump(include={"wedding_id", "thread_type", "status", "limit"}),
        "before": before,
        "before_id": before_id,
    }
    (rows,) = transaction(who, (threads_sql.PAGE, values))
    shown = rows[: query.limit]
    more = len(rows) > query.limit
    return {
        "data": [resources.thread(row) for row in shown],
        "next_cursor": _position(shown[-1]["last_activity_at"], shown[-1]["id"]) if more else None,
    }


def _position(at: datetime, thread_id: UUID) -> str:
    return cursors.encode("threads", [at.isoformat(), str(thread_id)])


def _one(thread_id: UUID) -> Statement:
    return threads_sql.ONE, {"thread_id": thread_id}


def _creation(thread_id: UUID, new: NewThread) -> Statement:
    stated = new.model_dump(include={"wedding_id", "subject", "thread_type", "priority_level", "visibility"})
    return threads_sql.CREATE, {
        "id": thread_id,
        **stated,
        "wedding_context": Jsonb(new.wedding_context),
        "metadata": Jsonb(new.metadata),
        "people": [person.user_id for person in new.participants],
        "roles": [person.role for person in new.participants],
    }
