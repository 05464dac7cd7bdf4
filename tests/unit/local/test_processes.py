"""Processes of the runner: their ports, their end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.processes import LocalError, free_port, require_port, spawn, stop

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
PARENT = """
import pathlib, subprocess, sys, time
from local.processes import spawn
sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
child = spawn(sleep, environment={}, cwd=pathlib.Path("."), output=subprocess.DEVNULL)
print(child.pid, flush=True)
time.sleep(60)
"""


def test_port_zero_is_any_free_one() -> None:
    assert require_port(0, "http") > 0
    assert require_port(port := free_port(), "http") == port


def test_a_port_that_is_taken_is_named_with_its_purpose() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(LocalError, match=rf"^port {port} \(ws\) cannot be used: Address already in use$"):
            require_port(port, "ws")


def test_a_process_that_will_not_stop_is_killed(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        process = spawn([sys.executable, "-c", STUBBORN], environment={}, cwd=tmp_path, output=log)
        while not (tmp_path / "log").read_bytes():
            time.sleep(0.02)

        stop(process, signal.SIGTERM, patience=0.1)

    assert process.returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux does it")
def test_a_child_dies_with_its_runner(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=root, stdout=subprocess.PIPE) as parent:  # noqa: S603
        assert parent.stdout is not None
        child = int(parent.stdout.readline())

        parent.kill()
        parent.wait()

    for _ in range(200):
        if not _lives(child):
            return
        time.sleep(0.02)
    raise AssertionError("the child outlived its parent")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
