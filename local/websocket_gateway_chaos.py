"""Trouble on purpose on the lines of the WebSocket API: what bad networks and a busy gateway do, more often."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, fields
from typing import Any

from local.websocket_gateway_connections import Connection, Connections

# How long a push that is re-ordered is held back, so that others overtake it.
HELD_SECONDS = (0.02, 0.2)
LONGEST_DELAY_MS = 60_000


class TroubleError(ValueError):
    """There is no such trouble, or not that much of it."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong, and how often: each is a probability but `delay_ms`, the longest delay of a push.

    A push is whatever is posted to `@connections`, answers to `sync` included. `lose_acks` loses what a
    two-way route answers, `half_open` leaves a new connection open without anything passing any more.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay_ms: int = 0
    lose_acks: float = 0.0
    lose_disconnect: float = 0.0
    half_open: float = 0.0
    throttle: float = 0.0
    reject_upgrades: float = 0.0
    seed: int | None = None

    @classmethod
    def of(cls, wish: Mapping[str, Any]) -> Trouble:
        """From JSON. Raises TroubleError."""
        for name, value in wish.items():
            if name == "seed" or name == "delay_ms":
                good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
            else:
                good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
            if name not in NAMES or not good:
                raise TroubleError(
                    f"{name} {value!r}: known are {', '.join(NAMES)}, most of them from 0 to 1"
                )
        trouble = cls(**wish)
        if trouble.delay_ms > LONGEST_DELAY_MS:
            raise TroubleError(f"delay_ms goes up to {LONGEST_DELAY_MS}")
        return trouble

    @classmethod
    def from_text(cls, text: str) -> Trouble:
        """From `drop=0.1,seed=7`. Raises TroubleError."""
        wish: dict[str, float | int] = {}
        for part in text.split(","):
            name, _, value = part.strip().partition("=")
            try:
                wish[name] = int(value) if name in ("seed", "delay_ms") else float(value)
            except ValueError:
                raise TroubleError(f"{part.strip()!r} is not name=number") from None
        return cls.of(wish)


NAMES = [each.name for each in fields(Trouble)]


class Chaos:
    """Decides what goes wrong now. Without a `Trouble`: nothing."""

    def __init__(self, trouble: Trouble | None = None) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.begin(trouble or Trouble())

    @property
    def trouble(self) -> Trouble:
        """What goes wrong at present."""
        return self._trouble

    def begin(self, trouble: Trouble) -> None:
        """From now on this; the same seed decides the same again."""
        self._trouble = trouble
        self._random = random.Random(trouble.seed)  # noqa: S311 (which frame is lost is no secret)

    def refuses_upgrade(self) -> bool:
        """Whether this upgrade meets a proxy that lets no WebSocket through."""
        return self._happens(self._trouble.reject_upgrades)

    def throttles(self) -> bool:
        """Whether this push is one too many (429)."""
        return self._happens(self._trouble.throttle)

    def loses_answer(self) -> bool:
        """Whether this answer of a two-way route never arrives."""
        return self._happens(self._trouble.lose_acks)

    def loses_disconnect(self) -> bool:
        """Whether nobody hears that this connection has ended."""
        return self._happens(self._trouble.lose_disconnect)

    def opens(self, connection: Connection) -> None:
        """Nothing passes on a connection that is half open, though neither side has closed it."""
        connection.half_open = self._happens(self._trouble.half_open)

    async def push(self, connection: Connection, body: bytes) -> None:
        """Send a frame: late, twice, or not at all."""
        if self._happens(self._trouble.drop):
            return
        for _ in range(2 if self._happens(self._trouble.duplicate) else 1):
            seconds = self._random.uniform(0, self._trouble.delay_ms / 1000)
            if self._happens(self._trouble.reorder):
                seconds += self._random.uniform(*HELD_SECONDS)
            if seconds:
                self._spawn(_later(seconds, connection, body))
            else:
                await connection.send(body)

    async def stop(self) -> None:
        """What is still held back is lost."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _later(seconds: float, connection: Connection, body: bytes) -> None:
    await asyncio.sleep(seconds)
    await connection.send(body)


def cut(connections: Connections) -> int:
    """Break every line at once; how many there were."""
    broken = list(connections)
    for connection in broken:
        connection.transport.abort()
    return len(broken)
