"""The database at the size of a few years of business: how long what people do all day takes, and by which plans.

    .venv/bin/python bench/database.py [--messages 1000000] [--rounds 150] [--plans]

Starts a PostgreSQL of its own with the settings of local mode, fills it (filled_database.py) and runs the functions of
the product as the application role, under row-level security, for many different people of each kind and the busiest
of all. "wall" is a whole transaction on the wire, BEGIN to COMMIT; what Python makes of the rows is not in it. "cpu" is
what the server's process used for it, which says something on a busy machine too. Says which tables were read from
end to end meanwhile; --plans shows the slowest statement of each thing the busiest person does.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import random
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
from filled_database import Size, connect, filled

from local.postgres import Postgres
from local.processes import free_port
from wedsync.conversations import cursors, messages, search, threads
from wedsync.conversations.models import MessageQuery, NewMessage, ThreadQuery
from wedsync.conversations.replay import replay
from wedsync.conversations.search import SearchQuery
from wedsync.notifications import inbox
from wedsync.platform import db
from wedsync.platform.errors import NotFound

QUERIES = [
    "peonies",
    "deliveries ",
    "the",
    "flowers -roses",
    '"first dance"',
    "sate",
    "invoice paid",
    "kilu or bado",
]


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever asks, and some threads that he sees."""

    user_id: UUID
    threads: tuple[UUID, ...]
    kind: str = "user"


Act = Callable[[Person, random.Random], object]


def _sync(who: Person, chance: random.Random) -> object:
    known = chance.sample(who.threads, min(20, len(who.threads)))
    return replay(who, HEAD["token"], dict.fromkeys(known, (HEAD["epoch"], 1)), 20)


def _send(who: Person, chance: random.Random) -> object:
    return messages.send(
        who, chance.choice(who.threads), [NewMessage(message="On my way", client_msg_id=uuid4())]
    )


HEAD: dict[str, str] = {}  # where everybody's devices stand: token and epoch
ACTS: dict[str, Act] = {
    "page of 50 messages": lambda who, chance: messages.page(who, chance.choice(who.threads), MessageQuery()),
    "around a message": lambda who, chance: messages.page(
        who, chance.choice(who.threads), MessageQuery(around_seq=9)
    ),
    "20 threads": lambda who, _: threads.page(who, ThreadQuery(limit=20)),
    "20 unread threads": lambda who, _: threads.page(who, ThreadQuery(limit=20, unread=True)),
    "inbox of 20": lambda who, _: inbox.page(who, inbox.NotificationQuery(limit=20)),
    "unread counts": lambda who, _: cursors.unread(who),
    "search": lambda who, chance: search.page(who, SearchQuery(q=chance.choice(QUERIES))),
    "threads about": lambda who, chance: threads.page(who, ThreadQuery(limit=20, q=chance.choice(QUERIES))),
    "sync of 20 threads": _sync,
    "first sync": lambda who, _: replay(who, None, {}, 20),
    "send": _send,
}


class Meter:
    """Wall and CPU milliseconds of each transaction of `wedsync.platform.db`."""

    def __init__(self) -> None:
        self.taken: list[tuple[float, float]] = []
        self._run: Any = db._run  # pyright: ignore[reportPrivateUsage]
        db._run = self._measured  # pyright: ignore[reportPrivateUsage]

    def _measured(self, connection: Any, statements: Any) -> Any:
        before, began = _cpu(connection.info.backend_pid), time.perf_counter()
        try:
            return self._run(connection, statements)
        finally:
            wall = (time.perf_counter() - began) * 1e3
            self.taken.append((wall, _cpu(connection.info.backend_pid) - before))

    def percentiles(self) -> list[float]:
        """p50 and p95 wall, p95 CPU; empties the meter."""
        wall, cpu = (sorted(values) for values in zip(*self.taken, strict=True))
        self.taken.clear()
        return [wall[len(wall) // 2], wall[int(len(wall) * 0.95)], cpu[int(len(cpu) * 0.95)]]


def _cpu(pid: int) -> float:
    """Milliseconds a process has been on a processor (proc_pid_schedstat)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=Size().messages)
    parser.add_argument("--rounds", type=int, default=150)
    parser.add_argument("--plans", action="store_true")
    asked = parser.parse_args()
    size = Size(200, asked.messages // 500, asked.messages // 50, asked.messages)
    with tempfile.TemporaryDirectory(prefix="bench-database-") as home:
        server = Postgres(Path(home), free_port(), durable=False)
        server.prepare()
        server.start()
        try:
            _bench(server, size, asked.rounds, asked.plans)
        finally:
            server.stop()


def _bench(server: Postgres, size: Size, rounds: int, plans: bool) -> None:
    login = filled(server, size)
    connect(login)
    superuser = server.superuser(login.database).dsn
    people = _people(superuser)
    head = replay(people["planner"][0], None, {}, 1)
    HEAD.update(token=head.since, epoch=head.changed[0]["epoch"])
    print(f"\n{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {size}; ms", flush=True)
    before = _scanned(superuser)
    _measure(people, rounds)
    scanned = [table for table, n in _scanned(superuser).items() if n > before[table]]
    print(f"\nread from end to end while this ran: {', '.join(scanned) or 'no table'}")
    if plans:
        _explain(superuser, people["busiest planner"][0])


def _people(dsn: str) -> dict[str, list[Person]]:
    """60 people of each kind, whoever has most, and somebody who knows ids but is in nothing."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(_PEOPLE).fetchall()
    people: dict[str, list[Person]] = {}
    for kind, user_id, seen in rows:
        people.setdefault(kind, []).append(Person(user_id, tuple(seen)))
    people["outsider"] = [Person(uuid4(), each.threads) for each in people["vendor"][:20]]
    return people


_PEOPLE = """
    with seen as (
        select user_id, array_agg(thread_id order by md5(thread_id::text)) as threads from wedsync.thread_access
         where source = 'participant' group by user_id
    ), roles as (
        select distinct on (m.user_id) m.role, m.user_id, s.threads
          from wedsync.wedding_members m join seen s using (user_id)
    ), ranked as (
        select *, row_number() over (partition by role order by cardinality(threads) desc) as most,
               row_number() over (partition by role order by md5(user_id::text)) as n from roles
    )
    select role, user_id, threads[1:100] from ranked where n <= 60
    union all
    select 'busiest ' || role, user_id, threads[1:100] from ranked where most = 1 and role <> 'couple'
"""


def _measure(people: dict[str, list[Person]], rounds: int) -> None:
    meter, chance = Meter(), random.Random(1)  # noqa: S311
    width = max(17, *map(len, people))
    print(f"\n{'':20} " + "  ".join(f"{kind:>{width}}" for kind in people))
    print(f"{'':20} " + "  ".join(f"{'p50   p95   cpu95':>{width}}" for _ in people))
    for name, act in ACTS.items():
        figures: list[str] = []
        for group in people.values():
            for each in (*group, *chance.choices(group, k=rounds)):
                _do(act, each, chance)
            del meter.taken[: len(group)]  # the first time warms the caches
            figures.append("{:5.1f} {:5.1f} {:5.1f}".format(*meter.percentiles()))
        print(f"{name:20} " + "  ".join(f"{figure:>{width}}" for figure in figures), flush=True)


def _do(act: Act, who: Person, chance: random.Random) -> None:
    """An outsider is told that there is nothing, which takes its time too."""
    with contextlib.suppress(NotFound):
        act(who, chance)


def _scanned(dsn: str) -> dict[str, int]:
    """Sequential scans of every table that is not small."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "select relname, seq_scan from pg_stat_user_tables where schemaname = 'wedsync' and n_live_tup > 1000"
        ).fetchall()
    return dict(rows)


_TELLING = {
    "log_min_duration": "0",
    "log_analyze": "on",
    "log_nested_statements": "on",
    "log_level": "notice",
}


def _explain(dsn: str, who: Person) -> None:
    """auto_explain tells the plans, those inside functions too."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("alter role wedsync_app set session_preload_libraries = 'auto_explain'")
        for name, value in _TELLING.items():
            connection.execute(f"alter role wedsync_app set auto_explain.{name} = '{value}'".encode())
    if db._connection is not None:  # pyright: ignore[reportPrivateUsage]
        db._connection.close()  # pyright: ignore[reportPrivateUsage]
    chance, told = random.Random(1), list[str]()  # noqa: S311
    _do(ACTS["unread counts"], who, chance)
    connection = db._connection  # pyright: ignore[reportPrivateUsage]
    assert connection is not None  # noqa: S101
    connection.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
    for name, act in ACTS.items():
        told.clear()
        _do(act, who, chance)
        slowest = max(
            told, key=lambda plan: float(re.sub(r"^(?:duration: ([\d.]+))?.*", r"0\1", plan, flags=re.S))
        )
        print(f"\n## {name}\n{slowest}")


if __name__ == "__main__":
    main()
