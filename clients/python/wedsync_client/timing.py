"""How long a client waits for what, and how it comes back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from time import monotonic


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. The defaults are those of the protocol; tests have less time."""

    sync_every: float = 120.0
    gap: float = 0.25  # what is missing may be on its way
    answer: float = 10.0  # to `sync` and `send`
    ping_every: float = 55.0
    pong: float = 8.0
    receipts_every: float = 2.0
    focus_every: float = 4.0  # what was not said for 5 s does not count
    typing_every: float = 3.0
    longest_pause: float = 10.0  # between syncs that bring nothing
    retry: float = 0.5
    longest_retry: float = 7.0  # ten thousand who were cut at once are back within 30 s
    refusals: int = 3  # of sockets within so many seconds, until REST takes over
    refusals_within: float = 60.0
    renewal: tuple[float, float] = (95 * 60.0, 112 * 60.0)  # API Gateway ends a socket after two hours


class Attempts:
    """When to connect again: full jitter, twice as long after each failure, as the server asks if it asks."""

    def __init__(self, timing: Timing, random: Random, clock: Callable[[], float] = monotonic) -> None:
        self._timing = timing
        self._random = random
        self._clock = clock
        self._failures = 0
        self._refusals: deque[float] = deque(maxlen=timing.refusals)
        self.sockets_are_refused = (
            False  # so often that there is no use in waiting for one, until one has caught up
        )

    def succeeded(self) -> None:
        """A socket has caught up."""
        self._failures = 0
        self._refusals.clear()
        self.sockets_are_refused = False

    def refused(self) -> None:
        """REST was answered, and the socket was not opened, or died before it had caught up."""
        now = self._clock()
        self._refusals.append(now)
        is_often = len(self._refusals) == self._timing.refusals
        if is_often and self._refusals[0] > now - self._timing.refusals_within:
            self.sockets_are_refused = True

    @property
    def pong(self) -> float:
        """Seconds in which something arrives on a socket, if it lives."""
        return self._timing.pong

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
