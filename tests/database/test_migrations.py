"""Migrations go up on an empty database and on one that people already use (C1)."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
import pytest

from local.postgres import Login, Postgres
from tests.fixtures.postgres import CONTEXT_KEYS, SCHEMA
from tests.fixtures.wedding import ANA, SERVICE, Database
from wedsync.platform.context import sign
from wedsync.platform.migrations import migrate

FILES = sorted(SCHEMA.glob("*.sql"))
DIRECTORY = next(number for number, file in enumerate(FILES, 1) if "directory_functions" in file.stem)


@pytest.mark.parametrize("applied_before", range(DIRECTORY, len(FILES)))
def test_each_later_migration_goes_up_on_a_database_in_use(
    postgres: Postgres,
    empty_database: Login,
    connected_database: Database,
    tmp_path: Path,
    applied_before: int,
) -> None:
    for file in FILES[:applied_before]:
        shutil.copy(file, tmp_path)
    migrate(empty_database.dsn, tmp_path, CONTEXT_KEYS)
    with psycopg.connect(postgres.superuser(empty_database.database).dsn) as using:
        using.execute("select app.enter(%s)", [sign(SERVICE)])
        using.execute("select app.put_user(%s, 'Ana', 'ana@example.com', null, 'en', 'UTC')", [ANA.user_id])

    applied = migrate(empty_database.dsn, SCHEMA, CONTEXT_KEYS)

    assert applied == [file.stem for file in FILES[applied_before:]]
    with psycopg.connect(postgres.superuser(empty_database.database).dsn) as looking:
        people = looking.execute("select display_name from wedsync.users").fetchall()
        access = looking.execute("select count(*) from wedsync.contact_points").fetchone()
    assert (people, access) == ([("Ana",)], (1,))
