"""The epoch belongs to one cluster: a restored database answers nothing until somebody releases it (R4)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from local.postgres import Login
from tests.fixtures.postgres import CONTEXT_KEYS, SCHEMA, Database
from tests.fixtures.wedding import ANA, behind, hang_up
from wedsync.conversations import threads
from wedsync.conversations.models import ThreadQuery
from wedsync.platform.errors import Unavailable
from wedsync.platform.migrations import migrate


def as_superuser(database: Database, statement: str) -> None:
    with psycopg.connect(database.superuser.dsn, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[arg-type]


@pytest.fixture
def new_connection(wedding: Database) -> Iterator[None]:
    hang_up()
    yield
    as_superuser(wedding, "update private.cluster set identity = private.cluster_identity()")


def test_a_database_of_another_cluster_answers_nothing(wedding: Database, new_connection: None) -> None:
    as_superuser(wedding, "update private.cluster set identity = '1/1'")

    with pytest.raises(Unavailable):
        threads.page(ANA, ThreadQuery())
    with pytest.raises(Unavailable) as again:
        threads.page(ANA, ThreadQuery())

    assert again.value.headers["Retry-After"]


def test_a_named_cluster_is_compared_by_its_name(
    wedding: Database, new_connection: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_superuser(wedding, "update private.cluster set identity = 'cluster-A'")
    monkeypatch.setenv("DATABASE_CLUSTER", "cluster-A")
    assert threads.page(ANA, ThreadQuery())["data"] == []

    hang_up()
    monkeypatch.setenv("DATABASE_CLUSTER", "cluster-B")
    with pytest.raises(Unavailable):
        threads.page(ANA, ThreadQuery())


def test_migrating_again_changes_nothing_and_binds_nothing_anew(wedding: Database) -> None:
    as_superuser(wedding, "update private.cluster set identity = 'cluster-A'")
    before = behind(wedding, "select epoch, identity from private.cluster")
    people = behind(wedding, "select count(*) as people from wedsync.users")

    applied = migrate(wedding.master.dsn, SCHEMA, CONTEXT_KEYS, "cluster-B")

    assert applied == []
    assert behind(wedding, "select epoch, identity from private.cluster") == before
    assert behind(wedding, "select count(*) as people from wedsync.users") == people
    as_superuser(wedding, "update private.cluster set identity = private.cluster_identity()")


def test_a_key_that_left_the_secret_stops_working_after_its_last_context(wedding: Database) -> None:
    migrate(wedding.master.dsn, SCHEMA, {2: b"n" * 32})

    keys = behind(
        wedding,
        "select key_id, not_after = 'infinity' as for_good, not_after < now() + interval '16 minutes' as soon_gone "
        "from private.context_keys order by key_id",
    )
    migrate(wedding.master.dsn, SCHEMA, CONTEXT_KEYS)

    assert keys == [
        {"key_id": 1, "for_good": False, "soon_gone": True},
        {"key_id": 2, "for_good": True, "soon_gone": False},
    ]
    assert threads.page(ANA, ThreadQuery())["data"] == []


def test_two_deployments_at_once_migrate_one_after_the_other(empty_database: Login) -> None:
    with ThreadPoolExecutor() as pool:
        applied = list(pool.map(lambda _: migrate(empty_database.dsn, SCHEMA, CONTEXT_KEYS), range(2)))

    assert sorted(map(len, applied)) == [0, len(list(SCHEMA.glob("*.sql")))]
