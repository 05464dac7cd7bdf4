"""What is done with a message that is there: read, edit, delete, react, pin, acknowledge.

Each act is a function of the schema, which locks the thread, checks, writes the change and its event. What changes
nothing leaves no event, so every act may be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, LiteralString
from uuid import UUID

from typing_extensions import TypedDict

from wedsync.conversations import message_pages_sql, resources, threads_sql
from wedsync.conversations.events import Change, Committed, event
from wedsync.conversations.message_models import EditedMessage, emoji
from wedsync.platform.clock import rfc3339
from wedsync.platform.context import Caller
from wedsync.platform.db import Rows, Statement, transaction
from wedsync.platform.errors import NotFound
from wedsync.trust.sanitising import to_html

_EDIT: Final[LiteralString] = (
    "select * from app.edit_message(%(message_id)s, %(message)s, %(message_html)s, %(mentions)s::uuid[])"
)
_DELETE: Final[LiteralString] = "select * from app.delete_message(%(message_id)s)"
_REACT: Final[LiteralString] = "select * from app.react(%(message_id)s, %(emoji)s, %(present)s)"
_PIN: Final[LiteralString] = "select * from app.pin_message(%(message_id)s, %(pinned)s)"
_ACK: Final[LiteralString] = "select * from app.ack_message(%(message_id)s)"


class Edit(TypedDict):
    """What a message said until somebody edited it."""

    number: int
    message: str
    mentions: list[str]
    edited_by: str
    edited_at: str


class History(TypedDict):
    """All edits, the first one first: there are at most 50."""

    data: list[Edit]
    next_cursor: None


class Pins(TypedDict):
    """All pinned messages, the last pinned first: there are at most 50."""

    data: list[resources.Message]
    next_cursor: None


def get(who: Caller, message_id: UUID) -> resources.Message:
    """One message. Raises NotFound if it is missing or hidden."""
    (rows,) = transaction(who, _one(message_id))
    return _read(rows)


def history(who: Caller, message_id: UUID) -> History:
    """What the message said before. Raises NotFound."""
    found, edits = transaction(who, _one(message_id), (message_pages_sql.HISTORY, {"message_id": message_id}))
    _read(found)
    return {"data": [_edit(row) for row in edits], "next_cursor": None}


def pins(who: Caller, thread_id: UUID) -> Pins:
    """The pinned messages of a thread that the caller sees. Raises NotFound."""
    asked = {"thread_id": thread_id}
    visible, rows = transaction(who, (threads_sql.VISIBLE, asked), (message_pages_sql.PINNED, asked))
    if not visible:
        raise NotFound
    return {"data": [resources.read_message(row) for row in rows], "next_cursor": None}


def edit(who: Caller, message_id: UUID, stated: EditedMessage) -> Committed[resources.Message]:
    """Change the text, by its author within 15 minutes; of two edits at once the later one stands.

    Raises NotFound, Forbidden (not the author), Conflict (too late, deleted, a thread where nothing is edited),
    Invalid for a mention of somebody who is not in the thread.
    """
    values = {
        "message": stated.message,
        "message_html": to_html(stated.message),
        "mentions": None if stated.mentions is None else list(stated.mentions),
    }
    return _acted(who, message_id, _EDIT, values)


def delete(who: Caller, message_id: UUID) -> Committed[None]:
    """Leave a tombstone; where the log is append-only, take it back visibly (R27).

    Raises NotFound, Forbidden (neither the author nor one who manages the thread), Conflict (the thread's rules
    or status).
    """
    return Committed(None, _acted(who, message_id, _DELETE, {}).changes)


def react(who: Caller, message_id: UUID, stated: str, *, present: bool) -> Committed[resources.Message]:
    """Add one's reaction, or take it back. The log tells of a message's reactions at most every 2 s (R1).

    Raises NotFound, Forbidden, Conflict (deleted, 20 different reactions), Invalid for what is no emoji.
    """
    return _acted(who, message_id, _REACT, {"emoji": emoji(stated), "present": present})


def pin(who: Caller, message_id: UUID, *, pinned: bool) -> Committed[resources.Message]:
    """Pin a message for everybody, or not any more. Raises NotFound, Forbidden, Conflict (deleted, 50 pinned)."""
    return _acted(who, message_id, _PIN, {"pinned": pinned})


def acknowledge(who: Caller, message_id: UUID) -> Committed[resources.Message]:
    """The caller acknowledges a message that asks him to.

    Raises NotFound, Forbidden (it does not ask him), Conflict (it asks nobody).
    """
    return _acted(who, message_id, _ACK, {})


def _one(message_id: UUID) -> Statement:
    return message_pages_sql.ONE, {"message_id": message_id}


def _read(rows: Rows) -> resources.Message:
    if not rows:
        raise NotFound
    return resources.read_message(rows[0])


def _acted(
    who: Caller, message_id: UUID, act: LiteralString, values: Mapping[str, Any]
) -> Committed[resources.Message]:
    """The act, and the message as it is then, in one round trip."""
    written, rows = transaction(who, (act, {"message_id": message_id, **values}), _one(message_id))
    return Committed(_read(rows), tuple(change(row, resources.message(rows[0])) for row in written))


def change(row: Mapping[str, Any], message: resources.Message) -> Change:
    """From a row of `app.change` about a message, and the message as it is now (R3)."""
    return Change(
        row["thread_id"],
        row["epoch"],
        row["seq"],
        (event(row, message),),
        frozenset(row["audience"]),
        frozenset(),
    )


def _edit(row: Mapping[str, Any]) -> Edit:
    return {
        "number": row["number"],
        "message": row["message"],
        "mentions": [str(person) for person in row["mentions"]],
        "edited_by": str(row["edited_by"]),
        "edited_at": rfc3339(row["edited_at"]),
    }
