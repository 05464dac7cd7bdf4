"""Telling those who are connected, and the planner, what has been committed. A hint: the log is the truth (R21).

Runs after the commit, in the function that committed. It pushes to few; the others are reached through a queue, in
shards (decision 7). Nothing here can fail the write: what is not pushed is found by the client's next sync, and what
the planner does not hear of by the next sweep (R17).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar
from uuid import UUID

from wedsync.conversations.events import Change, Committed
from wedsync.notifications import kicks
from wedsync.platform import aws
from wedsync.platform.observability import logger
from wedsync.realtime import connections, paging, poster, sessions, shards
from wedsync.realtime.connections import Connection
from wedsync.realtime.poster import Outcome
from wedsync.realtime.protocol import AccessFrame, encode
from wedsync.trust import journal

KICK_SECONDS = 0.5
DIRECT = 50  # connections that the function which committed pushes to itself
DIRECT_PEOPLE = connections.MAX_KEYS  # whose connections it looks up: one read
TIDIED_AT_ONCE = 10  # slow or expired: the sender waits for it, and the next push finds the others
HANDSHAKE_SECONDS = 30  # API Gateway gives `$connect` 29 s to answer

Answer = TypeVar("Answer")
Pace = Callable[[Iterable[str]], Iterator[str]]


def deliver(committed: Committed[Answer]) -> Answer:
    """Push each change to its audience and the loss of access to the revoked, kick the planner; returns the answer.

    Those to whom nothing is left are disconnected. What was taken from anybody is in the journal by then (R4).
    """
    journal.keep(committed.journal)
    told = _tell(committed.changes)
    kicks.kick_events(
        (
            (_lane(change, event["seq"]), change.thread_id, event["seq"])
            for change in committed.changes
            for event in change.events
        ),
        again=not told,  # the planner pushes to all who have not stored it
        seconds=KICK_SECONDS,
    )
    sessions.show_out(committed.dismissed)
    return committed.answer


def _lane(change: Change, seq: int) -> str:
    return "emergency" if seq in change.emergencies else "ordinary"


def _tell(changes: Sequence[Change]) -> bool:
    """Push to the nearest and leave the others to the fan-out; False if its queue did not take them."""
    near = _Near(changes)
    people = near.first(user_id for change in changes for user_id in change.audience | change.revoked)
    if not people:
        return True
    looked_up = people[: max(DIRECT_PEOPLE, len(near.revoked))]
    try:
        found = connections.find(looked_up)
    except aws.AwsError as error:
        logger().warning("connections unknown, left to the fan-out", extra={"code": error.code})
        return shards.put(shards.of_changes(changes, people))
    crowd = near.crowd(found)
    others = {each.user_id for each in crowd} | {*people[len(looked_up) :]}
    taken = shards.put(shards.of_changes(changes, others)) if others else True
    push(changes, [each for each in found if each not in crowd], poster.BUDGET_SECONDS)
    return taken


class _Near:
    """Who is told first: who lost something, for nobody else tells them; who did it; who is looking."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self.revoked: set[UUID] = set()
        self._threads = {change.thread_id for change in changes}
        self._actors: set[str] = set()
        for change in changes:
            self.revoked |= change.revoked
            self._actors |= {event["actor_id"] for event in change.events if "actor_id" in event}

    def first(self, people: Iterable[UUID]) -> list[UUID]:
        """Each once, the nearest first."""
        return sorted({*people}, key=self._distance)

    def crowd(self, found: Iterable[Connection]) -> set[Connection]:
        """Those whom it is too much to push to here."""
        now = time.time()
        open_ones = [each for each in found if each.expires_at > now and not each.lagging]
        near = sorted(
            open_ones, key=lambda each: (*self._distance(each.user_id), each.focus not in self._threads)
        )
        losing = sum(each.user_id in self.revoked for each in open_ones)
        return {*near[max(DIRECT, losing) :]}

    def _distance(self, user_id: UUID) -> tuple[bool, bool]:
        return user_id not in self.revoked, str(user_id) not in self._actors


def push(changes: Sequence[Change], found: Sequence[Connection], seconds: float, pace: Pace = iter) -> None:
    """Push each change to those of the connections that it is for, within so many seconds, no faster than `pace`."""
    began, now = time.monotonic(), time.time()
    current = [each for each in found if each.expires_at > now]
    outcomes: dict[str, Outcome] = {}
    deadline = began + seconds
    for change in changes:
        _push_one(change, current, outcomes, deadline, pace)
    _tidy(current, outcomes)
    _dismiss([each for each in found if each.expires_at <= now][:TIDIED_AT_ONCE])
    done = sum(outcome is Outcome.DONE for outcome in outcomes.values())
    logger().info(
        "pushed",
        extra={
            "threads": [str(change.thread_id) for change in changes],
            "connections": len(outcomes),
            "done": done,
            "ms": round((time.monotonic() - began) * 1000, 1),
        },
    )


def _push_one(
    change: Change, current: Sequence[Connection], outcomes: dict[str, Outcome], deadline: float, pace: Pace
) -> None:
    """A connection that failed once is sent nothing more: a later frame would only show a gap.

    An emergency is tried on slow ones, too: if it gets through, the gap makes them sync.
    """

    def sendable(each: Connection) -> bool:
        return outcomes.get(each.connection_id, Outcome.DONE) is Outcome.DONE

    audience = [
        each
        for each in current
        if each.user_id in change.audience and (change.emergencies or not each.lagging)
    ]
    for frame in paging.pushes(change):
        ids = [each.connection_id for each in audience if sendable(each)]
        outcomes |= poster.post(frame, pace(ids), deadline - time.monotonic())
    revoked = [each.connection_id for each in current if each.user_id in change.revoked and sendable(each)]
    if revoked:
        access: AccessFrame = {"type": "access", "thread_id": str(change.thread_id), "state": "revoked"}
        outcomes |= poster.post(encode(access), revoked, deadline - time.monotonic())


def _tidy(current: Sequence[Connection], outcomes: dict[str, Outcome]) -> None:
    """Forget the dead and leave the slow ones out, until they sync.

    A handshake that is still being answered is registered but cannot be posted to: its 410 is no death.
    """
    opened_before = time.time() - HANDSHAKE_SECONDS
    gone = [each for each in current if outcomes.get(each.connection_id) is Outcome.GONE]
    slow = [each for each in current if outcomes.get(each.connection_id) is Outcome.LAGGING]
    _try_all((connections.remove, each) for each in gone if each.connected_at < opened_before)
    if len(slow) > TIDIED_AT_ONCE:  # rather the account's quota; a gap will make them sync
        logger().warning(
            "many are too slow, or the account's requests are used up", extra={"slow": len(slow)}
        )
    _try_all((connections.mark_lagging, each) for each in slow[:TIDIED_AT_ONCE])


def _dismiss(expired: Sequence[Connection]) -> None:
    """Those whose identity has run out hear that instead of the event, once."""
    if expired:
        sessions.end([each.connection_id for each in expired], sessions.TOKEN_EXPIRED)
    _try_all((connections.remove, each) for each in expired)


def _try_all(acts: Iterable[tuple[Callable[[Connection], object], Connection]]) -> None:
    """The sender waits for this: what the table does not take at once is found again by the next push."""
    for act, connection in acts:
        try:
            act(connection)
        except aws.AwsError as error:
            logger().warning("connections left as they were", extra={"code": error.code})
            return
