"""Ways for frames: a socket; where none gets through, `rest_channel`. To the protocol they are the same."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any, Protocol, cast

import aiohttp

from wedsync_client.frames import Frame, text_of
from wedsync_client.rest import Ticket

OPEN_SECONDS = 15.0
TOO_MANY = 429  # new connections of the account in this second
SEND_SECONDS = 5.0
CLOSE_SECONDS = 1.0


class RefusedSocket(Exception):  # noqa: N818 - a state of the world
    """The socket was not opened, or nothing passes, though REST answers: a proxy may not know WebSockets."""


class BusyGateway(Exception):  # noqa: N818 - a state of the world
    """The socket was not opened because too many are at this moment; the ticket is good for another attempt."""


class Channel(Protocol):
    """Frames in both directions, until it ends. Where nothing is pushed, what is new has to be asked for."""

    pushes: bool

    async def send(self, frame: Frame) -> None:
        """Send one; nothing happens on a channel that has ended."""
        ...

    async def receive(self) -> Frame | None:
        """The next one; None at the end."""
        ...

    async def close(self) -> None:
        """End it."""
        ...


class SocketChannel:
    """A WebSocket."""

    pushes = True

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._early: Frame | None = None  # what came before anybody received

    @classmethod
    async def open(cls, http: aiohttp.ClientSession, ticket: Ticket) -> SocketChannel:
        """Raises RefusedSocket, BusyGateway."""
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                socket = await http.ws_connect(ticket.address, protocols=[ticket.protocol])
        except aiohttp.WSServerHandshakeError as error:
            raise (BusyGateway if error.status == TOO_MANY else RefusedSocket)(str(error)) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RefusedSocket(str(error)) from error
        return cls(socket)

    async def prove(self, seconds: float) -> None:
        """Wait until anything arrives, which is then received as usual.

        Raises RefusedSocket, and it is closed, if nothing does, or a `bye` that asks to come again: it may do so
        each time. What a `bye` for good ends is more than this socket.
        """
        try:
            async with asyncio.timeout(seconds):
                await self.send({"action": "ping"})
                frame = await self.receive()
        except TimeoutError:
            frame = None
        if frame is None or (frame.get("type") == "bye" and "retry" in frame):
            await self.close()
            raise RefusedSocket("nothing of use has arrived")
        self._early = frame

    async def send(self, frame: Frame) -> None:
        """Send one frame; on a line that takes none, only the missing pong will tell."""
        with contextlib.suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
            async with asyncio.timeout(SEND_SECONDS):
                await self._socket.send_str(text_of(frame))

    async def receive(self) -> Frame | None:
        """The next frame; None once the socket has ended. What is no JSON object is no frame."""
        early, self._early = self._early, None
        if early is not None:
            return early
        while True:
            received = await self._socket.receive()
            if received.type is not aiohttp.WSMsgType.TEXT:
                return None
            try:
                frame = json.loads(received.data)
            except ValueError:
                continue
            if isinstance(frame, dict):
                return cast("dict[str, Any]", frame)

    async def close(self) -> None:
        """Close it, without waiting long for the other side."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._socket.close()
