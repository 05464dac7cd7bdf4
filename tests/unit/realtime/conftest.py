"""A table of connections and a management API that answers as each test says."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock
from urllib.parse import unquote
from uuid import UUID

import pytest

from tests.fixtures.patient_lines import PatientLines
from tests.fixtures.stub_server import EMPTY_OK, Request, answer, serving
from tests.fixtures.table_server import TABLE, create_connections_table, dynamodb
from wedsync.platform import aws
from wedsync.realtime import connections, poster, sessions
from wedsync.realtime.connections import Connection

FOREVER = 2**40


@dataclass
class Gateway:
    """What was posted to each connection; `statuses` is what the next posts to one are answered with."""

    statuses: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    frames: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    sizes: list[int] = field(default_factory=list[int])
    closed: list[str] = field(default_factory=list[str])

    def reply(self, request: Request) -> bytes:
        connection_id = unquote(request.path.rpartition("/")[2])
        if request.method == "DELETE":
            self.closed.append(connection_id)
            return answer(204)
        statuses = self.statuses.get(connection_id, [])
        status = statuses.pop(0) if statuses else 200
        if status == 200:
            self.frames[connection_id].append(json.loads(request.body))
            self.sizes.append(len(request.body))
        return EMPTY_OK if status == 200 else answer(status)


@dataclass
class Queues:
    """What was put on each queue, by its name in upper case; one that is `down` takes nothing."""

    bodies: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    down: set[str] = field(default_factory=set[str])

    def reply(self, request: Request) -> bytes:
        asked = json.loads(request.body)
        name = asked["QueueUrl"].rpartition("/")[2]
        if name in self.down:
            return answer(503)
        self.bodies[name].extend(json.loads(entry["MessageBody"]) for entry in asked["Entries"])
        return answer(200, b"{}")


QUEUES = Queues()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with dynamodb(QUEUES.reply) as url:
        yield url


@pytest.fixture
def queues(table: None) -> Queues:
    """The queues beside the table, as a test begins."""
    QUEUES.bodies.clear()
    QUEUES.down.clear()
    return QUEUES


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("CONNECTIONS_TABLE", TABLE)
    for name in ("EVENTS", "EVENTS_EMERGENCY", "FANOUT", "FANOUT_EMERGENCY"):
        monkeypatch.setenv(f"{name}_QUEUE_URL", f"http://queues/{name}")
    monkeypatch.setattr(poster, "BUDGET_SECONDS", 5)  # a busy machine must not decide what arrives
    monkeypatch.setattr(sessions, "_renewals", {})
    lines = PatientLines()
    with mock.patch.object(aws, "LINES", lines), mock.patch.object(poster, "LINES", lines):
        yield
        lines.close()


@pytest.fixture
def table(endpoint: str, environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    create_connections_table()


@pytest.fixture
def gateway(environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    told = Gateway()
    with serving(told.reply) as stub:
        monkeypatch.setenv("CALLBACK_URL", f"{stub.url}/v1")
        yield told


def connect(user_id: UUID, connection_id: str, device_id: str = "phone", age: int = 60) -> Connection:
    """A connection in the table, opened `age` seconds ago."""
    opened = connections.opened(user_id, device_id, connection_id, FOREVER)
    older = replace(opened, connected_at=opened.connected_at - age)
    connections.register(older)
    return older
