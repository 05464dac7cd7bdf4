"""Ways for frames: a socket, and REST where sockets are refused. To the protocol they are the same."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, cast

import aiohttp

from wedsync_client.frames import Frame
from wedsync_client.rest import Problem, Rest, Ticket, Unreachable

OPEN_SECONDS = 15.0
SEND_SECONDS = 5.0
CLOSE_SECONDS = 1.0
# Nothing catches up over REST yet: it is asked for again about as often as a socket is tried.
NO_SYNC_MS = 30_000


class RefusedSocket(Exception):  # noqa: N818 - a state of the world
    """The socket was not opened, though REST answers: a proxy may not know WebSockets."""


class Channel(Protocol):
    """Frames in both directions, until it ends."""

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

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    @classmethod
    async def open(cls, http: aiohttp.ClientSession, ticket: Ticket) -> SocketChannel:
        """Raises RefusedSocket."""
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                socket = await http.ws_connect(ticket.address, protocols=[ticket.protocol])
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RefusedSocket(str(error)) from error
        return cls(socket)

    async def send(self, frame: Frame) -> None:
        """Send one frame; on a line that takes none, only the missing pong will tell."""
        text = json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
        with contextlib.suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
            async with asyncio.timeout(SEND_SECONDS):
                await self._socket.send_str(text)

    async def receive(self) -> Frame | None:
        """The next frame; None once the socket has ended. What is no JSON object is no frame."""
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


class RestChannel:
    """Messages and cursors go out as requests; what comes back are the frames a socket would bring."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._frames: asyncio.Queue[Frame | None] = asyncio.Queue()
        self._asked: set[asyncio.Task[None]] = set()
        self._actions: Mapping[str, Callable[[Frame], Awaitable[None]]] = {
            "send": self._send,
            "sync": self._sync,
            "ack": self._ack,
            "read": self._read,
            "ping": self._ping,
        }

    async def send(self, frame: Frame) -> None:
        """Carry out one frame; its answer is received later."""
        task = asyncio.create_task(self._carry_out(frame))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def receive(self) -> Frame | None:
        """The next frame."""
        return await self._frames.get()

    async def close(self) -> None:
        """End it; what is on its way is given up, and repeated elsewhere."""
        asked = list(self._asked)
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        self._frames.put_nowait(None)

    async def _carry_out(self, frame: Frame) -> None:
        try:
            await self._actions[frame["action"]](frame)
        except Unreachable:
            self._answer(type="error", re=frame.get("id"), code="unavailable")
        except Problem as problem:
            self._answer(type="error", re=frame.get("id"), code=problem.code)

    def _answer(self, **frame: Any) -> None:
        self._frames.put_nowait(frame)

    async def _send(self, frame: Frame) -> None:
        """One by one; after a failure the rest is skipped, so that the order holds (R14)."""
        results: list[Frame] = []
        for message in frame["messages"]:
            result = {"client_msg_id": message["client_msg_id"], "id": None, "seq": None, "code": None}
            try:
                sent = await self._rest.send(frame["thread_id"], message)
            except Problem as problem:
                results.append(result | {"status": "error", "code": problem.code})
            except Unreachable:
                results.append(result | {"status": "skipped"})
                break
            else:
                status = "duplicate" if sent.get("duplicate") else "ok"
                results.append(result | {"status": status, "id": sent["id"], "seq": sent["seq"]})
        self._answer(type="sent", re=frame["id"], thread_id=frame["thread_id"], epoch=None, results=results)

    async def _sync(self, frame: Frame) -> None:
        self._answer(type="error", re=frame["id"], code="unavailable", retry_after_ms=NO_SYNC_MS)

    async def _ack(self, frame: Frame) -> None:
        for thread_id, seq in frame["cursors"].items():
            await self._rest.move(thread_id, "delivered", frame["epoch"], seq)

    async def _read(self, frame: Frame) -> None:
        await self._rest.move(frame["thread_id"], "read", frame["epoch"], frame["seq"])

    async def _ping(self, _frame: Frame) -> None:
        self._answer(type="pong")
