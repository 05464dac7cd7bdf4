"""Child processes that cannot outlive the runner, and loopback ports."""

from __future__ import annotations

import asyncio
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_LOWEST_PORT, _EPHEMERAL_PORTS = 15_000, 32_768
_PATIENCE = 20
_named: set[int] = set()
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class LocalError(Exception):
    """Something on this machine is in the way; the message is one line for the person who ran the command."""


def tied_to(parent: int, death_signal: signal.Signals) -> Callable[[], None]:
    """What a forked child runs first: the kernel sends it `death_signal` when the runner dies (Linux).

    Fork from a thread that lives as long as the runner: the kernel takes its death for the parent's.
    """

    def tie() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, death_signal)
            if os.getppid() != parent:
                os._exit(1)

    return tie


def spawn(
    argv: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    cwd: Path,
    output: IO[bytes] | int,
    death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a process in its own session, which the death of the runner, or of this thread, ends."""
    return subprocess.Popen(
        [str(part) for part in argv],
        env=dict(environment),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=tied_to(os.getpid(), death_signal),
    )


async def spawn_watched(
    argv: Sequence[str | Path], *, environment: Mapping[str, str], cwd: Path, output: IO[bytes]
) -> asyncio.subprocess.Process:
    """The same for a process whose end the event loop waits for."""
    return await asyncio.create_subprocess_exec(
        *map(str, argv),
        env=dict(environment),
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=tied_to(os.getpid(), signal.SIGKILL),
    )


async def give_way(pid: int, niceness: int) -> None:
    """Let a process, which leads its session, take less time than ours: a third with 5, a tenth with 10."""
    if not niceness:
        return
    os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + niceness)
    for _ in range(_PATIENCE):
        if _session_gives_way(pid, niceness):
            return
        await asyncio.sleep(0.1)


def _session_gives_way(pid: int, niceness: int) -> bool:
    """Linux shares time among sessions (sched(7), autogroup) before it looks at the niceness of their processes.

    False if it has to be tried again.
    """
    try:
        Path(f"/proc/{pid}/autogroup").write_text(str(niceness))
    except BlockingIOError:  # the kernel takes ten a second from an ordinary user
        return False
    except OSError:  # this machine has no such thing
        return True
    return True


def stop(process: subprocess.Popen[bytes], sig: signal.Signals, patience: float) -> None:
    """Send `sig`, wait `patience` seconds, then kill the whole session of the process."""
    if process.poll() is None:
        process.send_signal(sig)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def works_in(pid: int, directory: Path) -> bool:
    """True when the process lives and works in that directory, as a postmaster does (Linux)."""
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == directory.resolve()
    except OSError:
        return False


def free_port() -> int:
    """A loopback TCP port that is free now, and that this process was not told of before.

    It lies below the range that systems take for outgoing connections, one of which could take it meanwhile.
    """
    while True:
        port = _LOWEST_PORT + secrets.randbelow(_EPHEMERAL_PORTS - _LOWEST_PORT)
        if port not in _named and _bind_error(port) is None:
            _named.add(port)
            return port


def require_port(port: int, purpose: str) -> int:
    """`port` if it can be bound on loopback, any free one for 0.

    Raises: LocalError when it is taken.
    """
    if port == 0:
        return free_port()
    reason = _bind_error(port)
    if reason is not None:
        raise LocalError(f"port {port} ({purpose}) cannot be used: {reason}")
    return port


def _bind_error(port: int) -> str | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return os.strerror(error.errno or 0)
    return None
