"""Who else is in a thread, for hints about people; the database says who (R7, T7)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from wedsync.conversations import company_sql as sql
from wedsync.platform.context import Caller
from wedsync.platform.db import transaction


def of(who: Caller, threads: Collection[UUID]) -> Mapping[UUID, frozenset[UUID]]:
    """The participants of each who see what comes next; nobody, unless they are few and the caller sees it too."""
    (rows,) = transaction(who, (sql.OF_THREADS, {"threads": list(threads)}))
    return {row["thread_id"]: frozenset(row["people"]) for row in rows}


def of_writer(who: Caller, thread_id: UUID) -> frozenset[UUID]:
    """The same of one thread, if the caller may write to it now; nobody on the day of the wedding."""
    (rows,) = transaction(who, (sql.OF_WRITER, {"thread_id": thread_id}))
    return frozenset(user_id for row in rows for user_id in row["people"] or ())
