"""Frames that nobody misses for long: posted once, in little time, and given up at any trouble."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from uuid import UUID

from wedsync.platform import aws
from wedsync.platform.errors import Unavailable
from wedsync.platform.observability import logger
from wedsync.realtime import attention, connections, poster
from wedsync.realtime.connections import Connection
from wedsync.realtime.hint_frames import MeFrame, Own, PresenceFrame, ReceiptFrame, TypingFrame
from wedsync.realtime.protocol import encode

SECONDS = 0.03


def tell(frame: ReceiptFrame | TypingFrame | PresenceFrame | MeFrame, to: Iterable[Connection]) -> None:
    """Post it; the dead and the slow are left to the next event."""
    if ids := [each.connection_id for each in to]:
        poster.post(encode(frame), ids, SECONDS)


def tell_devices(user_id: UUID, thread_id: UUID, changed: Own) -> None:
    """What is a person's own in a thread has changed: his devices hear so, also the one that did it (R2)."""
    frame: MeFrame = {"type": "me", "thread_id": str(thread_id), "changed": changed}
    with expendable():
        tell(frame, [each for each in connections.find([user_id]) if attention.hears(each)])


@contextmanager
def expendable() -> Generator[None, None, None]:
    """Without the tables of connections or of threads there are no hints, and nobody is told so."""
    try:
        yield
    except (aws.AwsError, Unavailable) as error:
        logger().warning("hint dropped", extra={"code": error.code})
