"""Ordinary messages beside what is measured: pairs of people who send over sockets."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import aiohttp
from people import gather
from soak_stack import SoakStack
from weddings import wedding_of

PAIRS = 20


class Background:
    """At a rate, whatever becomes of them."""

    def __init__(self, stack: SoakStack, http: aiohttp.ClientSession, rate: float) -> None:
        self.answered = 0
        self.seconds = 0.0
        self._stack = stack
        self._http = http
        self._rate = rate

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Meanwhile they send; `answered` in `seconds` are counted."""
        if self._rate == 0:
            yield
            return
        async with AsyncExitStack() as opened:
            pairs = await gather(self._pair(opened) for _ in range(PAIRS))
            tasks = [asyncio.create_task(self._listen(socket)) for _, socket in pairs]
            tasks.append(asyncio.create_task(self._begin(pairs)))
            began = time.monotonic()
            yield
            self.seconds = time.monotonic() - began
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pair(self, opened: AsyncExitStack) -> tuple[str, aiohttp.ClientWebSocketResponse]:
        one, other = str(uuid4()), str(uuid4())
        wedding = wedding_of(self._stack, [one, other])
        asked = {"wedding_id": wedding, "subject": "Two", "participants": [{"user_id": other}]}
        thread: str = (await self._stack.call(one, "POST", "/threads", asked))["id"]
        ticket = await self._stack.call(one, "POST", "/realtime/tickets", {"device_id": one})
        address = f"{ticket['url']}?ticket={ticket['ticket']}&device_id={one}"
        return thread, await opened.enter_async_context(self._http.ws_connect(address))

    async def _begin(self, pairs: list[tuple[str, aiohttp.ClientWebSocketResponse]]) -> None:
        """All of them, in turn."""
        began, number = time.monotonic(), 0
        while True:
            thread, socket = pairs[number % len(pairs)]
            await _send(socket, thread)
            number += 1
            await asyncio.sleep(max(0.0, began + number / self._rate - time.monotonic()))

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for received in socket:
            frame = json.loads(received.data)
            if frame.get("type") == "sent":
                self.answered += sum(each["status"] == "ok" for each in frame["results"])


async def _send(socket: aiohttp.ClientWebSocketResponse, thread: str) -> None:
    message = {"client_msg_id": str(uuid4()), "message": "Where do you want it?"}
    await socket.send_json({"action": "send", "id": "b", "thread_id": thread, "messages": [message]})
