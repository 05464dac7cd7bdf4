"""Catching up: the log from a client's cursors on, as frames on his own connection (R19, R20)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain

from wedsync.conversations.replay import Replay, replay
from wedsync.platform import aws
from wedsync.platform.clock import rfc3339
from wedsync.platform.observability import logger
from wedsync.realtime import connections, poster, sessions
from wedsync.realtime.connection_frames import AuthExpiringFrame, ModeFrame
from wedsync.realtime.connections import Connection
from wedsync.realtime.paging import event_frames, synced_frames
from wedsync.realtime.poster import Outcome
from wedsync.realtime.protocol import ResyncRequiredFrame, Sync, encode
from wedsync.realtime.sessions import Session

WARNING_SECONDS = 240  # clients sync every 120: each is told once at least, with 120 s left
PING_SECONDS, DAY_PING_SECONDS = 55, 25
PATIENCE_SECONDS = 6.0  # for all frames; the function's own time-out is 10 s
FRAME_SECONDS = 2.0
FULL_BUFFER_SECONDS = 0.2  # a slow client's buffer is given this long to drain


def catch_up(session: Session, wanted: Sync) -> None:
    """Answer a `sync` frame: events of the named threads, then what changed since.

    If a frame cannot be posted the rest is not: without `synced` the client asks again from its
    cursors, so recovery is never partial. Raises the Problems of the log (Unavailable).
    """
    here = _settle(session.connection)
    if here is None:
        sessions.end([session.connection.connection_id], sessions.UNKNOWN)
        return
    for gone, reason in ((here.supersedes, sessions.REPLACED), (here.crowds_out, sessions.CROWDED_OUT)):
        if gone:
            sessions.end(gone, reason)
    cursors = {thread_id: (each.epoch, each.seq) for thread_id, each in wanted.cursors.items()}
    found = replay(session.principal, wanted.since, cursors, wanted.limit)
    _post(here, chain(_warning(here), frames(found, wanted.id), _modes(found)))


def frames(found: Replay, re: str) -> Iterator[bytes]:
    """A replay as frames of at most 28 KB, `synced` last."""
    for thread in found.threads:
        if thread.resync is not None:
            required: ResyncRequiredFrame = {
                "type": "resync_required",
                "re": re,
                "thread_id": str(thread.thread_id),
                "reason": thread.resync,
                "epoch": thread.epoch,
                "head_seq": thread.head_seq,
            }
            yield encode(required)
        else:
            yield from event_frames(
                thread.thread_id, thread.epoch, thread.head_seq, thread.events, re=re, more=thread.more
            )
    yield from synced_frames(re, found.changed, found.gone, found.inbox_head, found.since)


def _settle(connection: Connection) -> Connection | None:
    """The connection as it is registered, if it is; pushed to again from here on, so before the log is read."""
    try:
        return connections.settle(connection)
    except aws.AwsError as error:
        logger().warning("connection not settled", extra={"code": error.code})
        return connection


def _warning(connection: Connection) -> Iterator[bytes]:
    """Of a token that may run out before the next sync but one; the end of the two hours needs a new socket anyway."""
    of_token = connection.expires_at < connection.connected_at + connections.LIFETIME_SECONDS
    if of_token and connection.expires_at - time.time() < WARNING_SECONDS:
        until = datetime.fromtimestamp(connection.expires_at, UTC)
        expiring: AuthExpiringFrame = {"type": "auth_expiring", "expires_at": rfc3339(until)}
        yield encode(expiring)


def _modes(found: Replay) -> Iterator[bytes]:
    """On the day the network is bad and the line must not die unnoticed; what nobody needs then is left out."""
    for wedding_id, phase in found.phases:
        that_day = phase == "day_of"
        mode: ModeFrame = {
            "type": "mode",
            "wedding_id": str(wedding_id),
            "phase": phase,
            "ping_seconds": DAY_PING_SECONDS if that_day else PING_SECONDS,
            "typing": not that_day,
        }
        yield encode(mode)


def _post(connection: Connection, pages: Iterator[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    for page in pages:
        outcome = _post_one(connection.connection_id, page, deadline)
        if outcome is not Outcome.DONE:
            logger().info("sync cut short", extra={"outcome": outcome.name})
            return


def _post_one(connection_id: str, page: bytes, deadline: float) -> Outcome:
    """One page; again while the client's buffer is full, or once if no answer came (a repeat does no harm)."""
    repeated = False
    while True:
        outcome = poster.post(page, [connection_id], FRAME_SECONDS)[connection_id]
        if time.monotonic() > deadline or outcome not in (Outcome.LAGGING, Outcome.FAILED):
            return outcome
        if outcome is Outcome.LAGGING:
            time.sleep(FULL_BUFFER_SECONDS)
        elif repeated:
            return outcome
        else:
            repeated = True
