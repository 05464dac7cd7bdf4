"""Creating, listing and reading threads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from typing_extensions import TypedDict

from wedsync.conversations import messages, resources, search_terms, threads_sql
from wedsync.conversations.events import Committed, changes
from wedsync.conversations.models import NewThread, ThreadQuery
from wedsync.platform import cursors
from wedsync.platform.context import Caller
from wedsync.platform.db import transaction
from wedsync.platform.errors import FieldError, Invalid, NotFound
from wedsync.platform.ids import uuid7
from wedsync.trust import card_numbers

_SORTED_BY = {"-last_activity": "last_activity_at", "wedding_date": "wedding_date"}


class ThreadPage(TypedDict):
    data: list[resources.Thread]
    next_cursor: str | None


def create(who: Caller, new: NewThread) -> Committed[resources.Thread]:
    """Create a thread with its people and perhaps its first message, in one transaction; the caller owns it.

    Of a natural key that names a thread he sees, that thread is the answer and nothing is done: there are no
    changes. Raises Invalid for a wedding that is not his or a person he may not add (R11), Forbidden for a type
    that he does not create, Invalid for a card number.
    """
    thread_id = uuid7()
    first = [new.message] if new.message else []
    writing = messages.statements(thread_id, first, all_or_nothing=True)
    creation = _creation(thread_id, new)
    named = new.model_dump(include={"natural_key", "subject", "wedding_context", "metadata"})
    said = {f"message.{field}": value for message in first for field, value in message.written().items()}
    refusing = card_numbers.refusals(thread_id, **named, **said)
    created, *answers, read = transaction(
        who, (threads_sql.CREATE, creation), *refusing, *writing, (threads_sql.MADE, creation)
    )
    if not read:
        raise NotFound  # he was removed from the thread of this key a moment ago
    made = resources.thread(read[0])
    if created[0]["seq"] is None:
        return Committed(made, ())
    sent = messages.committed(thread_id, first, answers[len(answers) - len(first) :])
    return Committed(made, changes(created, []) + sent.changes)


def get(who: Caller, thread_id: UUID) -> resources.Thread:
    """One thread. Raises NotFound if it is missing or hidden."""
    (rows,) = transaction(who, (threads_sql.ONE, {"thread_id": thread_id}))
    if not rows:
        raise NotFound
    return resources.thread(rows[0])


def page(who: Caller, query: ThreadQuery) -> ThreadPage:
    """The caller's threads. Archived ones only if they are asked for.

    Raises Invalid for a foreign cursor, or a `q` that cannot be read.
    """
    filters = query.model_dump(mode="json", exclude={"limit", "cursor"})
    made_for = _fingerprint(filters)
    after, after_id = _after(made_for, query.cursor)
    terms = search_terms.parse(query.q) if query.q else None
    asked = {**filters, "terms": terms, "after": after, "after_id": after_id}
    (rows,) = transaction(who, (threads_sql.PAGE, {"asked": Jsonb(asked), "limit": query.limit}))
    shown = rows[: query.limit]
    following = None
    if len(rows) > query.limit:
        last = shown[-1]
        following = cursors.encode(
            "threads", [made_for, last[_SORTED_BY[query.sort]].isoformat(), str(last["id"])]
        )
    return {"data": [resources.thread(row) for row in shown], "next_cursor": following}


def _fingerprint(filters: Mapping[str, Any]) -> str:
    """Tells lists with other filters or another order apart: a cursor of one means nothing in the other."""
    return sha256(json.dumps(filters, sort_keys=True).encode()).hexdigest()[:16]


def _after(asked: str, cursor: str | None) -> tuple[str | None, str | None]:
    if cursor is None:
        return None, None
    made_for, after, after_id = cursors.decode("threads", cursor)
    if made_for != asked:
        raise Invalid(errors=(FieldError("cursor", "a cursor of other filters, or of another order"),))
    return after, after_id


def _creation(thread_id: UUID, new: NewThread) -> dict[str, Any]:
    return {
        "id": thread_id,
        **new.model_dump(exclude={"participants", "wedding_context", "metadata", "message"}),
        "wedding_context": Jsonb(new.wedding_context),
        "metadata": Jsonb(new.metadata),
        "people": [person.user_id for person in new.participants],
        "roles": [person.role for person in new.participants],
    }
