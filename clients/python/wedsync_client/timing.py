"""How long a client waits for what, and how it comes back."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. The defaults are those of the protocol; tests have less time."""

    sync_every: float = 120.0
    gap: float = 0.25  # what is missing may be on its way
    answer: float = 10.0  # to `sync` and `send`
    ping_every: float = 55.0
    pong: float = 8.0
    receipts_every: float = 2.0
    longest_pause: float = 10.0  # between syncs that bring nothing
    retry: float = 0.5
    longest_retry: float = 30.0
    refusals: int = 3  # of sockets in a row, until REST takes over
    renewal: tuple[float, float] = (95 * 60.0, 112 * 60.0)  # API Gateway ends a socket after two hours


class Attempts:
    """When to connect again: full jitter, twice as long after each failure, as the server asks if it asks."""

    def __init__(self, timing: Timing, random: Random) -> None:
        self._timing = timing
        self._random = random
        self._failures = 0
        self._refusals = 0

    @property
    def sockets_are_refused(self) -> bool:
        """Whether sockets were refused so often in a row that there is no use in waiting for one."""
        return self._refusals >= self._timing.refusals

    def succeeded(self) -> None:
        """A connection has caught up."""
        self._failures = self._refusals = 0

    def refused(self) -> None:
        """REST was answered, and the socket was not opened."""
        self._refusals += 1

    def opened(self) -> None:
        """A socket was opened, whatever became of it."""
        self._refusals = 0

    def delay(self) -> float:
        """Seconds until the next attempt."""
        longest = min(self._timing.longest_retry, self._timing.retry * 2**self._failures)
        self._failures = min(self._failures + 1, 16)
        return self._random.uniform(0, longest)

    def asked_delay(self, min_ms: int, max_ms: int) -> float:
        """Seconds, as a `bye` asks."""
        return self._random.uniform(min_ms, max_ms) / 1000

    @property
    def longest_delay(self) -> float:
        """Seconds between attempts in the end."""
        return self._timing.longest_retry

    def renewal(self) -> float:
        """How long a connection is kept before another takes its place."""
        return self._random.uniform(*self._timing.renewal)
