"""Processes die at the worst moment: nothing acknowledged is lost, nothing happens twice."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest

from local.postgres import Postgres
from tests.fixtures.stack import Answer, RunningStack
from tests.fixtures.wedding_devices import Party


@pytest.fixture(scope="module", autouse=True)
def nothing_waits(stack: RunningStack) -> Iterator[None]:
    """What a killed worker had in hand comes back at once, not in the middle of other tests."""
    assert stack.local("POST", "/_local/event-sources", {"visibility_timeout": 0}).status == 200
    yield
    assert stack.local("POST", "/_local/event-sources", {}).status == 200


def database(stack: RunningStack) -> str:
    """How a superuser connects to the stack's database."""
    home = stack.data_dir / "postgres"
    port = int((home / "data" / "postmaster.pid").read_text().splitlines()[3])
    return Postgres(home, port).superuser("wedsync").dsn


@contextmanager
def locked(stack: RunningStack, thread: str) -> Iterator[Callable[[], bool]]:
    """Somebody else holds the lock that a send needs first; yields whether anybody waits for it."""
    with (
        psycopg.connect(database(stack)) as holding,
        psycopg.connect(database(stack), autocommit=True) as watching,
    ):
        holding.execute("select from wedsync.communication_threads where id = %s for update", [thread])
        yield lambda: bool(
            watching.execute("select pid from pg_stat_activity where wait_event_type = 'Lock'").fetchall()
        )


def stored(stack: RunningStack, thread: str) -> int:
    """How many messages are committed."""
    with psycopg.connect(database(stack)) as connection:
        return len(
            connection.execute(
                "select id from wedsync.thread_messages where thread_id = %s", [thread]
            ).fetchall()
        )


def wait_until(check: Callable[[], bool], seconds: float = 5.0) -> None:
    """Until `check()` is true. Raises AssertionError after `seconds`."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if check():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def listed(party: Party, thread: str) -> list[tuple[int, str]]:
    """Seq and text of a thread's messages, all pages."""
    found: list[tuple[int, str]] = []
    path = f"/threads/{thread}/messages?after_seq=0&limit=100"
    while True:
        page = party.call("ana", "GET", path).body
        found += [(message["seq"], message["message"]) for message in page["data"]]
        if page["next_cursor"] is None:
            return found
        path = f"/threads/{thread}/messages?limit=100&cursor={page['next_cursor']}"


def test_a_worker_killed_between_commit_and_answer_loses_and_repeats_nothing(
    stack: RunningStack, party: Party
) -> None:
    thread = party.thread("ana", "petra", "flora")
    message = {"client_msg_id": str(uuid4()), "message": "sent once"}

    with ThreadPoolExecutor() as pool:
        with locked(stack, thread) as waiting:
            first = pool.submit(party.call, "ana", "POST", f"/threads/{thread}/messages", message)
            wait_until(waiting)
            # The whole transaction is at the database; whoever sent it will not hear of its end.
            workers = stack.workers("RestFunction")
            for pid in workers:
                os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: stored(stack, thread) == 1)
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        lost = first.result(30)
    while (again := party.call("ana", "POST", f"/threads/{thread}/messages", message)).status == 503:
        assert again.body["code"] == "unavailable"  # it met another that was killed

    assert lost.status == 503
    assert lost.body["code"] == "unavailable"
    assert (again.status, again.body["duplicate"], again.body["seq"]) == (200, True, 2)
    assert listed(party, thread) == [(2, "sent once")]


def test_a_send_succeeds_while_the_connections_table_is_away(stack: RunningStack, party: Party) -> None:
    thread = party.thread("ana", "flora")

    stack.service("emulator", running=False)
    try:
        answer = party.send("ana", thread, "nobody hears this at once")
    finally:
        stack.service("emulator", running=True)

    assert answer.status == 201
    assert listed(party, thread) == [(2, "nobody hears this at once")]


def test_a_database_killed_under_load_loses_nothing_it_acknowledged(
    stack: RunningStack, party: Party
) -> None:
    thread = party.thread("ana", "petra", "flora")
    acknowledged: dict[str, int] = {}
    refusals: list[Answer] = []
    stop = threading.Event()

    def write(person: str) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            message = {"client_msg_id": str(uuid4()), "message": f"{person} {number}"}
            for _ in range(200):
                answer = party.call(person, "POST", f"/threads/{thread}/messages", message)
                if answer.status in (200, 201):
                    acknowledged[message["message"]] = answer.body["seq"]
                    break
                refusals.append(answer)
                time.sleep(0.05)

    with ThreadPoolExecutor() as pool:
        writers = [pool.submit(write, person) for person in ("ana", "petra", "flora")]
        wait_until(lambda: len(acknowledged) > 20)
        stack.service("database", running=False)
        wait_until(lambda: len(refusals) > 3, 10)
        stack.service("database", running=True)
        before = len(acknowledged)
        wait_until(lambda: len(acknowledged) > before + 20, 20)
        stop.set()
        for writer in writers:
            writer.result(30)

    assert {(answer.status, answer.body["code"]) for answer in refusals} == {(503, "unavailable")}
    assert all("retry-after" in answer.headers for answer in refusals)
    log = listed(party, thread)
    assert {text: seq for seq, text in log} == acknowledged
    assert [seq for seq, _ in log] == list(range(2, len(log) + 2))
