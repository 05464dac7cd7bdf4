"""The pipeline's own cost: deliveries planned, claimed, and claimed, read and recorded, per second.

    .venv/bin/python bench/notifications.py [--messages 400] [--people 6] [--workers 2]

A PostgreSQL of its own, not durable and on the same machine; the queues are a canned server in a process of its own,
and no provider is called. Each worker is a process with one connection, as an execution environment of Lambda.
"""

from __future__ import annotations

import argparse
import base64
import json
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "layers" / "core"))

from local.postgres import Postgres
from local.processes import free_port
from wedsync.conversations import messages, threads
from wedsync.conversations.models import NewMessage, NewThread
from wedsync.notifications import deliveries, planner, worker
from wedsync.notifications.deliveries import Accepted
from wedsync.platform import aws, db
from wedsync.platform.context import Acting
from wedsync.platform.migrations import migrate

ROOT = Path(__file__).parents[1]
KEY = bytes(range(32))
EVENTS_PER_RECORD = 10
QUEUES = [f"{name}_QUEUE_URL" for name in ("EVENTS", "INBOX", "PUSH", "EMAIL", "SMS")]


@dataclass(frozen=True)
class BackEnd:
    """The platform, which states the directory."""

    user_id: UUID
    kind: str = "service"


class Canned(BaseHTTPRequestHandler):
    """Secrets Manager, SQS and DynamoDB: the context key, or everything taken, or nobody connected."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        key = {"current": 1, "keys": {"1": base64.b64encode(KEY).decode()}}
        body = json.dumps({"SecretString": json.dumps(key), "Responses": {}}).encode()
        self.send_response_only(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its signature)
        """Says nothing."""


def serve(port: int) -> None:
    """The canned server, until the process is ended."""
    ThreadingHTTPServer(("127.0.0.1", port), Canned).serve_forever()


def environment(server: Postgres, role: str, port: int) -> None:
    """This process is a function that connects as `role`."""
    login = server.master("bench")
    named = {
        "DATABASE_HOST": login.host,
        "DATABASE_PORT": str(login.port),
        "DATABASE_NAME": "bench",
        "DATABASE_USER": role,
        "DATABASE_PASSWORD": "bench",
        "DATABASE_AUTH": "password",
        "DATABASE_TLS": "disable",
        "DATABASE_PIPELINE": "true",
        "CONTEXT_KEY_SECRET": "context-keys",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "CONNECTIONS_TABLE": "connections",
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "LOG_LEVEL": "WARNING",
    }
    os.environ.update(named | {name: f"http://127.0.0.1/{name}" for name in QUEUES})
    db._connection = None  # pyright: ignore[reportPrivateUsage]
    aws.LINES.close()


def prepare(server: Postgres) -> None:
    """A migrated database whose roles have a password."""
    server.prepare()
    server.start()
    with psycopg.connect(server.master("postgres").dsn, autocommit=True) as connection:
        connection.execute("create database bench")
    migrate(server.master("bench").dsn, ROOT / "schema", {1: KEY})
    with psycopg.connect(server.master("bench").dsn, autocommit=True) as connection:
        for role in ("wedsync_app", "wedsync_worker"):
            connection.execute(sql.SQL("alter role {} password 'bench'").format(sql.Identifier(role)))


def write(count: int, size: int) -> list[planner.Named]:
    """Urgent messages in a thread of `size` people, half as many threads as records; their events."""
    service, people, wedding, host = BackEnd(uuid4()), [uuid4() for _ in range(size)], uuid4(), uuid4()
    statements: list[db.Statement] = [
        ("select app.put_organization(%(o)s, 'Bench', 'planner', true)", {"o": host}),
        *(
            (
                "select app.put_user(%(u)s, %(n)s, %(e)s, %(p)s, 'en', 'UTC')",
                {"u": person, "n": f"P{i}", "e": f"p{i}@example.com", "p": f"+4477009{i:05}"},
            )
            for i, person in enumerate(people)
        ),
        (
            "select app.put_wedding(%(w)s, %(o)s, 'Bench', '2030-06-01', 'UTC', null, null, null, 'planned')",
            {"w": wedding, "o": host},
        ),
        *(
            (
                "select app.put_wedding_member(%(w)s, %(u)s, 'couple', null, null, false)",
                {"w": wedding, "u": person},
            )
            for person in people
        ),
    ]
    db.transaction(service, *statements)
    author, others = Acting(people[0], "user"), [{"user_id": person} for person in people[1:]]
    stated = {"wedding_id": wedding, "subject": "Bench", "participants": others}
    events: list[planner.Named] = []
    while len(events) < count:
        thread = UUID(threads.create(author, NewThread.model_validate(stated)).answer["id"])
        batch = [
            NewMessage(message="On my way", client_msg_id=uuid4(), priority_level="urgent") for _ in range(20)
        ]
        sent = messages.send(author, thread, batch).answer.results
        events += [planner.Named(thread, each.message["seq"]) for each in sent if each.message]
    return events[:count]


def claim_all(
    server: Postgres, port: int, ids: list[UUID], rest: bool, begin: Barrier, took: Queue[float]
) -> None:
    """In a process of its own: claim these by portions, with `rest` also read and record each."""
    environment(server, "wedsync_worker", port)
    deliveries.claim([uuid4()])  # connected
    begin.wait()
    for first in range(0, len(ids), worker.PORTION):
        claimed = deliveries.claim(ids[first : first + worker.PORTION])
        if len(claimed) < len(ids[first : first + worker.PORTION]):
            raise SystemExit("a delivery was not to be had")
        if rest:
            deliveries.texts((each.user_id, each.message_id) for each in claimed)
            for each in claimed:
                deliveries.record(each, Accepted("bench", str(each.delivery_id)))
    took.put(time.monotonic())


def claims(server: Postgres, port: int, ids: list[UUID], workers: int, rest: bool) -> float:
    """Deliveries per second, by so many workers."""
    begin, took = multiprocessing.Barrier(workers + 1), multiprocessing.Queue()
    running = [
        multiprocessing.Process(
            target=claim_all, args=(server, port, ids[number::workers], rest, begin, took)
        )
        for number in range(workers)
    ]
    for process in running:
        process.start()
    begin.wait()
    began = time.monotonic()
    last = max(took.get() for _ in running)
    for process in running:
        process.join()
    return len(ids) / (last - began)


def main() -> None:
    """Print the figures and the machine."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=400)
    options.add_argument("--people", type=int, default=6)
    options.add_argument("--workers", type=int, default=2)
    asked = options.parse_args()
    port = free_port()
    canned = multiprocessing.Process(target=serve, args=(port,), daemon=True)
    canned.start()
    with tempfile.TemporaryDirectory() as folder:
        server = Postgres(Path(folder), free_port(), durable=False)
        try:
            prepare(server)
            environment(server, "wedsync_app", port)
            events = write(asked.messages, asked.people)
            environment(server, "wedsync_worker", port)
            began = time.monotonic()
            done = [
                planner.plan(events[start : start + EVENTS_PER_RECORD])
                for start in range(0, len(events), EVENTS_PER_RECORD)
            ]
            seconds = time.monotonic() - began
            with psycopg.connect(server.superuser("bench").dsn) as connection:
                ids = [row[0] for row in connection.execute("select id from wedsync.deliveries order by id")]
            half = len(ids) // 2
            claimed = claims(server, port, ids[:half], asked.workers, rest=False)
            whole = claims(server, port, ids[half:], asked.workers, rest=True)
        finally:
            server.stop()
            canned.terminate()
    planned, told = sum(each.deliveries for each in done), sum(each.messages for each in done)
    print(
        f"planned   {planned / seconds:6.0f} deliveries/s, one planner, {planned / told:.0f} to a queue message"
    )
    print(f"claimed   {claimed:6.0f} /s, {asked.workers} workers")
    print(f"delivered {whole:6.0f} /s, {asked.workers} workers: claimed, read and recorded")
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")


if __name__ == "__main__":
    main()
