"""What a connection says of the person behind it: what he looks at, that he types. Gone with it.

Every function raises `aws.AwsError` when DynamoDB is in trouble.
"""

from __future__ import annotations

import time
from uuid import UUID

from wedsync.realtime import connections
from wedsync.realtime.connection_entries import Connection, number

FOCUS_SECONDS = 5  # a client says every four what is on screen and visible (R16)
HERE_SECONDS = 10  # one that is late is not away yet
TYPING_SECONDS = 3


def focus(connection: Connection, thread_id: UUID | None, at: float) -> Connection | None:
    """It looks at this thread, or at none, and owes nothing more; the entry as it was before.

    None if it is not registered, or has said something else since: frames overtake each other.
    """
    return connections.change(
        connection,
        "set #connections.#device.focus = :thread, #connections.#device.focused_at = :at"
        " remove #connections.#device.owes",
        {":thread": _thread(thread_id), ":at": number(at)},
        "(attribute_not_exists(#connections.#device.focused_at) or #connections.#device.focused_at <= :at)",
    )


def told(connection: Connection, thread_id: UUID | None, at: float) -> None:
    """Others hear now that it looks at this thread, or at none."""
    connections.change(
        connection,
        "set #connections.#device.told = :thread, #connections.#device.told_at = :at",
        {":thread": _thread(thread_id), ":at": number(at)},
    )


def types(connection: Connection, at: float) -> bool:
    """Somebody types there; False if it is not registered, or the person did so less than 3 s ago, on any device."""
    before = connections.change(
        connection,
        "set typed_at = :at",
        {":at": number(at), ":before": number(at - TYPING_SECONDS)},
        "(attribute_not_exists(typed_at) or typed_at <= :before)",
    )
    return before is not None


def owe(connection: Connection, thread_id: UUID) -> None:
    """It has read what others were told nothing of: to be made good with its next `focus`."""
    connections.change(connection, "set #connections.#device.owes = :thread", {":thread": _thread(thread_id)})


def looks_at(connection: Connection, thread_id: UUID, within: float = HERE_SECONDS) -> bool:
    """Whether it has the thread on screen and visible, and has said so within these seconds."""
    recently = (connection.focused_at or 0) > time.time() - within
    return recently and connection.focus == thread_id and hears(connection)


def concerns(connection: Connection, thread_id: UUID) -> bool:
    """Whether a hint about a thread is for it: it looks at the thread, or never says what it looks at."""
    return hears(connection) if connection.focused_at is None else looks_at(connection, thread_id)


def hears(connection: Connection) -> bool:
    """Whether it is pushed to."""
    return connection.expires_at > time.time() and not connection.lagging


def _thread(thread_id: UUID | None) -> dict[str, object]:
    return {"S": str(thread_id)} if thread_id else {"NULL": True}
