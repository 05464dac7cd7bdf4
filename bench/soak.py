"""A long run under abuse: messages between real clients while everything is killed, and the verdict on each of them.

    make soak ARGS="--messages 1000000 --kills 100 [--minutes 240] [--calm]"

Rounds of companies of people on fresh devices write to each other on bad lines, in threads of their own, until both
numbers are reached or the time is over; at the end of a round each device is compared with the log. Somebody kills
workers, PostgreSQL, the emulator of DynamoDB and the gateways in turn. The exit status says what the verdict says.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import astuple, dataclass, field
from itertools import cycle
from pathlib import Path

import aiohttp
import uvloop
from machine import describe
from soak_stack import SoakStack

sys.path.insert(0, str(Path(__file__).parents[1] / "clients/python"))
sys.path.insert(0, str(Path(__file__).parents[1] / "layers/core"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fixtures.plays import CASTS, Play, Verdict
from wedsync_client import Timing

TROUBLE = {
    "drop": 0.1,
    "duplicate": 0.1,
    "reorder": 0.2,
    "lose_acks": 0.05,
    "half_open": 0.02,
    "reject_upgrades": 0.1,
}
KINDS = ("workers", "database", "workers", "gateway", "workers", "emulator")
BURST = 20  # what a client sends at once
AHEAD = 40  # messages that a device may have unsent
PATIENT = Timing(sync_every=10.0, answer=4.0, ping_every=10.0, pong=5.0, retry=0.1, longest_retry=2.0)
PATIENCE_SECONDS = 180.0


@dataclass
class Soak:
    """What has been done so far."""

    stack: SoakStack
    options: argparse.Namespace
    folder: Path
    began: float = field(default_factory=time.monotonic)
    kills: Counter[str] = field(default_factory=Counter[str])
    sum: list[int] = field(default_factory=lambda: [0, 0, 0, 0, 0])
    unlike: list[str] = field(default_factory=list[str])  # the log

    @property
    def minutes(self) -> float:
        """Since the beginning."""
        return (time.monotonic() - self.began) / 60

    @property
    def is_over(self) -> bool:
        """Whether there is no need of another round."""
        enough = self.sum[0] >= self.options.messages and self.kills.total() >= self.options.kills
        return enough or self.minutes >= self.options.minutes or bool(self.unlike)

    async def run(self) -> None:
        """Until it is over."""
        killing = asyncio.create_task(self._kill())
        while not self.is_over:
            await self._round()
            self.tell()
        killing.cancel()

    def tell(self) -> None:
        """One line."""
        messages, lost, duplicated, disordered, strange = self.sum
        print(
            f"{self.minutes:6.1f} min  {messages:9,} messages, {messages / self.minutes / 60:.0f} a second  "
            f"lost {lost}  duplicated {duplicated}  out of order {disordered}  of nobody {strange}  "
            f"unlike the log {len(self.unlike)}  kills {self.kills.total()} {dict(self.kills)}",
            flush=True,
        )

    async def _round(self) -> None:
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        plays = [
            Play(self.stack, folder, CASTS[n % len(CASTS)], timing=PATIENT, patience=PATIENCE_SECONDS)
            for n in range(self.options.companies)
        ]
        await self._trouble()
        await asyncio.gather(*(self._play(each) for each in plays))
        for each in plays:
            for thread in each.threads:
                self._add(each.verdict(thread))
        shutil.rmtree(folder)

    async def _play(self, play: Play) -> None:
        try:
            await play.begin()
            await play.turn_the_page()
            await play.act("begin", 0, 0)
            await asyncio.gather(*(self._write(play, number) for number in range(len(play.cast))))
            await play.end()
        except AssertionError as error:
            self.unlike.append(f"{play.people} {play.threads}: {error}")
            print(f"UNLIKE THE LOG: {self.unlike[-1][:2000]}", flush=True)
        finally:
            await asyncio.gather(play.leave(), return_exceptions=True)

    async def _write(self, play: Play, number: int) -> None:
        """The share of one device, as fast as it is answered; now and then its process ends."""
        for burst in range(self.options.each // BURST):
            await play.act("write", number, 2 * (BURST - 1) + burst % 2)
            device = play.running[number]
            await device.until(lambda device=device: len(device.client.unsent()) <= AHEAD)
            if random.random() < 0.01:  # noqa: S311 (no secret)
                await play.act("restart", number, 0)

    def _add(self, verdict: Verdict) -> None:
        self.sum = [a + b for a, b in zip(self.sum, astuple(verdict), strict=True)]

    async def _kill(self) -> None:
        """Something, every few seconds, for ever."""
        for kind in cycle(KINDS):
            await asyncio.sleep(random.uniform(0.5, 1.5) * self.options.every)  # noqa: S311
            kill = getattr(self.stack, f"kill_{kind}")
            try:
                await kill()
            except (aiohttp.ClientError, OSError, LookupError) as error:
                print(f"nothing to kill: {kind}: {error!r}", flush=True)  # it is down already
                continue
            self.kills[kind] += 1
            if kind == "gateway":
                await self._trouble()

    async def _trouble(self) -> None:
        if not self.options.calm:
            await self.stack.local("POST", "/chaos", TROUBLE)


def main() -> None:
    """Print the verdict."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=240.0, help="no new round after so long")
    parser.add_argument("--every", type=float, default=12.0, help="seconds between kills")
    parser.add_argument("--companies", type=int, default=8, help="that play at the same time")
    parser.add_argument("--each", type=int, default=400, help="messages of a device in a round")
    parser.add_argument("--calm", action="store_true", help="good lines: kills only")
    options = parser.parse_args()
    print(describe())
    folder = Path(tempfile.mkdtemp(prefix="wedsync-soak-"))
    stack = SoakStack(folder / "stack")
    (folder / "stack").mkdir()
    stack.start()
    soak = Soak(stack, options, folder)
    try:
        uvloop.run(soak.run())
    finally:
        stack.stop()
    soak.tell()
    bad = sum(soak.sum[1:]) + len(soak.unlike)
    print("VERDICT:", "everything is as it should be" if not bad else f"{bad} things are wrong; see {folder}")
    if not bad:
        shutil.rmtree(folder)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
