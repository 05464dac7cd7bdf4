"""A database as large as a few years of business: weddings, people, threads and messages, skewed like real life.

Filled set by set, as the roles that own the tables: indexes, foreign keys and triggers come back when the rows are
there, and what triggers would have kept is taken from the same functions and views that they use.
"""

from __future__ import annotations

import base64
import json
import os
import random
import secrets
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
from psycopg import sql

sys.path.insert(0, str(Path(__file__).parents[1] / "layers" / "core"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from local.postgres import Login, Postgres
from wedsync.platform import aws
from wedsync.platform.migrations import migrate

SCHEMA = Path(__file__).parents[1] / "schema"
KEY = bytes(range(32))

TABLES = [
    "organizations",
    "users",
    "organization_members",
    "weddings",
    "wedding_members",
    "communication_threads",
    "thread_participants",
    "participation_windows",
    "thread_messages",
    "thread_events",
    "outbox",
    "thread_access",
    "message_words",
    "thread_words",
    "deliveries",
    "inbox_items",
    "event_links",
    "event_salts",
]
SENTENCES = 40_000
_WORDS = (
    "the a to of and is for we in it you on at be our with have that will can are this your from not all has but they "
    "what when please thanks delivery deliveries flowers flower roses peonies bouquet bouquets table tables guests "
    "seating chairs dinner buffet vegan menu menus cake photographer photos pictures video music dance band playlist "
    "ceremony church venue arrival parking bus driver hotel rooms invoice payment paid contract signed deposit meeting "
    "tomorrow morning evening weather rain tent lights candles dress suit rings vows rehearsal timeline change changed "
    "updated confirmed cancelled arriving delayed stuck traffic speech toast decorations linen glasses champagne"
)


@dataclass(frozen=True, slots=True)
class Size:
    """How many of each; the goals of docs/performance.md are for the defaults."""

    organizations: int = 200
    weddings: int = 2_000
    threads: int = 20_000
    messages: int = 1_000_000


def filled(server: Postgres, size: Size) -> Login:
    """A migrated and filled database on this server; how the application logs in."""
    with psycopg.connect(server.master("postgres").dsn, autocommit=True) as connection:
        connection.execute("create database bench")
    master = server.master("bench")
    migrate(master.dsn, SCHEMA, {1: KEY})
    password = secrets.token_urlsafe()
    with psycopg.connect(master.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("alter role wedsync_app password {}").format(sql.Literal(password)))
    began = time.monotonic()
    fill(master.dsn, size)
    print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
    return Login(master.host, master.port, "wedsync_app", password, "bench")


def connect(login: Login) -> None:
    """`wedsync.platform.db` of this process talks to the filled database."""
    os.environ.update(
        DATABASE_HOST=login.host,
        DATABASE_PORT=str(login.port),
        DATABASE_NAME=login.database,
        DATABASE_USER=login.user,
        DATABASE_PASSWORD=login.password,
        DATABASE_AUTH="password",
        DATABASE_TLS="disable",
        DATABASE_PIPELINE="true",
        CONTEXT_KEY_SECRET="context-keys",  # noqa: S106 (a name)
        SERVICE_NAME="bench",
    )
    secret = json.dumps({"current": 1, "keys": {"1": base64.b64encode(KEY).decode()}})
    aws.secret = {"context-keys": secret}.__getitem__  # pyright: ignore[reportAttributeAccessIssue]


def fill(dsn: str, size: Size) -> None:
    """Fill a migrated, empty database; `dsn` logs in as the master role. Says how long each step took."""
    *bulk, chains = (Path(__file__).parent / "filled_database.sql").read_text().split("-- step: ")[1:]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set work_mem = '128MB'; set maintenance_work_mem = '512MB'; select setseed(0.4)")
        connection.execute("set role wedsync_access")
        _load_sentences(connection)
        with _bare(connection):
            for step in bulk:
                _step(connection, step, size)
        connection.execute("set role wedsync_access")
        _step(connection, chains, size)
        connection.execute("set role wedsync_owner")
        with _timed("vacuum"):
            for table in TABLES:
                connection.execute(sql.SQL("vacuum analyze wedsync.{}").format(sql.Identifier(table)))


def _step(connection: psycopg.Connection, step: str, size: Size) -> None:
    name, _, statements = step.partition("\n")
    values = {key: sql.Literal(value) for key, value in asdict(size).items()}
    with _timed(name):
        connection.execute(sql.SQL(statements).format(**values))  # pyright: ignore[reportArgumentType]


@contextmanager
def _timed(step: str) -> Generator[None]:
    began = time.monotonic()
    yield
    print(f"  {step}: {time.monotonic() - began:.1f} s", flush=True)


def _load_sentences(connection: psycopg.Connection) -> None:
    """Sentences of a vocabulary in which some words are everywhere and most are rare (Zipf)."""
    chance = random.Random(7)  # noqa: S311
    syllables = ["ba", "do", "ki", "lu", "ma", "ne", "po", "ri", "sa", "te", "vo", "zu"]
    rare = ["".join(chance.choices(syllables, k=chance.randint(2, 4))) for _ in range(6_000)]
    words = list(dict.fromkeys([*_WORDS.split(), *rare]))
    weights = [1 / (rank + 8) for rank in range(len(words))]
    connection.execute("create temp table sentence (n integer primary key, said text not null)")
    with connection.cursor() as cursor, cursor.copy("copy sentence from stdin") as copy:
        for n in range(1, SENTENCES + 1):
            length = min(120, max(1, round(chance.lognormvariate(2.2, 0.7))))
            copy.write_row((n, " ".join(chance.choices(words, weights, k=length))))
    connection.execute("analyze sentence")


@contextmanager
def _bare(connection: psycopg.Connection) -> Generator[None]:
    """The tables without constraints, indexes and triggers; all of them are back afterwards."""
    tables = [f"wedsync.{table}" for table in TABLES]
    constraints = connection.execute(_CONSTRAINTS, {"tables": tables}).fetchall()
    indexes = connection.execute(_INDEXES, [tables]).fetchall()
    connection.execute("set role wedsync_owner")
    for table, name, _ in reversed(constraints):
        _run(connection, f"alter table {table} drop constraint {name}")
    for name, _ in indexes:
        _run(connection, f"drop index wedsync.{name}")
    for table in tables:
        _run(connection, f"alter table {table} disable trigger user")
    connection.execute("set role wedsync_access")
    yield
    connection.execute("set role wedsync_owner")
    with _timed("keys and indexes"):
        for table, name, definition in constraints:
            _run(connection, f"alter table {table} add constraint {name} {definition}")
        for _, definition in indexes:
            _run(connection, definition)
    for table in tables:
        _run(connection, f"alter table {table} enable trigger user")


def _run(connection: psycopg.Connection, statement: str) -> None:
    """A statement made of names from the catalog."""
    connection.execute(statement.encode())


# Primary and unique keys come before the foreign keys that need them.
_CONSTRAINTS = """
    select conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) from pg_constraint
     where (contype = 'f' or contype in ('p', 'u') and conrelid = any (%(tables)s::regclass[]))
       and connamespace = 'wedsync'::regnamespace
     order by contype = 'f', conrelid::text, conname
"""
_INDEXES = """
    select quote_ident(c.relname), pg_get_indexdef(i.indexrelid)
      from pg_index i join pg_class c on c.oid = i.indexrelid
     where i.indrelid = any (%s::regclass[])
       and not exists (select from pg_constraint k where k.conindid = i.indexrelid)
"""
