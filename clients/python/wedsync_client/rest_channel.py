"""The way for frames where sockets are refused: requests of the REST API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from wedsync_client.frames import Frame
from wedsync_client.rest import Problem, Rest, Unreachable


async def post(rest: Rest, frame: Frame) -> Frame:
    """Carry out a `send` frame; the `sent` frame that a socket would bring.

    One by one; after one that was not stored the rest is left for the next frame, so that the order holds (R14):
    what is refused to somebody who has left a thread may be stored by the socket as soon as he is back.
    The epoch is that of the first: if the log was restored since, all are offered again (R4).
    """
    results: list[Frame] = []
    epoch: str | None = None
    pause: dict[str, int] = {}
    for message in frame["messages"]:
        result = {"client_msg_id": message["client_msg_id"], "id": None, "seq": None, "code": None}
        try:
            sent = await rest.send(frame["thread_id"], message)
        except Problem as problem:
            results.append(result | {"status": "error", "code": problem.code})
            break
        except Unreachable as trouble:
            results.append(result | {"status": "skipped", "code": trouble.code})
            pause = {} if trouble.retry_after is None else {"retry_after_ms": int(trouble.retry_after * 1000)}
            break
        else:
            epoch = epoch or sent["epoch"]
            status = "duplicate" if sent.get("duplicate") else "ok"
            results.append(result | {"status": status, "id": sent["id"], "seq": sent["seq"]})
    where = {"re": frame["id"], "thread_id": frame["thread_id"]}
    return {"type": "sent", **where, "epoch": epoch, "results": results, **pause}


class RestChannel:
    """Frames go out as requests, and what comes back are the frames a socket would bring.

    It ends when the API is not reached.
    """

    pushes = False

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._frames: asyncio.Queue[Frame | BaseException | None] = asyncio.Queue()
        self._asked: set[asyncio.Task[None]] = set()
        self._question: asyncio.Task[None] | None = None
        self._actions: Mapping[str, Callable[[Frame], Awaitable[None]]] = {
            "send": self._send,
            "sync": self._sync,
            "ack": self._ack,
            "read": self._read,
            "ping": self._ping,
            "focus": self._nothing,  # hints about people go by socket only
            "typing": self._nothing,
        }

    async def send(self, frame: Frame) -> None:
        """Carry out one frame; its answer is received later. A `sync` gives up the one before, and its place."""
        task = asyncio.create_task(self._carry_out(frame))
        if frame["action"] == "sync":
            if self._question is not None:
                self._question.cancel()
            self._question = task
        self._asked.add(task)
        task.add_done_callback(self._done)

    async def receive(self) -> Frame | None:
        """The next frame. Raises what went wrong in here, as in `token`."""
        received = await self._frames.get()
        if isinstance(received, BaseException):
            raise received
        return received

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

    def _done(self, task: asyncio.Task[None]) -> None:
        self._asked.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._frames.put_nowait(error)

    def _answer(self, **frame: Any) -> None:
        self._frames.put_nowait(frame)

    async def _send(self, frame: Frame) -> None:
        self._frames.put_nowait(await post(self._rest, frame))

    async def _sync(self, frame: Frame) -> None:
        """An answer that was cut has no end: what is left is asked for at once, from where its frames lead."""
        asked = {name: frame[name] for name in ("since", "cursors", "limit", "wait")}
        try:
            answer = await self._rest.sync(asked)
        except Unreachable as trouble:
            if trouble.retry_after is None:
                self._frames.put_nowait(None)
            else:
                self._ask_again(frame, trouble.retry_after)
            return
        for each in answer["frames"]:
            self._answer(**{**each, "re": frame["id"]})
        if answer["more"]:
            self._ask_again(frame, 0.0)

    def _ask_again(self, frame: Frame, seconds: float) -> None:
        self._answer(type="error", re=frame["id"], code="unavailable", retry_after_ms=int(seconds * 1000))

    async def _ack(self, frame: Frame) -> None:
        for thread_id, seq in frame["cursors"].items():
            await self._rest.move(thread_id, "delivered", frame["epoch"], seq)

    async def _read(self, frame: Frame) -> None:
        await self._rest.move(frame["thread_id"], "read", frame["epoch"], frame["seq"])

    async def _nothing(self, _frame: Frame) -> None:
        pass

    async def _ping(self, _frame: Frame) -> None:
        self._answer(type="pong")
