"""How things stand with the connection."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """For a user interface."""

    CLOSED = "closed"  # not started, or stopped
    OFFLINE = "offline"  # waiting before the next attempt
    CONNECTING = "connecting"
    CATCHING_UP = "catching_up"  # connected; something may be missing
    LIVE = "live"  # connected, and nothing is missing
    POLLING = "polling"  # sockets do not get through: it asks over REST, and nothing was missing when it did
    ENDED = "ended"  # by the server, for good: another connection has this one's place, or nothing is left


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The connection is in another state, or still offline for another reason.

    `code` says why it is `OFFLINE` where the API, or a stranger in its place, has answered the request for a ticket.
    """

    state: State
    code: str | None = None
