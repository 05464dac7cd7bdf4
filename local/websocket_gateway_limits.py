"""Limits of WebSocket APIs, as API Gateway sets them; tests shrink what would take minutes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """Quotas of WebSocket APIs (developer guide, "execution and service quotas"), seconds and bytes.

    AWS publishes no size for the client-side buffer behind 429: `send_buffer_bytes` is ours.
    `dispatch_jitter` delays each frame by up to so many seconds: frames of one connection run concurrently,
    in no promised order, and a test may shuffle them. `disconnects` False loses every `$disconnect`,
    which AWS calls best effort.
    """

    frame_bytes: int = 32 * 1024
    message_bytes: int = 128 * 1024
    idle_seconds: float = 600.0
    lifetime_seconds: float = 7200.0
    connects_per_second: int = 500
    send_buffer_bytes: int = 512 * 1024
    dispatch_jitter: float = 0.0
    disconnects: bool = True
