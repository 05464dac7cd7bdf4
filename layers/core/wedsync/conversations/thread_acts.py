"""Acts on a thread that exists: editing it, closing and reopening it, and the caller's own place in it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from psycopg.types.json import Jsonb

from wedsync.conversations import resources, thread_acts_sql, threads_sql
from wedsync.conversations.events import Committed, changes
from wedsync.conversations.models import Status
from wedsync.conversations.replay import ChangedThread, changed_thread
from wedsync.conversations.thread_models import ThreadEdit
from wedsync.platform.clock import now
from wedsync.platform.context import Caller
from wedsync.platform.db import Statement, transaction
from wedsync.trust import card_numbers, journal

_REVOKED: Statement = (threads_sql.REVOKED, {})


def edit(
    who: Caller, thread_id: UUID, version: int, stated: ThreadEdit
) -> Committed[resources.Thread | None]:
    """Change the stated fields of a thread of this version. None if the caller sees it no more for that.

    Hosts who see it by its visibility alone lose it when that changes (R10). Raises NotFound, Forbidden, Conflict
    (archived or frozen), PreconditionFailed (another version), Invalid (a surprise for the hosts, a card number).
    """
    fields = stated.model_dump(mode="json", exclude_unset=True)
    values = {"thread_id": thread_id, "version": version, "stated": Jsonb(fields)}
    return _committed(
        who, thread_id, *card_numbers.refusals(thread_id, **fields), (thread_acts_sql.EDIT, values)
    )


def set_status(
    who: Caller, thread_id: UUID, status: Status, reason: str | None
) -> Committed[resources.Thread | None]:
    """Give a thread this status; nothing happens if it has it. None for the support, which does not see it.

    Raises NotFound, Forbidden (freezing takes a planner or the support), Conflict (closing what is archived, and
    anything but reopening what is frozen), Invalid (a card number).
    """
    values = {"thread_id": thread_id, "status": status, "reason": reason}
    return _committed(
        who, thread_id, *card_numbers.refusals(thread_id, reason=reason), (thread_acts_sql.SET_STATUS, values)
    )


def mute(who: Caller, thread_id: UUID, until: datetime | None) -> ChangedThread:
    """No ordinary notifications until then; None: notifications again.

    Raises NotFound, Forbidden for an implicit host, Conflict for an emergency, Invalid for a time that has passed.
    """
    return _arranged(who, thread_id, "mute", until)


def snooze(who: Caller, thread_id: UUID, until: datetime | None) -> ChangedThread:
    """Put the thread away until then; None: take it out again. Raises as `mute`."""
    return _arranged(who, thread_id, "snooze", until)


def pin(who: Caller, thread_id: UUID, *, pinned: bool) -> ChangedThread:
    """Pin the thread to the top of the caller's list, or not any more. Raises NotFound, Forbidden as `mute`."""
    return _arranged(who, thread_id, "pin", now() if pinned else None)


def _committed(who: Caller, thread_id: UUID, *act: Statement) -> Committed[resources.Thread | None]:
    one: Statement = (threads_sql.ONE, {"thread_id": thread_id})
    *_, written, revoked, lost, read = transaction(who, *act, _REVOKED, journal.HERE, one)
    shown = resources.thread(read[0]) if read else None
    return Committed(shown, changes(written, revoked), journal.entries(lost))


def _arranged(
    who: Caller, thread_id: UUID, way: Literal["mute", "snooze", "pin"], until: datetime | None
) -> ChangedThread:
    values = {"thread_id": thread_id, "way": way, "until": until}
    _, rows = transaction(who, (thread_acts_sql.ARRANGE, values), (thread_acts_sql.MINE_OF, values))
    return changed_thread(rows[0])
