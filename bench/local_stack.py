"""A stack of its own for a benchmark, and the CPU that its parts have used."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def stack(directory: Path) -> Generator[tuple[str, int]]:
    """A running stack: the address of its HTTP side, and the pid of its runner."""
    command = [
        sys.executable,
        "-m",
        "local",
        "up",
        "--data-dir",
        str(directory),
        "--http-port",
        "0",
        "--ws-port",
        "0",
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        ready = next((line for line in process.stdout or () if line.startswith("ready ")), None)
        if ready is None:
            raise SystemExit("the stack did not start")
        yield dict(part.split("=", 1) for part in ready.split()[1:])["console"].rstrip("/"), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def cpu_seconds(runner: int) -> dict[str, float]:
    """CPU used so far by the runner and everything below it, by what it is."""
    parents: dict[int, int] = {}
    used: dict[int, tuple[str, float]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        fields = stat.rpartition(")")[2].split()
        parents[int(entry.name)] = int(fields[1])
        used[int(entry.name)] = command, (int(fields[11]) + int(fields[12])) / TICKS
    total: dict[str, float] = {}
    for pid, (command, seconds) in used.items():
        if _descends(pid, runner, parents):
            part = _part(pid == runner, command)
            total[part] = total.get(part, 0.0) + seconds
    return total


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid > 1 and pid != ancestor:
        pid = parents.get(pid, 0)
    return pid == ancestor


def _part(is_runner: bool, command: str) -> str:
    if is_runner:
        return "gateways and runner"
    kinds = {"awslambdaric": "functions", "postgres": "PostgreSQL", "ministack": "AWS emulator"}
    return next((kind for word, kind in kinds.items() if word in command), "other")
