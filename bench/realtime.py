"""Delivery of live messages: to the last of 10 to 1,000 connections, with thousands of sockets open, under load.

    .venv/bin/python bench/realtime.py [--sockets 1000 10000] [--background 0 200] [--draw docs/pictures/delivery.svg]

A hundred people have ten devices each; some of them, or all, are in the thread of a size, the others only have a socket
open. One message after the other is sent over REST, a moment after the last has arrived everywhere. Background messages
come from pairs of people who send over sockets at a rate, whatever becomes of them. The clients run on the same machine
and take their share. Emergencies among too many ordinary messages: send.py.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import aiohttp
import uvloop
from background import Background
from consumption import RUNNER, Meter, since
from delivery_drawing import Line, drawing
from herd import Processes
from herd_clients import Identity
from machine import describe, percentiles
from people import gather
from soak_stack import SoakStack
from weddings import wedding_of

DEVICES = 10
GROUPS = (10, 50, 200, 1000)
ARRIVAL_SECONDS = 10.0


@dataclass
class Bench:
    """One stack, the thread of each size, and what was found so far."""

    options: argparse.Namespace
    stack: SoakStack
    meter: Meter
    http: aiohttp.ClientSession
    people: list[str] = field(default_factory=list[str])
    threads: dict[int, str] = field(default_factory=dict[int, str])
    crowd: list[Processes] = field(default_factory=list[Processes])
    open: int = 0
    lines: list[Line] = field(default_factory=list[Line])

    async def prepare(self) -> None:
        """The hundred and their threads; the largest has all of them."""
        self.people = [str(uuid4()) for _ in range(max(GROUPS) // DEVICES)]
        wedding = wedding_of(self.stack, self.people)
        for size in GROUPS:
            others = [{"user_id": each} for each in self.people[1 : size // DEVICES]]
            asked = {"wedding_id": wedding, "subject": f"For {size}", "participants": others}
            self.threads[size] = (await self.stack.call(self.people[0], "POST", "/threads", asked))["id"]

    async def open_sockets(self, until: int) -> None:
        """So many altogether: first those of the hundred, then others'."""
        before, began = self.meter.memory(), time.monotonic()
        if not self.crowd:
            devices = [(person, f"{person}-{n}") for n in range(DEVICES) for person in self.people]
        else:
            idle = [str(uuid4()) for _ in range((until - self.open) // DEVICES)]
            wedding_of(self.stack, idle)
            devices = [(person, f"{person}-{n}") for n in range(DEVICES) for person in idle]
        identities = [Identity(await self.stack.token(person)(), name) for person, name in devices]
        self.crowd.append(Processes(self.stack.api, identities, 1))
        await self.crowd[-1].all_back()
        after, self.open = self.meter.memory(), self.open + len(devices)
        print(f"{self.open:,} sockets, the last {len(devices):,} in {time.monotonic() - began:.0f} s")
        grown = (after[RUNNER] - before.get(RUNNER, 0.0)) * 1024 / len(devices)
        print(f"  {grown:.1f} KiB (PSS) of the gateways' process for each of them", flush=True)

    async def deliver(self, size: int) -> list[float]:
        """Seconds to the last connection of the thread, message by message; one that did not come is left out."""
        found: list[float] = []
        for _ in range(self.options.messages):
            name, began = str(uuid4()), time.monotonic()
            message = {"client_msg_id": name, "message": "The cake is here"}
            await self._post(f"/threads/{self.threads[size]}/messages", message)
            while time.monotonic() < began + ARRIVAL_SECONDS:
                times = await self.crowd[0].heard(name)
                if len(times) >= size:
                    found.append(max(times) - began)
                    break
                await asyncio.sleep(0.02)
            await asyncio.sleep(self.options.pause)
        return found

    async def measure(self, rate: float) -> None:
        """All sizes, at so many background messages a second."""
        load = Background(self.stack, self.http, rate)
        async with load.running():
            for size in GROUPS:
                before = self.meter.cpu()
                took = await self.deliver(size)
                spent = sum(
                    cpu for part, cpu in since(before, self.meter.cpu()).items() if "bench" not in part
                )
                each = spent / self.options.messages / size * 1000
                print(
                    f"  {size:5} connections, {rate:3.0f}/s meanwhile  {percentiles(took)}"
                    + ("" if rate else f"   {each:.2f} ms of CPU a push"),
                    flush=True,
                )
                self.lines.append(Line(self.open, rate, size, sorted(took)))
        if rate:
            print(f"  background: {load.answered / load.seconds:.0f} of {rate:.0f} a second were answered")

    async def _post(self, path: str, body: object) -> None:
        headers = {"Authorization": f"Bearer {await self.stack.token(self.people[0])()}"}
        async with self.http.post(self.stack.api + path, json=body, headers=headers) as answer:
            await answer.read()


async def run(options: argparse.Namespace, stack: SoakStack) -> None:
    """Everything that was asked for."""
    machine = describe()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(60)) as http:
        bench = Bench(options, stack, Meter(stack.pid), http)
        watching = asyncio.create_task(bench.meter.watch())
        try:
            await bench.prepare()
            for sockets in options.sockets:
                await bench.open_sockets(sockets)
                for rate in options.background:
                    await bench.measure(rate)
        finally:
            watching.cancel()
            await gather(asyncio.to_thread(each.end) for each in bench.crowd)
    if options.draw:
        options.draw.write_text(drawing(bench.lines, machine))


def main() -> None:
    """Print the figures and the machine."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sockets", type=int, nargs="+", default=[1000, 10_000], help="open at a time; from 1000 on"
    )
    parser.add_argument("--background", type=float, nargs="+", default=[0, 200], help="messages a second")
    parser.add_argument("--messages", type=int, default=50, help="for each figure")
    parser.add_argument("--pause", type=float, default=0.3, help="seconds between them")
    parser.add_argument("--draw", type=Path, help="the picture of it (SVG)")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(describe(), flush=True)
    folder = Path(tempfile.mkdtemp(prefix="wedsync-bench-"))
    (folder / "stack").mkdir()
    stack = SoakStack(folder / "stack", whole=True)
    stack.start()
    try:
        uvloop.run(run(options, stack))
    finally:
        stack.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
