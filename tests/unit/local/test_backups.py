"""The database of one machine, saved and put back as another cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local import backups
from local.backups import Backups
from local.emulator import Emulator
from local.pg_binaries import Kind
from local.postgres import Postgres
from local.processes import LocalError, free_port
from local.services import Services


async def nothing() -> None:
    """What an emulator that never crashes has lost."""


@pytest.fixture
async def services(tmp_path: Path, postgres_kind: Kind | None) -> AsyncIterator[Services]:
    server = Postgres(tmp_path / "postgres", free_port(), kind=postgres_kind, durable=False)
    emulator = Emulator(tmp_path, tmp_path / "emulator", free_port())
    running = Services(server, emulator, nothing, lambda _: None)
    await running.start_database()
    yield running
    await running.stop()


def ask(services: Services, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(services.postgres.superuser().dsn, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


async def test_what_is_put_back_is_what_was_saved_on_another_timeline_each_time(
    services: Services, tmp_path: Path
) -> None:
    kept = Backups(tmp_path / "backups", services)
    timeline = "select timeline_id from pg_control_checkpoint()"
    ask(services, "create table said as select 'before'::text as what")
    name = await kept.take()
    timelines = [ask(services, timeline)]

    for _ in range(2):
        ask(services, "insert into said values ('after')")
        await kept.put_back(name)
        assert ask(services, "select what from said") == [("before",)]
        timelines.append(ask(services, timeline))
    again = await kept.take()
    await kept.put_back(again)

    assert timelines == [[(1,)], [(2,)], [(2,)]]
    assert ask(services, timeline) == [(3,)]
    assert kept.names() == sorted([name, again])
    assert sorted(path.name for path in (tmp_path / "postgres").iterdir() if path.is_dir()) == ["data"]


async def test_a_copy_that_fails_leaves_everything_as_it_was(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Backups(tmp_path / "backups", services)
    name = await kept.take()
    monkeypatch.setattr(backups, "_COPY", ("cp", "--no-such-option"))

    with pytest.raises(LocalError, match="cannot be copied"):
        await kept.take()
    with pytest.raises(LocalError, match="cannot be copied"):
        await kept.put_back(name)
    with pytest.raises(KeyError):
        await kept.put_back("none")

    assert kept.names() == [name]
    assert ask(services, "select 1") == [(1,)]
