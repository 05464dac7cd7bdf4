"""A token bucket for posts to connections.

API Gateway gives an account so many requests a second, for REST, WebSocket and posts to connections together. Functions
that push to many know nothing of each other, so each environment keeps to a part of its own: as many environments as
the template lets run at once, times their part, is what all of them may take of the quota (decision 28).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import cache

from wedsync.platform.settings import settings


class Bucket:
    """So many a second; after a pause a second's worth at once."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._left = per_second
        self._filled_at = time.monotonic()

    def paced(self, connection_ids: Iterable[str]) -> Iterator[str]:
        """Each of them, as soon as there is a token for it."""
        for each in connection_ids:
            self._take()
            yield each

    def _take(self) -> None:
        now = time.monotonic()
        self._left = min(self._left + (now - self._filled_at) * self._per_second, self._per_second)
        self._filled_at = now
        self._left -= 1
        if self._left < 0:
            time.sleep(-self._left / self._per_second)


_bucket = cache(Bucket)  # one for each rate that this environment keeps to


def paced(connection_ids: Iterable[str], part: float = 1) -> Iterator[str]:
    """Each of them, as soon as this environment may post to it; `part` of what the fan-out's may is what it may."""
    return _bucket(settings().posts_per_second * part).paced(connection_ids)
