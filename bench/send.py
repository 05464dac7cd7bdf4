"""Sending under load: answers, live deliveries, providers, saturation, and what each part of the stack takes for it.

    .venv/bin/python bench/send.py [--sockets 1000] [--rate 50] [--seconds 20] [--push] [--senders 16]

Starts a stack of its own. People of weddings of ten talk in threads of five, each with two devices connected, and
send over their sockets: first at a steady rate, then `--senders` of them as fast as they are answered, last all of them
at three times what was answered then, with an emergency every second. The client runs on the same machine and takes its
share of it. `--checkout` measures another copy of the project.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import uvloop
from consumption import Meter, since
from load import Load, as_fast_as_answered, listen, raise_alarm, settled, steadily
from local_stack import ROOT, stack
from machine import describe, percentiles
from people import DEVICES, IN_THREAD, Api, Person, populate

WARM_SECONDS = 5.0
PATIENCE_SECONDS = 240.0
OVERLOAD = 3
LATE_SECONDS = 5.0  # what an emergency has after the last


@dataclass(frozen=True)
class Bench:
    """One stack under load."""

    options: argparse.Namespace
    api: Api
    meter: Meter
    people: list[Person]
    load: Load
    alarms: Load

    async def idle(self) -> None:
        """Everybody is connected and nobody says anything."""
        seconds = self.options.idle
        before = self.meter.cpu()
        await asyncio.sleep(seconds)
        spent = since(before, self.meter.cpu())
        print(f"idle for {seconds:.0f} s: {sum(spent.values()) / seconds * 100:.1f} % of a processor")
        for part, cpu in spent.items():
            print(f"  {part:36}  {cpu / seconds * 100:5.1f} %")

    async def steady(self) -> None:
        """At the rate, until everything has arrived."""
        options, load = self.options, self.load
        await steadily(self.people, load, options.rate, WARM_SECONDS, options.urgent)
        await settled(self.api, load, PATIENCE_SECONDS)
        load.clear()
        before = self.meter.cpu()
        await steadily(self.people, load, options.rate, options.seconds, options.urgent)
        late = await settled(self.api, load, PATIENCE_SECONDS)
        spent = since(before, self.meter.cpu())
        print(f"{len(load.sent):,} messages, {options.rate:.0f} a second; the last frame {late:.1f} s later")
        print(f"  ms to the answer                      {percentiles(load.answers())}")
        print(f"  ms to the last of {IN_THREAD * DEVICES} devices           {percentiles(load.deliveries())}")
        print(f"  ms to an inbox frame                  {percentiles(load.inboxes())}")
        for provider, taken in (await load.provided(self.api)).items():
            print(f"  ms to {provider:31} {percentiles(taken)}")
        self._print(spent)

    async def saturated(self) -> float:
        """As fast as the senders are answered; how many that are a second."""
        options, load = self.options, self.load
        load.clear()
        senders = random.sample(self.people, options.senders)
        before, began = self.meter.cpu(), time.monotonic()
        await as_fast_as_answered(senders, load, options.saturate, options.urgent)
        took = time.monotonic() - began
        answered, told = len(load.answers()) / took, len(load.inbox) / DEVICES / took
        late = await settled(self.api, load, PATIENCE_SECONDS)
        spent = since(before, self.meter.cpu())
        print(
            f"{options.senders} senders without a pause, for {took:.0f} s; the last frame {late:.1f} s later"
        )
        print(f"  {answered:.0f} messages answered a second, {told:.0f} deliveries to inboxes meanwhile")
        print(f"  ms to the answer                      {percentiles(load.answers())}")
        print(f"  ms to the last of {IN_THREAD * DEVICES} devices           {percentiles(load.deliveries())}")
        self._print(spent)
        return answered

    async def overloaded(self, rate: float) -> None:
        """Emergencies, one a second, while ordinary messages come at a rate that nobody can answer."""
        seconds, alarms = self.options.overload, self.alarms
        await raise_alarm(self.api, self.people[0], alarms)
        await asyncio.sleep(WARM_SECONDS)
        alarms.clear()
        ordinary = asyncio.create_task(steadily(self.people, self.load, rate, seconds + LATE_SECONDS, 0))
        raised: list[asyncio.Task[None]] = []
        for _ in range(int(seconds)):
            await asyncio.sleep(1)
            person = random.choice(self.people)  # noqa: S311 (no secret)
            raised.append(asyncio.create_task(raise_alarm(self.api, person, alarms)))
        await asyncio.gather(ordinary, *raised)
        refused = alarms.other["refused"]
        print(
            f"{len(alarms.sent)} emergencies, {refused} times refused, while {rate:.0f} ordinary messages come a second"
        )
        print(f"  ms to the answer                      {percentiles(alarms.answers())}")
        print(
            f"  ms to the last of {IN_THREAD * DEVICES} devices           {percentiles(alarms.deliveries())}"
        )
        for provider, taken in (await alarms.provided(self.api)).items():
            print(f"  ms to {provider:31} {percentiles(taken)}")

    def _print(self, spent: dict[str, float]) -> None:
        memory, messages = self.meter.memory(), len(self.load.sent)
        print(
            f"  CPU seconds for 1,000 messages ({sum(spent.values()) / messages * 1000:.1f}), and MiB (PSS)"
        )
        for part, seconds in spent.items():
            print(f"    {part:36}{seconds / messages * 1000:7.2f} s {memory.get(part, 0):8.0f} MiB")


async def run(console: str, runner: int, options: argparse.Namespace) -> None:
    """Connect everybody, measure, print."""
    load, alarms = Load(), Load(numbers=1_000_000)  # providers tell them apart by number
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(60)) as http:
        api = Api(http, console)
        people = await populate(api, options.sockets, options.push)
        sockets = [socket for person in people for socket in person.sockets]
        listeners = [asyncio.create_task(listen(socket, (load, alarms))) for socket in sockets]
        meter = Meter(runner)
        watching = asyncio.create_task(meter.watch())
        bench = Bench(options, api, meter, people, load, alarms)
        print(f"{len(sockets):,} sockets of {len(people)} people, {'with' if options.push else 'no'} push")
        if options.idle:
            await bench.idle()
        await bench.steady()
        if options.saturate:
            most = await bench.saturated()
            if options.overload:
                await bench.overloaded(OVERLOAD * most)
        if load.other:
            print(f"other frames: {dict(load.other)}")
        for task in (watching, *listeners):
            task.cancel()


def main() -> None:
    """Print the figures and the machine."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=50.0, help="messages a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--push", action="store_true", help="everybody has a push subscription")
    parser.add_argument("--urgent", type=float, default=0.02, help="the part that goes by e-mail and SMS too")
    parser.add_argument("--senders", type=int, default=16, help="how many send without a pause")
    parser.add_argument("--saturate", type=float, default=10.0, help="for so many seconds; 0 = not at all")
    parser.add_argument("--overload", type=float, default=20.0, help="for so many seconds; 0 = not at all")
    parser.add_argument("--idle", type=float, default=0.0, help="first measure so many seconds of nothing")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="the project that is measured")
    options = parser.parse_args()
    print(describe())
    directory = Path(tempfile.mkdtemp(prefix="wedsync-bench-"))
    try:
        with stack(directory, options.checkout) as (console, runner):
            uvloop.run(run(console, runner, options))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
