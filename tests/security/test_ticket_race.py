"""A ticket opens one socket, also when many come with it in the same moment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from tests.fixtures.emulated_stack import emulator
from tests.fixtures.table_server import TABLE, create_connections_table
from wedsync.identity import tickets
from wedsync.identity.principals import Principal
from wedsync.platform import aws, wire
from wedsync.platform.errors import Unauthenticated

EMMA = Principal(UUID(int=7), "user", frozenset(), int(time.time()) + 3600)


class UnsharedLines(wire.Lines):
    """Keeps no connection, so that threads can play environments that know nothing of each other."""

    def release(self, line: wire.Line) -> None:
        line.close()


@pytest.fixture
def table(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The connections table in an emulator that serves requests side by side, as DynamoDB does."""
    with emulator(tmp_path_factory.mktemp("tickets")) as url:
        for name, value in {
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "CONNECTIONS_TABLE": TABLE,
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(aws, "LINES", UnsharedLines())
        create_connections_table()
        yield


@pytest.mark.usefixtures("table")
def test_of_many_with_the_same_ticket_one_is_let_in() -> None:
    def let_in(ticket: str) -> bool:
        try:
            return tickets.redeem(ticket, "phone-1") == EMMA
        except Unauthenticated:
            return False

    with ThreadPoolExecutor(8) as crowd:
        for _ in range(5):
            ticket = tickets.issue(EMMA, "phone-1")
            assert sum(crowd.map(let_in, [ticket] * 16)) == 1
