"""Who looks at what: nothing of it is stored in PostgreSQL, and all of it runs out by itself (T7)."""

from __future__ import annotations

import time
from collections.abc import Collection
from uuid import UUID

from wedsync.platform import aws
from wedsync.platform.observability import logger
from wedsync.realtime import connections
from wedsync.realtime.connections import Connection

FOCUS_SECONDS = 5  # a client says every four what is on screen and visible (R16)


def focused(thread_id: UUID, people: Collection[UUID]) -> set[UUID]:
    """Those who have this thread on screen and visible, and said so within 5 s: a push may be withheld from them (R16).

    Nobody, if the table of connections cannot tell.
    """
    try:
        found = connections.find(people)
    except aws.AwsError as error:
        logger().warning("focus unknown", extra={"code": error.code})
        return set()
    return {each.user_id for each in found if _looks_at(each, thread_id)}


def _looks_at(connection: Connection, thread_id: UUID) -> bool:
    now = time.time()
    alive = connection.expires_at > now and not connection.lagging
    return alive and connection.focus == thread_id and (connection.focused_at or 0) > now - FOCUS_SECONDS
