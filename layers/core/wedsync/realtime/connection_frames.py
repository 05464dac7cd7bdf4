"""What the server says about a connection itself: that it is alive, how to behave on it, when and why it ends."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from wedsync.conversations.replay import Phase


class AuthOkFrame(TypedDict):
    """The answer to `auth`: when the connection's identity expires now."""

    type: Literal["auth_ok"]
    re: str
    expires_at: str


class AuthExpiringFrame(TypedDict):
    """The token behind the connection expires soon: renew it by `auth`, or be shown out (`bye` 4001)."""

    type: Literal["auth_expiring"]
    expires_at: str


class ModeFrame(TypedDict):
    """How to behave while a wedding is in this phase. Comes with every sync while it is near, and holds for 300 s."""

    type: Literal["mode"]
    wedding_id: str
    phase: Phase
    ping_seconds: int
    typing: bool


class Retry(TypedDict):
    min_ms: int
    max_ms: int


class ByeFrame(TypedDict):
    """The connection ends. Without `retry` a client does not connect again by itself."""

    type: Literal["bye"]
    code: Literal[4001, 4003, 4009, 4010]
    reason: str
    retry: NotRequired[Retry]


class PongFrame(TypedDict):
    """The gateway is there."""

    type: Literal["pong"]
