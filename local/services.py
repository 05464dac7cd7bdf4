"""The two servers beside the functions, PostgreSQL and the emulator: kept up, or held down for a test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import aiohttp

from local.emulator import Emulator, ServiceError
from local.postgres import Postgres
from local.processes import LocalError

SUPERVISION_SECONDS = 0.5

Name = Literal["database", "emulator"]


class Services:
    """`recreate` gives an emulator that has crashed what it has lost; `say` prints a line."""

    def __init__(
        self,
        postgres: Postgres,
        emulator: Emulator,
        recreate: Callable[[], Awaitable[None]],
        say: Callable[[str], None],
    ) -> None:
        self.postgres = postgres
        self.emulator = emulator
        self._recreate = recreate
        self._say = say
        self._held_down: set[Name] = set()
        self._reviving = asyncio.Lock()
        # The kernel ends a child with the thread that forked it: this one lives as long as the stack.
        self._thread = ThreadPoolExecutor(1, "postgres")

    async def start_database(self) -> None:
        """Create the cluster unless it is there, start it. Raises: LocalError."""
        await self._of_postgres(self.postgres.prepare)
        await self._of_postgres(self.postgres.start)

    async def stop(self) -> None:
        """Stop both."""
        await self.emulator.stop()
        await self._of_postgres(self.postgres.stop)
        self._thread.shutdown()

    async def hold_down(self, name: Name, *, down: bool) -> None:
        """Kill one with SIGKILL and keep it down, or bring it back. Raises: LocalError when it does not start."""
        async with self._reviving:
            if not down:
                self._held_down.discard(name)
                await self._revive()
                return
            self._held_down.add(name)
            if name == "database":
                await self._of_postgres(self.postgres.kill)
            else:
                self.emulator.kill()

    async def while_stopped(self, act: Callable[[], None]) -> None:
        """Do something to the folder of the database while nobody works in it. Raises: LocalError."""
        async with self._reviving:
            await self._of_postgres(self.postgres.stop)
            try:
                await self._of_postgres(act)
            finally:
                await self._of_postgres(self.postgres.start)

    async def keep_up(self) -> None:
        """Start again, for ever, what has ended by itself."""
        while True:
            await asyncio.sleep(SUPERVISION_SECONDS)
            async with self._reviving:
                try:
                    await self._revive()
                except (LocalError, ServiceError, aiohttp.ClientError) as error:
                    self._say(f"tried again in a moment: {error}")

    async def _revive(self) -> None:
        if not self.postgres.running and "database" not in self._held_down:
            self._say("PostgreSQL has ended; starting it again")
            await self._of_postgres(self.postgres.start)
        if not self.emulator.running and "emulator" not in self._held_down:
            self._say("the AWS emulator has ended; starting it again")
            await self.emulator.start()
            await self._recreate()

    async def _of_postgres(self, act: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, act)
