"""Who is here: hints about people, read from the table of connections and stored nowhere else (T7, decision 26)."""

from __future__ import annotations

import time
from collections.abc import Collection
from uuid import UUID

from wedsync.conversations import company, cursors
from wedsync.platform import aws
from wedsync.platform.context import Caller
from wedsync.platform.observability import logger
from wedsync.realtime import attention, connections, hints, receipts
from wedsync.realtime.connections import Connection
from wedsync.realtime.hint_frames import PresenceFrame, TypingFrame
from wedsync.realtime.sessions import Session

TTL_SECONDS = 30
RENEWED_SECONDS = 20
BETWEEN_SECONDS = 1
TYPING_TTL_SECONDS = 6
LATE_SECONDS = 1.0  # what waited that long came to a busy house: hints are what it does without first


def focused(thread_id: UUID, people: Collection[UUID]) -> set[UUID]:
    """Those who have this thread on screen and visible, and said so within 5 s: a push may be withheld from them (R16).

    Nobody, if the table of connections cannot tell.
    """
    try:
        found = connections.find(people)
    except aws.AwsError as error:
        logger().warning("focus unknown", extra={"code": error.code})
        return set()
    return {each.user_id for each in found if attention.looks_at(each, thread_id, attention.FOCUS_SECONDS)}


def focus(session: Session, thread_id: UUID | None) -> None:
    """Keep what is on screen and visible there, and tell those who look at the same thread what is new of it."""
    with hints.expendable():
        before = attention.focus(session.connection, thread_id, session.asked_at)
        if before is None:
            return
        if before.owes:
            receipts.deliver(cursors.receipt(session.principal, before.owes), session.connection)
        news, here = _news(before, thread_id, session.asked_at)
        if news:
            attention.told(session.connection, here, session.asked_at)
            _announce(session.principal, news)


def types(session: Session, thread_id: UUID) -> None:
    """Tell the others who look at the thread, if the person may post there; once in 3 s, and not when it is late."""
    if time.time() - session.asked_at > LATE_SECONDS:
        return
    with hints.expendable():
        if not attention.types(session.connection, session.asked_at):
            return
        me = session.principal.user_id
        found = connections.find(company.of_writer(session.principal, thread_id) - {me})
        frame: TypingFrame = {
            "type": "typing",
            "thread_id": str(thread_id),
            "user_id": str(me),
            "ttl": TYPING_TTL_SECONDS,
        }
        hints.tell(frame, [each for each in found if attention.concerns(each, thread_id)])


def _news(before: Connection, thread_id: UUID | None, at: float) -> tuple[list[UUID], UUID | None]:
    """The threads where others have to hear something, and where they then take him to be.

    Who has just been told of is told of as gone; that he came elsewhere waits for the next focus.
    """
    silent, untold = at - (before.focused_at or 0), at - (before.told_at or 0)
    if before.told == thread_id:
        due = silent >= attention.HERE_SECONDS or untold >= RENEWED_SECONDS
        return ([thread_id] if thread_id and due else []), thread_id
    here = thread_id if untold >= BETWEEN_SECONDS else None
    return [each for each in (before.told, here) if each], here


def _announce(who: Caller, threads: Collection[UUID]) -> None:
    """To all who look at a thread: who they are. A second device of a person is no second person."""
    people = company.of(who, threads)
    found = connections.find({user_id for each in people.values() for user_id in each})
    for thread_id, company_here in people.items():
        here = [
            each for each in found if each.user_id in company_here and attention.looks_at(each, thread_id)
        ]
        frame: PresenceFrame = {
            "type": "presence",
            "thread_id": str(thread_id),
            "user_ids": sorted({str(each.user_id) for each in here}),
            "ttl": TTL_SECONDS,
        }
        hints.tell(frame, here)
