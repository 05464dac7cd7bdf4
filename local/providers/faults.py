"""Trouble on purpose: the next requests to a provider hang, fail after they were accepted, or are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

NONE, HANG, ERROR_AFTER_ACCEPT = "none", "hang", "error_after_accept"
# Longer than any client waits.
HANG_SECONDS = 120.0


class Faults:
    """The trouble of one provider. `refusals` are the codes that it refuses with instead of accepting."""

    def __init__(self, refusals: frozenset[str]) -> None:
        self.known = frozenset({NONE, HANG, ERROR_AFTER_ACCEPT}) | refusals
        self._refusals = refusals
        self._fail = NONE
        self._left = 0

    def set(self, fail: str, times: int) -> None:
        """The next `times` well-formed requests fail this way. Raises: ValueError for an unknown way."""
        if fail not in self.known or times < 0:
            raise ValueError(fail)
        self._fail, self._left = fail, 0 if fail == NONE else times

    async def answer(
        self,
        accept: Callable[[], web.Response],
        refuse: Callable[[str], web.Response],
        broken: Callable[[], web.Response],
    ) -> web.Response:
        """What one request is answered: `accept()` keeps the message, `refuse(code)` does not, `broken()` is a 500."""
        fail = self._take()
        if fail in self._refusals:
            return refuse(fail)
        accepted = accept()
        if fail == HANG:
            await asyncio.sleep(HANG_SECONDS)
        return broken() if fail == ERROR_AFTER_ACCEPT else accepted

    def _take(self) -> str:
        if self._left == 0:
            return NONE
        self._left -= 1
        return self._fail
