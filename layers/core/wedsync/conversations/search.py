"""Finding messages and threads again, within what the caller sees."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from psycopg.types.json import Jsonb
from pydantic import AwareDatetime, Field
from typing_extensions import TypedDict

from wedsync.conversations import search_sql, search_terms
from wedsync.conversations.highlights import highlight
from wedsync.conversations.models import PAGE, Id, Stated, ThreadType
from wedsync.platform import cursors
from wedsync.platform.clock import rfc3339
from wedsync.platform.context import Caller
from wedsync.platform.db import transaction

Kind = Literal["message", "thread"]


class SearchQuery(Stated):
    """What to look for, and where. `sender_id` is who wrote the message or created the thread."""

    q: str = Field(min_length=1, max_length=search_terms.QUERY_CHARACTERS)
    kind: Kind | None = None
    wedding_id: Id | None = None
    thread_id: Id | None = None
    thread_type: ThreadType | None = None
    sender_id: Id | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    limit: int = Field(default=20, ge=1, le=PAGE)
    cursor: str | None = Field(default=None, min_length=1, max_length=500)


class Hit(TypedDict):
    """A message, or a thread whose subject was found (then `message_id` and `seq` are null).

    `highlight` is safe HTML: a piece of the text, escaped, with <mark> around what was found.
    """

    kind: Kind
    thread_id: str
    wedding_id: str
    thread_type: ThreadType
    subject: str
    message_id: str | None
    seq: int | None
    sender_id: str
    created_at: str
    highlight: str


class SearchPage(TypedDict):
    data: list[Hit]
    next_cursor: str | None


def page(who: Caller, query: SearchQuery) -> SearchPage:
    """What answers the query, the newest first. Raises Invalid for a query that cannot be read, or a foreign cursor."""
    before, before_thread, before_seq = (
        cursors.decode("search", query.cursor) if query.cursor else (None, None, None)
    )
    values: dict[str, Any] = {
        **query.model_dump(exclude={"q", "kind", "cursor"}),
        "terms": Jsonb(search_terms.parse(query.q)),
        "kinds": [query.kind] if query.kind else ["message", "thread"],
        "before": before,
        "before_thread": before_thread,
        "before_seq": before_seq,
    }
    (rows,) = transaction(who, (search_sql.SEARCH, values))
    shown, following = cursors.cut("search", rows, query.limit, _position)
    return {"data": [_hit(row) for row in shown], "next_cursor": following}


def _position(row: Mapping[str, Any]) -> list[Any]:
    at: datetime = row["at"]
    return [at.isoformat(), str(row["thread_id"]), row["seq"]]


def _hit(row: Mapping[str, Any]) -> Hit:
    message_id = row["message_id"]
    return {
        "kind": row["kind"],
        "thread_id": str(row["thread_id"]),
        "wedding_id": str(row["wedding_id"]),
        "thread_type": row["thread_type"],
        "subject": row["subject"],
        "message_id": None if message_id is None else str(message_id),
        "seq": None if message_id is None else row["seq"],
        "sender_id": str(row["sender_id"]),
        "created_at": rfc3339(row["at"]),
        "highlight": highlight(row["said"], frozenset(row["marks"])),
    }
