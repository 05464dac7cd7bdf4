"""A stack of its own for a benchmark."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]


@contextmanager
def stack(directory: Path, checkout: Path = ROOT) -> Generator[tuple[str, int]]:
    """A running stack of a checkout: the address of its HTTP side, and the pid of its runner."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # for sockets, on both sides
    command = [sys.executable, "-m", "local", "up", "--data-dir", str(directory)]
    process = subprocess.Popen(
        [*command, "--http-port", "0", "--ws-port", "0"], cwd=checkout, stdout=subprocess.PIPE, text=True
    )
    try:
        ready = next((line for line in process.stdout or () if line.startswith("ready ")), None)
        if ready is None:
            raise SystemExit("the stack did not start")
        yield dict(part.split("=", 1) for part in ready.split()[1:])["console"].rstrip("/"), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
