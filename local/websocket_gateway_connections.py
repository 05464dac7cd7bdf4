"""The open connections of the WebSocket API: sending, closing, expiry."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from local.gateway_context import Moment, now
from local.websocket_gateway_events import Handshake
from local.websocket_gateway_limits import SocketLimits

# How long a client may take to answer a close frame.
CLOSE_SECONDS = 1.0


@dataclass(slots=True)
class Connection:
    """One established connection. `closing` is the code and reason of the side that closed first.

    Of one that is `half_open` neither side knows that nothing passes any more.
    """

    client: Handshake
    authorizer: Mapping[str, Any] | None
    socket: web.WebSocketResponse
    transport: asyncio.WriteTransport
    opened: float = field(default_factory=time.monotonic)
    active: float = field(default_factory=time.monotonic)
    active_at: Moment = field(default_factory=now)
    closing: tuple[int, str] | None = None
    half_open: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def touch(self) -> None:
        """A message went by, in either direction: what API Gateway's idle time-out counts."""
        self.active = time.monotonic()
        self.active_at = now()

    @property
    def unsent_bytes(self) -> int:
        """What the client has not taken yet."""
        return self.transport.get_write_buffer_size()

    async def send(self, text: bytes) -> None:
        """Put one text frame on the wire; never waits for a slow client, never raises for a gone one."""
        if self.closing is None and not self.socket.closed:
            self.touch()
            if self.half_open:
                return
            with contextlib.suppress(ConnectionError):
                await self.socket.send_frame(text, WSMsgType.TEXT)

    async def close(self, code: int, reason: str) -> None:
        """Begin to close from this side; the first code given counts. The line is cut when the client never answers."""
        if self.closing is None:
            self.closing = (code, reason)
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.transport.abort)
            await self.send_close_frame(code)

    async def send_close_frame(self, code: int) -> None:
        """Send a close frame, or echo the client's; 1005 (no code) is an empty one (RFC 6455 §5.5.1)."""
        payload = b"" if code == 1005 else code.to_bytes(2, "big")
        with contextlib.suppress(ConnectionError):
            await self.socket.send_frame(payload, WSMsgType.CLOSE)


class Connections:
    """All open connections by id."""

    def __init__(self, limits: SocketLimits) -> None:
        self._limits = limits
        self._open: dict[str, Connection] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._open.values()))

    def add(self, connection: Connection) -> None:
        """From here on the connection can be posted to."""
        self._open[connection.client.connection_id] = connection

    def remove(self, connection: Connection) -> None:
        """From here on it is gone (410)."""
        self._open.pop(connection.client.connection_id, None)

    def get(self, connection_id: str) -> Connection | None:
        """The connection, None when it is unknown, closing or closed."""
        connection = self._open.get(connection_id)
        return connection if connection and connection.closing is None else None

    def is_clogged(self, connection: Connection) -> bool:
        """Whether its client takes too little: the reason of a 429."""
        return connection.unsent_bytes > self._limits.send_buffer_bytes

    def expired(self) -> list[Connection]:
        """Connections idle or open for too long."""
        at = time.monotonic()
        idle, lifetime = at - self._limits.idle_seconds, at - self._limits.lifetime_seconds
        return [one for one in self if one.closing is None and (one.active < idle or one.opened < lifetime)]
