"""What a person has begun to write in a thread: his own, without a seq, and nobody is told (R2)."""

from __future__ import annotations

from typing import Any, Final, LiteralString
from uuid import UUID

from typing_extensions import TypedDict

from wedsync.conversations import threads_sql
from wedsync.conversations.message_models import Draft
from wedsync.platform.clock import rfc3339
from wedsync.platform.context import Caller
from wedsync.platform.db import transaction
from wedsync.platform.errors import NotFound
from wedsync.trust import card_numbers

_GET: Final[LiteralString] = (
    "select message, parent_message_id, updated_at from drafts where thread_id = %(thread_id)s"
)
_PUT: Final[LiteralString] = "select * from app.put_draft(%(thread_id)s, %(message)s, %(parent_message_id)s)"
_DELETE: Final[LiteralString] = "select app.delete_draft(%(thread_id)s)"


class StoredDraft(TypedDict):
    thread_id: str
    message: str
    parent_message_id: str | None
    updated_at: str


def get(who: Caller, thread_id: UUID) -> StoredDraft:
    """The caller's draft. Raises NotFound if there is none, or no such thread."""
    (rows,) = transaction(who, (_GET, {"thread_id": thread_id}))
    return _draft(thread_id, rows)


def put(who: Caller, thread_id: UUID, stated: Draft) -> StoredDraft:
    """Keep a draft in place of the last; of two devices the later one wins.

    Raises NotFound, Forbidden for who may not post, Invalid (a card number).
    """
    values = {"thread_id": thread_id, **stated.model_dump()}
    *_, rows = transaction(who, *card_numbers.refusals(thread_id, message=stated.message), (_PUT, values))
    return _draft(thread_id, rows)


def delete(who: Caller, thread_id: UUID) -> None:
    """Keep none any more. Raises NotFound if there is no such thread."""
    asked = {"thread_id": thread_id}
    visible, _ = transaction(who, (threads_sql.VISIBLE, asked), (_DELETE, asked))
    if not visible:
        raise NotFound


def _draft(thread_id: UUID, rows: list[dict[str, Any]]) -> StoredDraft:
    if not rows:
        raise NotFound
    parent = rows[0]["parent_message_id"]
    return {
        "thread_id": str(thread_id),
        "message": rows[0]["message"],
        "parent_message_id": None if parent is None else str(parent),
        "updated_at": rfc3339(rows[0]["updated_at"]),
    }
