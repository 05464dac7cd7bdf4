"""What every figure is printed with: the machine and its load; and how many figures become three."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path


def describe() -> str:
    """Processor, cores, load of the last minute, Python."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    model = text.partition("model name")[2].partition(":")[2].partition("\n")[0].strip()
    return (
        f"{model or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}"
    )


def percentiles(seconds: Sequence[float]) -> str:
    """p50, p95 and p99 in milliseconds."""
    ordered = sorted(seconds)
    if not ordered:
        return "none"
    found = {p: ordered[min(len(ordered) - 1, len(ordered) * p // 100)] * 1000 for p in (50, 95, 99)}
    return "   ".join(f"p{p} {value:7.1f}" for p, value in found.items()) + f"   of {len(ordered):,}"
