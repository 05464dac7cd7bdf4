"""PostgreSQL that ends by itself, and one that will not start again."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from local.emulator import Emulator
from local.pg_binaries import Kind
from local.postgres import Postgres
from local.processes import free_port
from local.services import Services

ROOT = Path(__file__).parents[2]


class Kept(Services):
    """Services that write down what they say and how often the emulator's state was made again."""

    def __init__(self, tmp_path: Path, kind: Kind | None) -> None:
        self.said: list[str] = []
        self.recreated = 0
        postgres = Postgres(tmp_path / "postgres", free_port(), kind=kind, durable=False)
        emulator = Emulator(ROOT / ".tools" / "emulator", tmp_path / "emulator", free_port())
        super().__init__(postgres, emulator, self.recreate, self.said.append)

    async def recreate(self) -> None:
        self.recreated += 1


@pytest.fixture
async def services(tmp_path: Path, postgres_kind: Kind | None) -> AsyncIterator[Kept]:
    services = Kept(tmp_path, postgres_kind)
    await asyncio.gather(services.start_database(), services.emulator.start())
    keeping = asyncio.create_task(services.keep_up())
    yield services
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await services.stop()


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came true")


async def test_what_is_killed_is_started_again(services: Kept) -> None:
    assert services.postgres.pid
    assert services.emulator.pid
    before = services.postgres.pid

    os.kill(services.postgres.pid, signal.SIGKILL)
    os.kill(services.emulator.pid, signal.SIGKILL)

    await until(lambda: services.postgres.running and services.postgres.pid != before)
    await until(lambda: services.recreated == 1)
    assert services.said == [
        "PostgreSQL has ended; starting it again",
        "the AWS emulator has ended; starting it again",
    ]


async def test_what_is_held_down_stays_down(services: Kept) -> None:
    await services.hold_down("database", down=True)

    await asyncio.sleep(0.7)

    assert not services.postgres.running
    await services.hold_down("database", down=False)
    assert services.postgres.running


async def test_one_that_will_not_start_is_told_and_tried_again(services: Kept) -> None:
    binaries = services.postgres.binaries
    await services.hold_down("database", down=True)
    version = services.postgres.home / "data" / "PG_VERSION"
    version.rename(version.with_suffix(".away"))

    with pytest.raises(Exception, match="PostgreSQL does not start"):
        await services.hold_down("database", down=False)
    await until(lambda: any("does not start" in line for line in services.said))
    version.with_suffix(".away").rename(version)

    await until(lambda: services.postgres.running)
    assert services.postgres.binaries == binaries
