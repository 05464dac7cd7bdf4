"""Thousands of sockets cut at once: how long until all are back, and whether anything was lost.

    .venv/bin/python bench/herd.py [--sockets 10000] [--processes 2] [--quota-only]

People with a socket each talk in threads of ten. All lines are cut; meanwhile somebody writes in some of the threads.
Each client asks for a ticket, opens a socket when the gateway's quota (500 new connections a second) lets it, with full
jitter after each refusal, and syncs. `--quota-only` puts functions behind the gateway that cost nothing, and leaves out
tickets and syncs: what quota and back-off allow, whatever the machine can do.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvloop
from consumption import Meter, since
from gateway import Nothing
from herd_clients import Identity, live
from machine import describe
from people import gather
from soak_stack import SoakStack
from weddings import wedding_of

from local.gateway_context import Place
from local.model import LambdaIntegration, SocketApi, SocketRoute
from local.websocket_gateway import WebSocketGateway

IN_THREAD = 10
LOOK_SECONDS = 0.5
PATIENCE_SECONDS = 900.0


@dataclass
class Report:
    """What the processes say: when who was back, what was done for it, and how far each device is."""

    back: list[float]
    did: Counter[str]
    seqs: dict[str, dict[str, int]]


class Processes:
    """The clients' processes."""

    def __init__(self, url: str, people: Sequence[Identity], count: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        for number in range(count):
            pipe, other = spawn.Pipe()
            spawn.Process(target=live, args=(other, url, people[number::count]), daemon=True).start()
            self._pipes.append(pipe)
        self._count = len(people)

    async def ask(self, what: float | None) -> Report:
        """How things are; a time tells that of the cut."""
        for pipe in self._pipes:
            pipe.send(what)
        parts: list[Any] = [await asyncio.to_thread(pipe.recv) for pipe in self._pipes]
        seqs = {device: known for part in parts for device, known in part[2].items()}
        back = sorted(at for part in parts for at in part[0].values())
        return Report(back, sum((Counter(part[1]) for part in parts), Counter()), seqs)

    async def heard(self, message: str) -> list[float]:
        """When a message arrived, by its client_msg_id."""
        for pipe in self._pipes:
            pipe.send(message)
        return [at for pipe in self._pipes for at in await asyncio.to_thread(pipe.recv)]

    async def all_back(self) -> Report:
        """Once they are, or patience has ended."""
        began = told = time.monotonic()
        while True:
            report = await self.ask(None)
            now = time.monotonic()
            if len(report.back) >= self._count or now - began > PATIENCE_SECONDS:
                return report
            if now - told > 10:
                told = now
                print(f"  {len(report.back):,} after {now - began:.0f} s {dict(report.did)}", flush=True)
            await asyncio.sleep(LOOK_SECONDS)

    def end(self) -> None:
        """The processes end."""
        for pipe in self._pipes:
            pipe.send(False)


async def measure(
    processes: Processes,
    cut: Callable[[], Awaitable[None]],
    write: Callable[[], Awaitable[dict[str, int]]],
    meter: Meter,
) -> None:
    """Connect, cut, look, print."""
    began = time.monotonic()
    first = await processes.all_back()
    print(f"{len(first.back):,} sockets opened in {time.monotonic() - began:.0f} s", flush=True)
    before = meter.cpu()
    watching = asyncio.create_task(meter.watch())
    await cut()
    at = time.monotonic()
    await processes.ask(at)
    heads = await write()
    report = await processes.all_back()
    spent = since(before, meter.cpu())
    watching.cancel()
    back = [each - at for each in report.back]
    print(f"{len(back):,} of {len(first.back):,} are back, {dict(report.did)}")
    for part in (0.5, 0.95, 0.99, 1.0):
        print(f"  {part:4.0%} after {back[min(len(back) - 1, int(len(back) * part))]:6.1f} s")
    behind = sum(
        known[thread] < heads[thread] for known in report.seqs.values() for thread in known if thread in heads
    )
    print(f"  {len(heads)} threads were written in meanwhile: {behind} devices are behind")
    print(f"  CPU seconds for 1,000 sockets: {sum(spent.values()) / len(back) * 1000:.1f}")
    for name, seconds in spent.items():
        print(f"    {name:36}{seconds / len(back) * 1000:7.2f}")


async def whole(options: argparse.Namespace, stack: SoakStack) -> None:
    """The product: tickets, authorizer, registration, sync."""
    people = [str(uuid4()) for _ in range(options.sockets)]
    threads: dict[str, str] = {}

    async def wedding(number: int) -> None:
        among = people[number : number + IN_THREAD]
        wedding_id = wedding_of(stack, among)
        others = [{"user_id": each} for each in among[1:]]
        asked = {"wedding_id": wedding_id, "subject": "The day", "participants": others}
        threads[(await stack.call(among[0], "POST", "/threads", asked))["id"]] = among[0]

    async def write() -> dict[str, int]:
        heads: dict[str, int] = {}
        for thread in list(threads)[:: max(1, len(threads) // 50)]:
            message = {"client_msg_id": str(uuid4()), "message": "Where is everybody?"}
            sent = await stack.call(threads[thread], "POST", f"/threads/{thread}/messages", message)
            heads[thread] = sent["seq"]
        return heads

    async def cut() -> None:
        await stack.local("POST", "/chaos", {"cut": "all"})

    await gather(wedding(number) for number in range(0, len(people), IN_THREAD))
    print(f"{len(people):,} people in {len(threads):,} threads", flush=True)
    identities = [Identity(await stack.token(each)(), each) for each in people]
    processes = Processes(stack.api, identities, options.processes)
    try:
        await measure(processes, cut, write, Meter(stack.pid))
    finally:
        processes.end()


async def quota_only(options: argparse.Namespace) -> None:
    """The gateway in this process, before functions that cost nothing."""

    async def write() -> dict[str, int]:
        return {}

    async def cut() -> None:
        gateway.cut()

    function = LambdaIntegration("Function")
    routes = {key: SocketRoute(key, function, True, None) for key in ("$connect", "$default")}
    api = SocketApi("Bench", "bench", "v1", "$request.body.action", routes, None)
    gateway = WebSocketGateway(api, Nothing(), Place("eu-west-1", "0"), {})
    async with AsyncExitStack() as opened:
        port = await gateway.start("127.0.0.1", 0)
        opened.push_async_callback(gateway.stop)
        people = [Identity("", str(number)) for number in range(options.sockets)]
        processes = Processes(f"ws://127.0.0.1:{port}/v1", people, options.processes)
        opened.callback(processes.end)
        await measure(processes, cut, write, Meter(os.getpid()))


def main() -> None:
    """Print the figures and the machine."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sockets", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=2, help="that the clients live in")
    parser.add_argument("--quota-only", action="store_true", help="before functions that cost nothing")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(describe(), flush=True)
    if options.quota_only:
        uvloop.run(quota_only(options))
        return
    folder = Path(tempfile.mkdtemp(prefix="wedsync-herd-"))
    (folder / "stack").mkdir()
    stack = SoakStack(folder / "stack")
    stack.start()
    try:
        uvloop.run(whole(options, stack))
    finally:
        stack.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
