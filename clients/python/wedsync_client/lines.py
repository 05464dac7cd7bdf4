"""Connections as they come and go: opened after a while, read to their end, one of them in use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import aiohttp

from wedsync_client.channels import BusyGateway, Channel, RefusedSocket, SocketChannel
from wedsync_client.frames import Frame
from wedsync_client.rest import Problem, Rest, Ticket, Unreachable
from wedsync_client.rest_channel import RestChannel, post
from wedsync_client.timing import Attempts

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A channel can be used."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class NotOpened:
    """None can, for now: for the reason `code`, if a ticket was refused."""

    code: str | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """A frame; None when its channel has ended."""

    channel: Channel
    frame: Frame | None


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of a frame that was posted."""

    frame: Frame


class Lines:
    """Opens channels and reads them, in tasks of `spawn`; what happens is told through `tell`, in order."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        rest: Rest,
        device_id: str,
        attempts: Attempts,
        tell: Callable[[Opened | NotOpened | Arrived | Posted], None],
        spawn: Spawn,
    ) -> None:
        self.current: Channel | None = None
        self.is_attempting = False
        self._http = http
        self._rest = rest
        self._device_id = device_id
        self._attempts = attempts
        self._tell = tell
        self._spawn = spawn
        self._opening: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._unspent: Ticket | None = None

    @property
    def is_fallback(self) -> bool:
        """Whether all goes over REST."""
        return self.current is not None and not self.current.pushes

    def open(self, after: float) -> None:
        """Open a socket after so many seconds, unless one is being opened right now."""
        if not self.is_attempting:
            self._cancel()
            self._opening = self._spawn(self._open(after))

    def use(self, channel: Channel) -> None:
        """From here on this is the connection; in time there will be another. The one before it ends."""
        self.is_attempting = False
        self.drop()
        self.current = channel
        self._spawn(self._read(channel))
        self.open(self._attempts.longest_delay if self.is_fallback else self._attempts.renewal())

    def retry(self, after: float) -> None:
        """The attempt has failed: there will be another."""
        self.is_attempting = False
        self.open(after)

    def drop(self) -> None:
        """End the connection."""
        channel, self.current = self.current, None
        if channel is not None:
            self._spawn(channel.close())

    def post(self, frame: Frame) -> None:
        """Carry out a `send` frame over REST, beside the connection."""
        self._spawn(self._post(frame))

    def renew(self) -> None:
        """Hand in a ticket on the connection there is. If that fails the server asks again, and in the end says bye."""
        if self.current is not None and (self._renewing is None or self._renewing.done()):
            self._renewing = self._spawn(self._renew(self.current))

    def stop(self) -> None:
        """End the connection, and open none."""
        self._cancel()
        self.drop()

    async def end(self) -> None:
        """Stop, and wait until the other side has heard of it."""
        channel, self.current = self.current, None
        self._cancel()
        if channel is not None:
            await channel.close()

    async def _post(self, frame: Frame) -> None:
        self._tell(Posted(await post(self._rest, frame)))

    async def _open(self, after: float) -> None:
        await asyncio.sleep(after)
        self.is_attempting = True  # until whoever is told has used it, or tries again
        self._tell(await self._attempt())

    async def _attempt(self) -> Opened | NotOpened:
        try:
            ticket = await self._ticket()
        except (Unreachable, Problem) as refusal:
            return NotOpened(_code_of(refusal))
        if self._falls_back():
            return Opened(RestChannel(self._rest))
        try:
            channel = await self._socket(ticket)
        except BusyGateway:
            self._unspent = ticket
            return NotOpened()
        except RefusedSocket:
            self._attempts.refused()
            return Opened(RestChannel(self._rest)) if self._falls_back() else NotOpened()
        return Opened(channel)

    async def _socket(self, ticket: Ticket) -> SocketChannel:
        """One that may be used; while all goes over REST it has to show first that anything passes.

        Raises RefusedSocket, BusyGateway.
        """
        channel = await SocketChannel.open(self._http, ticket)
        if self.is_fallback:
            await channel.prove(self._attempts.pong)
        return channel

    async def _ticket(self) -> Ticket:
        """One that was not looked at, else a new one. Raises Unreachable, Problem."""
        unspent, self._unspent = self._unspent, None
        if unspent is None or unspent.is_old():
            return await self._rest.ticket(self._device_id)
        return unspent

    def _falls_back(self) -> bool:
        return self._attempts.sockets_are_refused and self.current is None

    async def _renew(self, channel: Channel) -> None:
        with suppress(Unreachable, Problem):
            ticket = await self._rest.ticket(self._device_id)
            await channel.send({"action": "auth", "id": "auth", "ticket": ticket.secret})

    async def _read(self, channel: Channel) -> None:
        while (frame := await channel.receive()) is not None:
            self._tell(Arrived(channel, frame))
        self._tell(Arrived(channel, None))

    def _cancel(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None


def _code_of(refusal: Unreachable | Problem) -> str | None:
    """Of the API's own, or `http_` and the status of a stranger; None where nobody answered."""
    if isinstance(refusal, Problem) or refusal.retry_after is not None:
        return refusal.code
    return None if refusal.status is None else f"http_{refusal.status}"


def cause_of(error: BaseException) -> BaseException:
    """What a task of `spawn` has raised, out of the group of all that ended with it."""
    is_group = isinstance(error, BaseExceptionGroup)
    return cast("BaseExceptionGroup[BaseException]", error).exceptions[0] if is_group else error
