"""CPU and memory of a running stack, by what its processes are (Linux)."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
LOOK_SECONDS = 2.0
RUNNER = "runner: gateways, queues, stand-ins"
# What somebody waits for; the others are started by queues and schedules.
AWAITED = ("RestFunction", "WebsocketFunction", "AuthorizerFunction")


class Meter:
    """Looks again and again, because a process that has ended tells nothing any more."""

    def __init__(self, runner: int) -> None:
        self._runner = runner
        self._cpu: dict[tuple[int, str], tuple[str, float]] = {}

    async def watch(self) -> None:
        """Until cancelled. Workers end after a minute without work: none of it is missed."""
        while True:
            self.cpu()
            await asyncio.sleep(LOOK_SECONDS)

    def cpu(self) -> dict[str, float]:
        """CPU seconds of every process seen so far, by part."""
        for pid, part, process in self._processes():
            fields = _fields(process)
            seconds = (int(fields[11]) + int(fields[12])) / TICKS
            self._cpu[pid, fields[19]] = part, seconds
        total: dict[str, float] = defaultdict(float)
        for part, seconds in self._cpu.values():
            total[part] += seconds
        return total

    def memory(self) -> dict[str, float]:
        """PSS in MiB by part: pages that are shared are divided among who shares them."""
        total: dict[str, float] = defaultdict(float)
        for _, part, process in self._processes():
            total[part] += _pss(process)
        return total

    def _processes(self) -> Iterator[tuple[int, str, Path]]:
        yield os.getpid(), "this benchmark", Path("/proc/self")
        for pid in (self._runner, *_below(self._runner)):
            process = Path(f"/proc/{pid}")
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                yield pid, RUNNER if pid == self._runner else _part(process), process


def since(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds between two readings, the most first."""
    spent = {part: seconds - before.get(part, 0.0) for part, seconds in after.items()}
    return dict(sorted(spent.items(), key=lambda each: -each[1]))


def _below(ancestor: int) -> Iterator[int]:
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            children[int(_fields(entry)[1])].append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    waiting = [*children[ancestor]]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children[pid]


def _part(process: Path) -> str:
    command = (process / "cmdline").read_bytes()
    if b"awslambdaric" in command:
        function = (process / "environ").read_bytes().partition(b"AWS_LAMBDA_FUNCTION_NAME=")[2]
        name = function.partition(b"\0")[0].decode()
        return "functions somebody waits for" if name in AWAITED else "functions of queues and schedules"
    if b"postgres" in command:
        return "PostgreSQL"
    return "AWS emulator" if b"ministack" in command else "other"


def _fields(process: Path) -> list[str]:
    """The fields of `stat` behind the name: state, parent, …"""
    return (process / "stat").read_text().rpartition(")")[2].split()


def _pss(process: Path) -> float:
    for line in (process / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0
