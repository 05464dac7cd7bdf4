"""What the clockwork does in conversations: send what was scheduled, log the reactions that came too soon.

Two at once do no harm: a scheduled message is claimed, and its id is its client_msg_id, so that it is sent once also
when whoever claimed it died (R18).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, LiteralString, NamedTuple
from uuid import UUID

from pydantic import ValidationError

from wedsync.conversations import message_pages_sql, messages, resources
from wedsync.conversations.events import Change, Committed
from wedsync.conversations.message_acts import change
from wedsync.conversations.models import NewMessage
from wedsync.platform import db
from wedsync.platform.context import WORKER, Acting
from wedsync.platform.errors import Invalid, NotFound, Problem
from wedsync.platform.observability import logger

AT_ONCE = 200  # more waits for the next minute

_CLAIM: Final[LiteralString] = "select * from app.claim_scheduled_messages(%(up_to)s)"
_SETTLE: Final[LiteralString] = "select app.settle_scheduled_message(%(id)s, %(reason)s)"
LOG_REACTIONS: Final[LiteralString] = "select * from app.log_due_reactions(%(up_to)s)"


class Asked(NamedTuple):
    """Who has to decide on a message that was not sent, and in which thread."""

    author_id: UUID
    thread_id: UUID


def messages_due() -> Iterator[Committed[Asked | None]]:
    """Send what is due, the earliest first; each to be delivered once it is committed.

    What is refused, too late, or for a wedding that will not be, is left for its author to decide.
    """
    (rows,) = db.transaction(WORKER, (_CLAIM, {"up_to": AT_ONCE}))
    for row in rows:
        logger().info(
            "scheduled message due", extra={"scheduled_id": str(row["id"]), "status": row["status"]}
        )
        if row["status"] == "sending":
            yield from _sent(row)
        else:
            yield _asked(row)


def reactions_due() -> Iterator[Committed[None]]:
    """Log the reactions that came within 2 s of the last event of their message (R1)."""
    (rows,) = db.transaction(WORKER, (LOG_REACTIONS, {"up_to": AT_ONCE}))
    for row in rows:
        told = _told(row)
        if told is not None:
            yield Committed(None, (told,))


def _asked(row: Mapping[str, Any]) -> Committed[Asked | None]:
    return Committed(Asked(row["author_id"], row["thread_id"]), ())


def _sent(row: Mapping[str, Any]) -> Iterator[Committed[Asked | None]]:
    """What its send committed; nothing if it failed: then it is claimed again in a while, until it is too late."""
    try:
        changes, problem = _send(row)
    except Exception:  # noqa: BLE001 (one that cannot be sent must not hold up the others)
        logger().exception("scheduled message not sent", extra={"scheduled_id": str(row["id"])})
        return
    if changes:
        yield Committed(None, changes)
    _settle(row["id"], problem)
    if problem:
        yield _asked(row)


def _send(row: Mapping[str, Any]) -> tuple[tuple[Change, ...], Problem | None]:
    author = Acting(row["author_id"], "user")
    try:
        content = NewMessage.model_validate({**row["stated"], "client_msg_id": row["id"]})
        sent = messages.send(author, row["thread_id"], [content])
    except ValidationError:
        return (), Invalid()
    except NotFound as hidden:
        return (), hidden
    return sent.changes, sent.answer.results[0].problem


def _settle(scheduled_id: UUID, problem: Problem | None) -> None:
    reason = None if problem is None else problem.code
    db.transaction(WORKER, (_SETTLE, {"id": scheduled_id, "reason": reason}))
    if reason is not None:
        logger().info("scheduled message refused", extra={"scheduled_id": str(scheduled_id), "code": reason})


def _told(row: Mapping[str, Any]) -> Change | None:
    """The event with its message, which the clockwork sees only with the eyes of whoever reacted last."""
    reader = Acting(row["actor_id"], "user")
    (rows,) = db.transaction(reader, (message_pages_sql.BARE, {"message_id": row["message_id"]}))
    return change(row, resources.message(rows[0])) if rows else None
