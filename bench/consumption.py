"""CPU and memory of a running stack, by what its processes are (Linux)."""

from __future__ import annotations

import os
import resource
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
RUNNER, ENDED, BENCH = "runner: gateways, queues, stand-ins", "workers that have ended", "this benchmark"
# What somebody waits for; the others are started by queues and schedules.
AWAITED = ("RestFunction", "WebsocketFunction", "AuthorizerFunction")


@dataclass(frozen=True)
class Used:
    """CPU seconds so far and PSS in MiB: shared pages are counted once, divided among who shares them."""

    cpu: Mapping[str, float]
    memory: Mapping[str, float]


def used(runner: int) -> Used:
    """What the runner, everything below it and this process have used, by part."""
    cpu: dict[str, float] = defaultdict(float)
    memory: dict[str, float] = defaultdict(float)
    for pid in (runner, *_below(runner)):
        process = Path(f"/proc/{pid}")
        try:
            part = RUNNER if pid == runner else _part(process)
            own, ended = _cpu(process)
            cpu[part] += own
            cpu[ENDED if pid == runner else part] += ended
            memory[part] += _pss(process)
        except (FileNotFoundError, ProcessLookupError):
            continue
    own = resource.getrusage(resource.RUSAGE_SELF)
    return Used({**cpu, BENCH: own.ru_utime + own.ru_stime}, {**memory, BENCH: _pss(Path("/proc/self"))})


def since(before: Used, after: Used) -> dict[str, float]:
    """CPU seconds between two readings, the most first."""
    spent = {part: seconds - before.cpu.get(part, 0.0) for part, seconds in after.cpu.items()}
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


def _cpu(process: Path) -> tuple[float, float]:
    """Its own, and that of its children that have ended."""
    fields = [int(field) / TICKS for field in _fields(process)[11:15]]
    return fields[0] + fields[1], fields[2] + fields[3]


def _pss(process: Path) -> float:
    for line in (process / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0
