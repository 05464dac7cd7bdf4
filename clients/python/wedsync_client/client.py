"""A device of a person: write on it, read from it, and let it keep itself up to date."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random, SystemRandom
from time import time
from types import TracebackType
from typing import Any

import aiohttp

from wedsync_client.channels import Channel
from wedsync_client.frames import Frame, Message, Told, text_of
from wedsync_client.lines import Arrived, Lines, NotOpened, Opened, Posted, cause_of
from wedsync_client.loading import Loaded, Loads
from wedsync_client.machine import Machine
from wedsync_client.rest import Rest, Token
from wedsync_client.session import Session, Step
from wedsync_client.state import State, StateChanged
from wedsync_client.store import Store
from wedsync_client.timing import Attempts, Timing
from wedsync_client.tokens import of_person

# A step: it has been taken, what comes of it is to be done. None: something is due, or wanted.
Happening = Opened | NotOpened | Arrived | Posted | Loaded | Step | None


class Client:
    """An asynchronous context manager: inside, it is connected whenever that is possible; outside, RuntimeError.

    `api` is `https://host/v1`; `token` answers a bearer token of the person `user_id`, a new one when the
    old has expired; `store` is a file of this device and this person alone. Raises StoreError when it
    cannot be used.
    """

    machine = Machine

    def __init__(
        self,
        api: str,
        user_id: str,
        device_id: str,
        token: Token,
        store: Path | str,
        *,
        timing: Timing | None = None,
        random: Random | None = None,
    ) -> None:
        self._api = api
        self._user_id = user_id
        self._device_id = device_id
        self._token = token
        self._path = store
        self._timing = timing or Timing()
        self._random = random or SystemRandom()
        self._attempts = Attempts(self._timing, self._random)
        self._stated = StateChanged(State.CLOSED)
        self._is_open = False
        self._told: asyncio.Queue[Told | None] = asyncio.Queue()
        self._happened: asyncio.Queue[Happening] = asyncio.Queue()

    @property
    def state(self) -> State:
        """How things stand with the connection."""
        return self._stated.state

    async def __aenter__(self) -> Client:
        self._store = Store(self._path, self._user_id, self._device_id, time())
        machine = self.machine(self._user_id, self._store.saved(), self._timing, self._random)
        self._session = Session(machine, self._store)
        self._http = aiohttp.ClientSession(json_serialize=text_of)
        self._rest = Rest(self._http, self._api, of_person(self._user_id, self._token))
        self._running = asyncio.create_task(self._run())
        self._running.add_done_callback(self._ended)
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self._http.close()
        self._store.close()

    async def __aiter__(self) -> AsyncIterator[Told]:
        """Everything that happens, once and in order per thread, until the client is closed."""
        while (told := await self._told.get()) is not None:
            yield told
        if not self._running.cancelled() and (error := self._running.exception()):
            raise cause_of(error)

    def send(self, thread_id: str, message: str, **fields: Any) -> str:
        """Write a message; its client_msg_id. It is kept until the server has answered.

        `fields` are those of POST /threads/{id}/messages. `Sent` or `Refused` tells what became of it. Raises
        TypeError or ValueError for what is no JSON or no Unicode (a lone surrogate).
        """
        client_msg_id = self._when_open().send(thread_id, {"message": message, **fields})
        self._happened.put_nowait(None)
        return client_msg_id

    def focus(self, thread_id: str | None) -> None:
        """This thread is on screen, and somebody looks at it: only meanwhile it is read. None ends it."""
        self._happened.put_nowait(self._when_open().focus(thread_id))

    def typing(self, thread_id: str) -> None:
        """Somebody writes in this thread: to be called as often as he does."""
        self._happened.put_nowait(self._when_open().typing(thread_id))

    def messages(self, thread_id: str) -> list[Message]:
        """The messages of a thread as far as this device has them, by `seq`."""
        return self._when_open().messages(thread_id)

    async def older(self, thread_id: str, limit: int = 50) -> Sequence[Message]:
        """Load up to `limit` (1 to 100) messages before those of `messages`, which has them from then on.

        Empty if there are no older ones. Raises ValueError for another `limit`, Unreachable when asking again
        later may help (the thread may not be here yet), Problem when not.
        """
        return await self._when_open().older(thread_id, limit, self._rest.older)

    def unsent(self) -> list[Message]:
        """Messages that wait for the server's answer."""
        return self._when_open().unsent()

    def _when_open(self) -> Session:
        if not self._is_open:
            raise RuntimeError("the client is not open")
        return self._session

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tell, spawn = self._happened.put_nowait, tasks.create_task
            self._lines = Lines(self._http, self._rest, self._device_id, self._attempts, tell, spawn)
            self._loads = Loads(self._rest, self._timing, self._random, tell, spawn)
            self._set(State.CONNECTING)
            self._lines.open(0.0)
            try:
                await self._work()
            finally:
                await self._lines.end()

    def _ended(self, _running: asyncio.Task[None]) -> None:
        """Also when it was closed before it had begun to run."""
        self._set(State.CLOSED)
        self._told.put_nowait(None)

    async def _work(self) -> None:
        while True:
            match await self._next():
                case None:
                    await self._carry_out(self._session.tick())
                case Step() as step:
                    await self._carry_out(step)
                case Opened(channel):
                    await self._opened(channel)
                case NotOpened(code):
                    self._not_opened(code)
                case Loaded() as loaded:
                    await self._carry_out(self._loads.finish(loaded, self._session))
                case Arrived(channel, frame):
                    await self._arrived(channel, frame)
                case Posted(frame):
                    await self._carry_out(self._session.posted(frame))

    async def _next(self) -> Happening:
        """What happened, or None when something is due."""
        if not self._happened.empty():
            return self._happened.get_nowait()
        try:
            async with asyncio.timeout(self._session.seconds_left()):
                return await self._happened.get()
        except TimeoutError:
            return None

    async def _opened(self, channel: Channel) -> None:
        self._lines.use(channel)
        if self.state is not State.LIVE:
            self._set(State.CATCHING_UP)
        await self._carry_out(self._session.connected(pushes=channel.pushes))

    async def _arrived(self, channel: Channel, frame: Frame | None) -> None:
        """Of a connection that another has replaced only events count: its `bye` and its end mean nothing."""
        in_use = channel is self._lines.current
        if frame is not None and (in_use or frame.get("type") == "events"):
            await self._carry_out(self._session.received(frame, in_use=in_use))
        elif in_use:
            self._broken()

    async def _carry_out(self, step: Step) -> None:
        for told in step.told:
            self._told.put_nowait(told)
        for frame in step.posts:
            self._lines.post(frame)
        for load in step.loads:
            self._loads.start(load)
        if step.caught_up and self._lines.is_fallback:
            self._set(State.POLLING)
        elif step.caught_up:
            self._attempts.succeeded()
            self._set(State.LIVE)
        channel = self._lines.current
        if channel is not None:
            for frame in step.frames:
                await channel.send(frame)
        if step.renew:
            self._lines.renew()
        if step.close is not None:
            self._close(step.close.frame or {})

    def _close(self, bye: Frame) -> None:
        """Without `retry` a `bye` is for good, unless it is about the socket that is being opened here."""
        if "retry" in bye:
            self._come_back(self._attempts.asked_delay(**bye["retry"]))
        elif bye and not self._lines.is_attempting:
            self._session.disconnected()
            self._lines.stop()
            self._set(State.ENDED)
        else:
            self._broken()

    def _broken(self) -> None:
        """A socket that has brought nothing whole may be one that never will."""
        if self.state is State.CATCHING_UP and not self._lines.is_fallback:
            self._attempts.refused()
        self._come_back(self._attempts.delay())

    def _come_back(self, after: float) -> None:
        """At once over REST, if that has only made room for a socket."""
        is_rest_next = self._attempts.sockets_are_refused and not self._lines.is_fallback
        self._session.disconnected()
        self._lines.drop()
        self._lines.open(0.0 if is_rest_next else after)
        if not self._lines.is_attempting:
            self._set(State.OFFLINE)

    def _not_opened(self, code: str | None) -> None:
        if self._lines.current is None:
            self._set(State.OFFLINE, code)
        self._lines.retry(self._attempts.delay())

    def _set(self, state: State, code: str | None = None) -> None:
        before, self._stated = self._stated, StateChanged(state, code)
        if self._stated != before:
            self._told.put_nowait(self._stated)
