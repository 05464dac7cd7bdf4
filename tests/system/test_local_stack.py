"""One command on one machine: it starts, it stops, it goes on where it was."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import psutil
import pytest

from local.pg_binaries import Kind, available
from local.privileges import NOBODY, other_user
from tests.fixtures.stack import ROOT, RunningStack, start_stack

WEDDING = "0190a000-0000-7000-8000-000000000201"


def family(stack: RunningStack) -> list[psutil.Process]:
    runner = psutil.Process(stack.process.pid)
    return [runner, *runner.children(recursive=True)]


def create_thread(stack: RunningStack, subject: str) -> str:
    people = stack.people()
    wish = {"wedding_id": WEDDING, "subject": subject, "participants": [{"user_id": people["Flora"]}]}
    answer = stack.call("POST", "/threads", stack.token(people["Ana"]), wish)
    assert answer.status == 201, answer
    return str(answer.body["id"])


def eventually(holds: Any) -> None:
    for _ in range(400):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it never came true")


@pytest.fixture(params=["installed", "embedded"])
def kind(request: pytest.FixtureRequest) -> Kind:
    kind: Kind = request.param
    if not any(each.kind == kind for each in available()):
        pytest.skip(f"no {kind} PostgreSQL on this machine")
    return kind


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_a_second_start_goes_on_with_the_same_data_and_no_process_is_left(data_dir: Path) -> None:
    first = start_stack(data_dir)
    processes = family(first)
    thread_id = create_thread(first, "Kept")

    status = first.stop()

    assert status == 0
    assert not psutil.wait_procs(processes, timeout=5)[1]
    second = start_stack(data_dir)
    try:
        answer = second.call("GET", f"/threads/{thread_id}", second.token(second.people()["Flora"]))
        assert (answer.status, answer.body["subject"]) == (200, "Kept")
        mine = second.call("GET", "/me", second.token(second.people()["Phil"])).body
        assert len(mine["weddings"]) == 2
    finally:
        assert second.stop(signal.SIGINT) == 0


def test_a_killed_runner_takes_everything_with_it_and_its_data_are_good(data_dir: Path) -> None:
    first = start_stack(data_dir)
    processes = family(first)
    thread_id = create_thread(first, "Kept through a kill")

    first.process.kill()
    first.process.wait()

    assert not psutil.wait_procs(processes, timeout=10)[1]
    second = start_stack(data_dir)
    try:
        answer = second.call("GET", f"/threads/{thread_id}", second.token(second.people()["Ana"]))
        assert answer.status == 200
        assert create_thread(second, "After it")
    finally:
        second.stop()


@pytest.mark.parametrize("seconds", [0.1, 0.5, 0.9])
def test_a_stop_in_the_middle_of_a_start_leaves_nothing_and_says_nothing(
    data_dir: Path, seconds: float
) -> None:
    options = ["--data-dir", str(data_dir), "--http-port", "0", "--ws-port", "0"]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-m", "local", "up", *options], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    eventually((data_dir / "logs").exists)
    time.sleep(seconds)
    children = psutil.Process(process.pid).children(recursive=True)

    process.send_signal(signal.SIGTERM)
    _, complaints = process.communicate(timeout=20)

    assert (process.returncode, complaints) == (0, "")
    assert not psutil.wait_procs(children, timeout=5)[1]


def test_a_closed_terminal_stops_it_where_only_a_parent_that_waits_hears_of_it(data_dir: Path) -> None:
    ours, theirs = pty.openpty()
    options = ["--data-dir", str(data_dir), "--http-port", "0", "--ws-port", "0"]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-m", "local", "up", *options], cwd=ROOT, stdin=theirs, stderr=subprocess.PIPE
    )
    os.close(theirs)
    eventually((data_dir / "logs").exists)

    os.close(ours)
    _, complaints = process.communicate(timeout=20)

    assert (process.returncode, complaints) == (0, b"")


def test_fresh_forgets_everything(data_dir: Path) -> None:
    first = start_stack(data_dir)
    thread_id = create_thread(first, "Forgotten")
    first.stop()

    second = start_stack(data_dir, "--fresh")

    try:
        ana = second.token(second.people()["Ana"])
        assert second.call("GET", f"/threads/{thread_id}", ana).status == 404
        assert second.call("GET", "/threads", ana).body["data"] == []
    finally:
        second.stop()


def test_everything_listens_on_loopback_only(stack: RunningStack) -> None:
    listening: set[str] = set()
    for process in family(stack):
        with contextlib.suppress(psutil.NoSuchProcess):  # database sessions and workers come and go
            sockets = process.net_connections("inet")
            listening |= {each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN}

    assert listening == {"127.0.0.1"}


def test_the_stack_is_small(stack: RunningStack) -> None:
    """Each page counted once, however many workers share it."""
    used = 0
    for process in family(stack):
        with contextlib.suppress(psutil.NoSuchProcess):
            used += process.memory_full_info().pss

    assert used / 2**20 < 1500


def test_a_killed_worker_is_replaced(stack: RunningStack) -> None:
    before = stack.workers("RestFunction")

    for pid in before:
        os.kill(pid, signal.SIGKILL)

    eventually(lambda: stack.workers("RestFunction") not in ([], before))
    assert stack.call("GET", "/health").status == 200


def test_a_killed_database_comes_back_with_what_was_acknowledged(stack: RunningStack) -> None:
    thread_id = create_thread(stack, "Acknowledged")
    ana = stack.token(stack.people()["Ana"])

    stack.service("database", running=False)
    meanwhile = stack.call("GET", f"/threads/{thread_id}", ana)
    stack.service("database", running=True)

    assert (meanwhile.status, meanwhile.body["code"]) == (503, "unavailable")
    assert "retry-after" in meanwhile.headers
    eventually(lambda: stack.call("GET", f"/threads/{thread_id}", ana).status == 200)


def test_a_killed_emulator_comes_back_with_its_tables_queues_and_keys(stack: RunningStack) -> None:
    create_thread(stack, "Before")

    stack.service("emulator", running=False)
    meanwhile = stack.local("GET", "/_local/queues")
    page = stack.local("GET", "/")
    stack.service("emulator", running=True)

    assert (meanwhile.status, page.status) == (503, 200)

    queues = stack.local("GET", "/_local/queues").body["data"]
    assert {queue["queue"] for queue in queues} >= {"EventsQueue", "EventsQueueDead"}
    ana = stack.token(stack.people()["Ana"])
    device = str(uuid.uuid4())
    assert stack.call("POST", "/realtime/tickets", ana, {"device_id": device}).status in (200, 201)
    assert create_thread(stack, "After")


def run_up(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local", "up", *arguments]
    return subprocess.run(  # noqa: S603 - our own interpreter and program
        command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )


def test_a_port_in_use_is_told_in_one_line(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        done = run_up("--data-dir", str(data_dir), "--http-port", str(port), "--ws-port", "0")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: port {port} (http) cannot be used: Address already in use\n"


def test_a_data_directory_in_use_is_told_in_one_line(stack: RunningStack) -> None:
    done = run_up("--data-dir", str(stack.data_dir), "--http-port", "0", "--ws-port", "0")

    assert done.returncode == 1
    assert done.stderr == f"error: the data directory {stack.data_dir} is in use by another local stack\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs everything as one already")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_an_ordinary_user_starts_it_too(kind: Kind) -> None:
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, NOBODY, NOBODY)

        # The capability only lets him read this checkout and interpreter where they lie in root's home.
        running = start_stack(Path(home) / "data", kind=kind, prefix=other_user(NOBODY))

        try:
            assert {process.uids().effective for process in family(running)} == {NOBODY}
            assert create_thread(running, "As nobody")
        finally:
            assert running.stop() == 0
