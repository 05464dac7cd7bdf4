"""Sending and reading messages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb
from typing_extensions import TypedDict

from wedsync.conversations import message_pages_sql as sql
from wedsync.conversations import messages_sql, resources
from wedsync.conversations.events import Change, Committed, event
from wedsync.conversations.models import MessageQuery, NewMessage
from wedsync.platform import cursors
from wedsync.platform.context import Caller
from wedsync.platform.db import Rows, Statement, transaction
from wedsync.platform.errors import Conflict, FieldError, Forbidden, Invalid, NotFound, Problem
from wedsync.platform.ids import uuid7
from wedsync.trust import card_numbers
from wedsync.trust.sanitising import to_html


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one message: it is in the log (`ok`, `duplicate`), or `problem` says why not."""

    client_msg_id: UUID
    status: Literal["ok", "duplicate", "error"]
    message: resources.Message | None
    problem: Problem | None

    def resource(self) -> resources.Message:
        """The message as its sender reads it. Raises the problem if there is none."""
        if self.message is None:
            raise self.problem or NotFound
        own: resources.Message = {**self.message, "is_read": True, "my_ack": None}
        return {**own, "duplicate": True} if self.status == "duplicate" else own


@dataclass(frozen=True, slots=True)
class Sent:
    """The results of a send in the order of its messages."""

    thread_id: UUID
    epoch: str
    results: tuple[Result, ...]


class MessagePage(TypedDict):
    """Messages by ascending seq; `head_seq` and `epoch` of the thread at that moment."""

    data: list[resources.Message]
    next_cursor: str | None
    head_seq: int
    epoch: str


def send(who: Caller, thread_id: UUID, messages: Sequence[NewMessage]) -> Committed[Sent]:
    """Send messages in their order, in one transaction and one round trip (R9, R13, R17).

    Each has a result of its own: a refused one leaves the others alone. Raises NotFound for a thread
    that the sender does not see, Unavailable when repeating with the same client_msg_ids is all one can do.
    """
    _, *answers = transaction(who, *statements(thread_id, messages))
    return committed(thread_id, messages, answers)


def statements(
    thread_id: UUID, messages: Sequence[NewMessage], *, all_or_nothing: bool = False
) -> list[Statement]:
    """The lock and one statement per message; `all_or_nothing` fails the transaction with the first refusal."""
    lock: Statement = (messages_sql.LOCK, {"thread_id": thread_id})
    mode = {"all_or_nothing": all_or_nothing}
    return [lock, *((messages_sql.SEND, _values(thread_id, message) | mode) for message in messages)]


def committed(thread_id: UUID, messages: Sequence[NewMessage], answers: Sequence[Rows]) -> Committed[Sent]:
    """What `statements` without the lock answered, as results and the change to push."""
    rows = [row for answer in answers for row in answer]
    if len(rows) != len(messages):
        raise NotFound
    results = tuple(_result(message, row) for message, row in zip(messages, rows, strict=True))
    new = [row for row in rows if row["verdict"] == "ok"]
    sent = Sent(thread_id, rows[0]["epoch"] if rows else "", results)
    return Committed(sent, (_change(sent, new),) if new else ())


def _values(thread_id: UUID, message: NewMessage) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "thread_id": thread_id,
        "message": message.message,
        "message_html": to_html(message.message),
        "message_type": message.message_type,
        "priority_level": message.priority_level,
        "parent_message_id": message.parent_message_id,
        "mentions": list(message.mentions),
        "requires_ack": message.requires_ack,
        "payload": Jsonb(message.payload.model_dump(mode="json", exclude_none=True))
        if message.payload
        else None,
        "wedding_context": Jsonb(message.wedding_context),
        "metadata": Jsonb(message.metadata),
        "client_msg_id": message.client_msg_id,
        "fingerprint": _fingerprint(message),
        "epoch": message.epoch,
        "holds_card_number": card_numbers.holder(message.written()) is not None,
    }


def _fingerprint(message: NewMessage) -> bytes:
    """Tells the same message from another one under the same client_msg_id, also after new fields have come (R13)."""
    asked = message.model_dump(mode="json", exclude={"client_msg_id", "epoch"}, exclude_defaults=True)
    return sha256(json.dumps(asked, sort_keys=True).encode()).digest()


def _result(message: NewMessage, row: Mapping[str, Any]) -> Result:
    verdict = row["verdict"]
    if verdict in ("ok", "duplicate"):
        return Result(message.client_msg_id, verdict, resources.message(row), None)
    return Result(message.client_msg_id, "error", None, _problem(message, verdict))


def _problem(message: NewMessage, verdict: str) -> Problem:
    match verdict:
        case "reused":
            return Conflict("this client_msg_id belongs to another message")
        case "not_active":
            return Conflict("the thread takes no messages")
        case "not_a_host":
            return Forbidden("only the couple and planners send emergencies")
        case "unknown_parent":
            return _invalid("parent_message_id", "no such message in this thread")
        case "unknown_mention":
            return _invalid("mentions", "not a participant of this thread")
        case "card_number":
            field = card_numbers.holder(message.written()) or "message"
            return _invalid(field, "card numbers are not taken in this thread")
        case _:
            return Forbidden("you may read this thread, not post in it")


def _invalid(field: str, why: str) -> Invalid:
    return Invalid(why, errors=(FieldError(field, why),))


def _change(sent: Sent, rows: Sequence[Mapping[str, Any]]) -> Change:
    """`at`, actor and kind of a message.created follow from its message."""
    told = tuple(event(_created(row), resources.message(row)) for row in rows)
    audience = frozenset(rows[-1]["audience"])
    emergencies = frozenset(row["seq"] for row in rows if row["priority_level"] == "emergency")
    return Change(sent.thread_id, sent.epoch, rows[-1]["seq"], told, audience, frozenset(), emergencies)


def _created(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "seq": row["seq"],
        "kind": "message.created",
        "at": row["created_at"],
        "actor_id": row["sender_id"],
        "user_id": None,
    }


def page(who: Caller, thread_id: UUID, query: MessageQuery) -> MessagePage:
    """A page of messages inside the caller's windows. Raises NotFound, Invalid for a foreign cursor.

    `next_cursor` goes on towards newer messages, but towards older ones from the newest page and `before_seq`.
    `around_seq` has as many before it as from it on; `first_unread` is the newest page if nothing is unread.
    """
    text, seq = _anchor(thread_id, query)
    before = query.limit // 2 if text is sql.AROUND else 0
    limit = query.limit - before
    values = {"thread_id": thread_id, "seq": seq, "before": before, "limit": limit}
    (rows,) = transaction(who, (text, values))
    if not rows:
        raise NotFound
    found = [row for row in rows if row["id"] is not None]
    leading = [row for row in found if before and row["seq"] < seq]
    walked = found[len(leading) :]
    older = text is sql.OLDER
    shown, following = cursors.cut(
        "messages",
        walked[::-1] if older else walked,
        limit,
        lambda row: [str(thread_id), not older, row["seq"]],
    )
    ascending = [*leading, *(shown[::-1] if older else shown)]
    return {
        "data": [resources.read_message(row) for row in ascending],
        "next_cursor": following,
        "head_seq": rows[0]["head_seq"],
        "epoch": rows[0]["epoch"],
    }


def _anchor(thread_id: UUID, query: MessageQuery) -> tuple[LiteralString, int | None]:
    """How to walk, and from which seq."""
    if query.cursor is not None:
        made_for, newer, seq = cursors.decode("messages", query.cursor)
        if made_for != str(thread_id):
            raise _invalid("cursor", "a cursor of another thread")
        return sql.NEWER if newer else sql.OLDER, seq
    if query.after_seq is not None:
        return sql.NEWER, query.after_seq
    if query.around_seq is not None:
        return sql.AROUND, query.around_seq
    if query.from_ is not None:
        return sql.FIRST_UNREAD, None
    return sql.OLDER, query.before_seq
