"""Pages and messages that are loaded over REST beside the frames."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from wedsync_client.frames import Load, Message, Page
from wedsync_client.lines import Spawn
from wedsync_client.rest import Problem, Rest, Unreachable
from wedsync_client.session import Session, Step
from wedsync_client.timing import Attempts, Timing

MOST_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was loaded; None if there is nothing for this person."""

    load: Load
    found: Page | Message | None


class Loads:
    """Each load goes on until it has worked, or there is nothing to load."""

    def __init__(
        self, rest: Rest, timing: Timing, random: Random, tell: Callable[[Loaded], None], spawn: Spawn
    ) -> None:
        self._rest = rest
        self._timing = timing
        self._random = random
        self._tell = tell
        self._spawn = spawn
        self._running: set[Load] = set()
        self._few = asyncio.Semaphore(MOST_AT_ONCE)

    def start(self, load: Load) -> None:
        """Load it, unless that is under way."""
        if load not in self._running:
            self._running.add(load)
            self._spawn(self._run(load))

    def finish(self, loaded: Loaded, session: Session) -> Step:
        """Hand over what was loaded."""
        self._running.discard(loaded.load)
        match loaded.found:
            case Page() as page:
                return session.loaded(page)
            case None if loaded.load.message_id is None:
                return session.missing(loaded.load.thread_id)
            case None:
                return Step()
            case message:
                return session.filled(loaded.load, message)

    async def _run(self, load: Load) -> None:
        pause = Attempts(self._timing, self._random)
        while True:
            try:
                async with self._few:
                    found = await self._find(load)
                break
            except Unreachable:
                await asyncio.sleep(pause.delay())
        self._tell(Loaded(load, found))

    async def _find(self, load: Load) -> Page | Message | None:
        try:
            if load.message_id is None:
                return await self._rest.newest(load.thread_id)
            return await self._rest.message(load.message_id)
        except Problem:
            return None
