"""Brings a database to the schema of this version: numbered SQL files, applied by yoyo, never down.

The same function runs in tests, on one machine and in the deployment's migrate function. Only that
function's environment has yoyo: import this module nowhere else.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import psycopg
import yoyo
from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    from yoyo import Backend

_LOCK = 0x77656473  # one migrator at a time; the lock dies with its session


def migrate(conninfo: str, schema_dir: Path, keys: Mapping[int, bytes], cluster: str = "") -> list[str]:
    """Apply what is missing, store the context keys, bind the epoch to the cluster; the applied names.

    `conninfo` logs in as a CREATEROLE role that owns the database (no superuser is needed); `keys` are the
    context keys by id, all others are retired; `cluster` is the platform's identity of the cluster, empty
    where PostgreSQL's own will do (R4). Running it again changes nothing. Each file is one transaction.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection, _alone(connection):
        with _backend(conninfo) as backend:
            missing = backend.to_apply(yoyo.read_migrations(str(schema_dir)))
            applied = [migration.id for migration in missing]
            backend.apply_migrations(missing)
        with connection.transaction():
            connection.execute("set local role wedsync_access")
            for key_id, key in keys.items():
                connection.execute("select private.put_context_key(%s, %s)", (key_id, key))
            connection.execute("select private.retire_context_keys(%s)", (list(keys),))
            connection.execute("select private.adopt_cluster(%s)", (cluster,))
    return applied


@contextmanager
def _alone(connection: psycopg.Connection) -> Generator[None]:
    connection.execute("select pg_advisory_lock(%s)", (_LOCK,))
    yield


@contextmanager
def _backend(conninfo: str) -> Generator[Backend]:
    """yoyo's connection; its own tables live in a schema of theirs."""
    login = {name: str(value) for name, value in conninfo_to_dict(conninfo).items() if value is not None}
    user, password = quote(login.pop("user"), safe=""), quote(login.pop("password", ""), safe="")
    host, database = login.pop("host"), login.pop("dbname")
    port = login.pop("port", "5432")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("create schema if not exists migrations")
    options = urlencode({**login, "schema": "migrations"})
    backend = yoyo.get_backend(f"postgresql+psycopg://{user}:{password}@{host}:{port}/{database}?{options}")
    try:
        yield backend
    finally:
        backend.connection.close()
