"""CPU of a cold start: what a new worker of each function uses to be ready, and for its first request.

    .venv/bin/python bench/coldstart.py [--rounds 7]

Starts a stack of its own, kills the worker of a function, waits for the next one, asks it one thing. The figures are
what the kernel counts for that process, the runtime client and the interpreter included; medians, lowest and highest.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import signal
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import aiohttp
from local_stack import stack

ANA = "0190a000-0000-7000-8000-000000000101"
NANOSECONDS = 1_000_000


def cpu_ms(pid: int) -> float:
    """CPU that a process has used so far."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / NANOSECONDS


class Asking:
    """One request that reaches one function."""

    def __init__(self, http: aiohttp.ClientSession, console: str) -> None:
        self._http = http
        self.console = console

    async def token(self) -> str:
        """A token that the gateway has not seen: it asks the authorizer."""
        async with self._http.post(f"{self.console}/_local/tokens", json={"user_id": ANA}) as answer:
            return (await answer.json())["access_token"]

    async def threads(self, token: str) -> None:
        """GET /threads: REST, and the authorizer for a new token."""
        headers = {"Authorization": f"Bearer {token}"}
        async with self._http.get(f"{self.console}/v1/threads", headers=headers) as answer:
            answer.raise_for_status()

    async def ticket(self, token: str) -> tuple[str, str]:
        """The address of a socket and its device."""
        device, headers = str(uuid4()), {"Authorization": f"Bearer {token}"}
        url = f"{self.console}/v1/realtime/tickets"
        async with self._http.post(url, json={"device_id": device}, headers=headers) as answer:
            found = await answer.json()
        return f"{found['url']}?ticket={found['ticket']}&device_id={device}", device

    async def sync(self, url: str) -> None:
        """Connect and catch up: the WebSocket function."""
        async with self._http.ws_connect(url) as socket:
            await socket.send_json({"action": "sync", "id": "s"})
            while (await socket.receive_json())["type"] != "synced":
                pass

    async def pid(self, function: str, but: int) -> int:
        """The worker of a function that is not the one just killed, once it waits for work."""
        while True:
            async with self._http.get(f"{self.console}/_local/functions") as answer:
                listed = {each["function"]: each["pids"] for each in (await answer.json())["data"]}
            others = [pid for pid in listed[function] if pid != but]
            if others and await _idle(others[0]):
                return others[0]
            await asyncio.sleep(0.05)


async def _idle(pid: int) -> bool:
    try:
        before = cpu_ms(pid)
        await asyncio.sleep(0.3)
        return before > 20 and cpu_ms(pid) - before < 1
    except FileNotFoundError:
        return False


async def measure(
    asking: Asking,
    function: str,
    rounds: int,
    request: Callable[[], Awaitable[Callable[[], Awaitable[None]]]],
) -> list[tuple[float, float]]:
    """Ready and first request, in ms of CPU, of `rounds` new workers."""
    found: list[tuple[float, float]] = []
    pid = await asking.pid(function, 0)
    for _ in range(rounds):
        prepared = await request()
        os.kill(pid, signal.SIGKILL)
        pid = await asking.pid(function, pid)
        ready = cpu_ms(pid)
        await prepared()
        await asyncio.sleep(0.1)
        found.append((ready, cpu_ms(pid) - ready))
    return found


async def run(console: str, rounds: int) -> None:
    """Measure each function and print."""
    async with aiohttp.ClientSession() as http:
        asking = Asking(http, console)

        async def threads_with_known_token() -> Callable[[], Awaitable[None]]:
            token = await asking.token()
            await asking.threads(token)
            return lambda: asking.threads(token)

        async def threads_with_new_token() -> Callable[[], Awaitable[None]]:
            token = await asking.token()
            return lambda: asking.threads(token)

        async def catching_up() -> Callable[[], Awaitable[None]]:
            url, _ = await asking.ticket(await asking.token())
            return lambda: asking.sync(url)

        print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
        print(f"{rounds} new workers each")
        print("CPU, ms: median (lowest-highest)      ready                first request        together")
        for function, request in {
            "AuthorizerFunction": threads_with_new_token,
            "RestFunction": threads_with_known_token,
            "WebsocketFunction": catching_up,
        }.items():
            found = await measure(asking, function, rounds, request)
            columns = [[a for a, _ in found], [b for _, b in found], [a + b for a, b in found]]
            print(f"{function:36}  " + "".join(f"{_spread(column):21}" for column in columns))


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.0f} ({min(values):.0f}-{max(values):.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="wedsync-bench-"))
    try:
        with stack(directory) as (console, _):
            asyncio.run(run(console, options.rounds))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
