"""Who is in a thread: reading, adding, removing; and what leaving a wedding or organization entails (R9)."""

from __future__ import annotations

from uuid import UUID

from typing_extensions import TypedDict

from wedsync.conversations import resources, thread_acts_sql, threads_sql
from wedsync.conversations.events import Committed, changes
from wedsync.conversations.models import AddedParticipant, FromSeq
from wedsync.conversations.thread_models import ParticipantEdit
from wedsync.identity import directory_sql
from wedsync.identity.directory import Stored, stored
from wedsync.identity.directory_models import WeddingMember
from wedsync.platform.context import Caller
from wedsync.platform.db import Statement, transaction
from wedsync.platform.errors import NotFound
from wedsync.trust import journal

_REVOKED: Statement = (threads_sql.REVOKED, {})


class ParticipantList(TypedDict):
    """All participants: a thread has few enough for one page."""

    data: list[resources.Participant]
    next_cursor: None


def everyone(who: Caller, thread_id: UUID) -> ParticipantList:
    """The people of a thread. Raises NotFound if it is missing or hidden."""
    visible, rows = transaction(
        who,
        (threads_sql.VISIBLE, {"thread_id": thread_id}),
        (threads_sql.PARTICIPANTS, {"thread_id": thread_id}),
    )
    if not visible:
        raise NotFound
    return {"data": [resources.participant(row) for row in rows], "next_cursor": None}


def one(who: Caller, thread_id: UUID, user_id: UUID) -> resources.Participant:
    """One person of a thread. Raises NotFound if the thread is hidden, or he is not in it."""
    for person in everyone(who, thread_id)["data"]:
        if person["user_id"] == str(user_id):
            return person
    raise NotFound


def add(who: Caller, thread_id: UUID, new: AddedParticipant) -> Committed[resources.Participant]:
    """Add a person with as much history as asked for (R6, R11).

    Raises NotFound (thread), Forbidden (rights, history beyond one's own), Invalid (a person who may not be
    added, known or not), Conflict (already there).
    """
    from_seq = new.history.from_seq if isinstance(new.history, FromSeq) else None
    history = "from_seq" if from_seq is not None else new.history
    values = {
        "thread_id": thread_id,
        "user_id": new.user_id,
        "role": new.role,
        "history": history,
        "from_seq": from_seq,
    }
    added, people = transaction(
        who, (threads_sql.ADD, values), (threads_sql.PARTICIPANTS, {"thread_id": thread_id})
    )
    row = next(person for person in people if person["user_id"] == new.user_id)
    return Committed(resources.participant(row), changes(added, []))


def change(
    who: Caller, thread_id: UUID, user_id: UUID, version: int, stated: ParticipantEdit
) -> Committed[resources.Participant]:
    """Give a participant of this version another role or other permissions, or hand the thread over to him.

    Raises NotFound, Forbidden (rights beyond one's own), Conflict (the last owner, an archived or frozen thread),
    PreconditionFailed (another version), Invalid (permissions for an owner).
    """
    values = {
        "thread_id": thread_id,
        "user_id": user_id,
        "version": version,
        "role": stated.role,
        "permissions": None if stated.permissions is None else sorted(stated.permissions),
    }
    changed, people = transaction(
        who,
        (thread_acts_sql.HAND_OVER if stated.hand_over else thread_acts_sql.CHANGE_PARTICIPANT, values),
        (threads_sql.PARTICIPANTS, {"thread_id": thread_id}),
    )
    row = next(person for person in people if person["user_id"] == user_id)
    return Committed(resources.participant(row), changes(changed, []))


def remove(who: Caller, thread_id: UUID, user_id: UUID) -> Committed[None]:
    """Remove a participant, or leave. Raises NotFound, Forbidden, Conflict (the last owner)."""
    values = {"thread_id": thread_id, "user_id": user_id}
    return _committed(who, (threads_sql.REMOVE, values))


def join_wedding(who: Caller, wedding_id: UUID, user_id: UUID, stated: WeddingMember) -> Committed[Stored]:
    """State a member of a wedding; another role may end what he read along as a host (R10).

    Raises Forbidden unless a service asks, Invalid for a wedding, user or organization that is unknown, an
    organization that the person is no member of, and a vendor that is not verified.
    """
    named = {"wedding_id": wedding_id, "user_id": user_id}
    put = (directory_sql.PUT_WEDDING_MEMBER, {**named, **stated.model_dump()})
    rows, revoked, lost = transaction(who, put, _REVOKED, journal.HERE)
    return Committed(stored(named, stated, rows), changes([], revoked), journal.entries(lost))


def leave_wedding(who: Caller, wedding_id: UUID, user_id: UUID) -> Committed[None]:
    """Delete a member of a wedding, and with it his part in all its threads. Raises NotFound, Forbidden."""
    values = {"wedding_id": wedding_id, "user_id": user_id}
    return _left(who, (threads_sql.LEAVE_WEDDING, values), user_id)


def leave_organization(who: Caller, organization_id: UUID, user_id: UUID) -> Committed[None]:
    """Delete a member of an organization; he leaves the weddings where he worked for it. Raises NotFound, Forbidden."""
    values = {"organization_id": organization_id, "user_id": user_id}
    return _left(who, (threads_sql.LEAVE_ORGANIZATION, values), user_id)


def _left(who: Caller, removal: Statement, user_id: UUID) -> Committed[None]:
    question = (threads_sql.HAS_NOTHING_LEFT, {"user_id": user_id})
    written, revoked, lost, (found,) = transaction(who, removal, _REVOKED, journal.HERE, question)
    dismissed = frozenset({user_id} if found["nothing"] else ())
    return Committed(None, changes(written, revoked), journal.entries(lost), dismissed)


def _committed(who: Caller, removal: Statement) -> Committed[None]:
    written, revoked, lost = transaction(who, removal, _REVOKED, journal.HERE)
    return Committed(None, changes(written, revoked), journal.entries(lost))
