"""Events as clients see them, and what a write has to tell to whom after its commit."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NotRequired, TypeVar
from uuid import UUID

from typing_extensions import TypedDict

from wedsync.conversations.models import Permission, Role, Status, ThreadPriority, Visibility
from wedsync.conversations.resources import Message
from wedsync.platform.clock import rfc3339
from wedsync.platform.db import Rows
from wedsync.trust.journal import Entry

EVENT_BYTES = 24 * 1024  # above it an event carries the id instead of the text (R3)
_SURELY_SMALL = 2_048  # characters: 8 KB at most, beside at most 12 KB of facts, mentions and ids

A = TypeVar("A")


class EventParticipant(TypedDict):
    user_id: str
    role: NotRequired[Role]
    permissions: NotRequired[list[Permission]]


class EventThread(TypedDict):
    """The thread of a `thread.*` event as it is when read; what else changed is in `fields`, to be fetched."""

    subject: str
    status: Status
    status_reason: str | None
    priority_level: ThreadPriority
    visibility: Visibility
    version: int


class Event(TypedDict):
    """One event of a thread's log. `void` stands for the span seq..to_seq that is not the reader's (R8)."""

    seq: int
    kind: str
    to_seq: NotRequired[int]
    at: NotRequired[str]
    actor_id: NotRequired[str]
    message: NotRequired[Message]
    message_id: NotRequired[str]
    truncated: NotRequired[bool]
    participant: NotRequired[EventParticipant]
    thread: NotRequired[EventThread]
    fields: NotRequired[list[str]]


@dataclass(frozen=True, slots=True)
class Change:
    """What a committed write means for one thread: events to push to `audience`, and who lost it.

    `emergencies`: seqs of events that stand in the emergency lane of the outbox.
    """

    thread_id: UUID
    epoch: str
    head_seq: int
    events: tuple[Event, ...]
    audience: frozenset[UUID]
    revoked: frozenset[UUID]
    emergencies: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Committed(Generic[A]):
    """The answer of a write that is committed, and its changes: hints for whoever is connected.

    `journal`: what it took from whom, to be written outside the database before it is answered (R4).
    `dismissed`: people to whom nothing is left.
    """

    answer: A
    changes: tuple[Change, ...]
    journal: tuple[Entry, ...] = ()
    dismissed: frozenset[UUID] = frozenset()


def event(row: Mapping[str, Any], message: Message | None) -> Event:
    """From a row with seq, kind, at, actor_id, user_id, data; `message` as it is now (R3)."""
    made: Event = {
        "seq": row["seq"],
        "kind": row["kind"],
        "at": rfc3339(row["at"]),
        "actor_id": str(row["actor_id"]),
    }
    if row["user_id"] is not None:
        person: EventParticipant = {"user_id": str(row["user_id"])}
        made["participant"] = person | row["data"]
    elif row["kind"].startswith("thread."):
        made |= row["data"]
    if message is None:
        return made
    if _too_large(message):
        return {**made, "message_id": message["id"], "truncated": True}
    return {**made, "message": message}


def _too_large(message: Message) -> bool:
    if len(message["message"]) + len(message["message_html"]) < _SURELY_SMALL and not message["reactions"]:
        return False
    return len(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()) > EVENT_BYTES


def changes(written: Rows, revoked: Rows) -> tuple[Change, ...]:
    """From rows of `app.change`, null where nothing changed, and `app.revoked_here`: one change per thread."""
    lost: dict[UUID, set[UUID]] = defaultdict(set)
    for row in revoked:
        lost[row["thread_id"]].add(row["user_id"])
    told = tuple(
        Change(
            row["thread_id"],
            row["epoch"],
            row["seq"],
            (event(row, None),),
            frozenset(row["audience"]),
            frozenset(lost.pop(row["thread_id"], ())),
        )
        for row in written
        if row["seq"] is not None
    )
    return told + tuple(_silent(lost))


def _silent(lost: Mapping[UUID, Iterable[UUID]]) -> Iterable[Change]:
    """An implicit host who lost a thread leaves no event in it."""
    return (Change(thread, "", 0, (), frozenset(), frozenset(people)) for thread, people in lost.items())
