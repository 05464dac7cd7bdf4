"""CPU of our own WebSocket gateway: one connection, one frame with its answer, one push; and how long pushes wait.

    .venv/bin/python bench/gateway.py [--sockets 1000] [--pushes 6000]

The gateway runs in a process of its own in front of a function that costs nothing; the pushes come from the
poster that functions use, in bursts of 12 as from one message, signed and verified.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1] / "layers" / "core"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from local.gateway_context import Place
from local.model import LambdaIntegration, Outcome, SocketApi, SocketRoute
from local.websocket_gateway import WebSocketGateway
from local.websocket_gateway_limits import SocketLimits
from wedsync.realtime import poster

KEY, SECRET = "BENCHKEY", "bench-secret"
BURST = 12
FRAME = b'{"type":"events","events":[{"seq":414,"kind":"message.created","message":"' + b"x" * 600 + b'"}]}'


class Nothing:
    """A function that tells a connection its own id."""

    async def invoke(self, function: str, event: Mapping[str, Any]) -> Outcome:
        """Answer at once."""
        return Outcome(payload={"statusCode": 200, "body": event["requestContext"]["connectionId"]})


def _serve(parent: Connection) -> None:
    """The gateway; answers every word on the pipe with the CPU seconds used so far and the RSS in MiB."""

    async def main() -> None:
        function = LambdaIntegration("Function")
        routes = {key: SocketRoute(key, function, True, None) for key in ("$connect", "$default")}
        api = SocketApi("Bench", "bench", "v1", "$request.body.action", routes, None)
        limits = SocketLimits(connects_per_second=1_000_000)
        gateway = WebSocketGateway(api, Nothing(), Place("eu-west-1", "0"), {KEY: SECRET}, limits)
        parent.send(await gateway.start("127.0.0.1", 0))
        while await asyncio.to_thread(parent.recv):
            used = resource.getrusage(resource.RUSAGE_SELF)
            parent.send((used.ru_utime + used.ru_stime, used.ru_maxrss / 1024))
        await gateway.stop()

    uvloop.run(main())


class Meter:
    """CPU of the gateway's process between two readings."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._last = self.read()[0]

    def read(self) -> tuple[float, float]:
        """CPU seconds so far, RSS in MiB."""
        self._pipe.send(True)
        return self._pipe.recv()

    def report(self, what: str, count: int, wall: float) -> None:
        """Print what was done since the last report."""
        cpu, memory = self.read()
        each = (cpu - self._last) / count * 1e3
        print(f"  {what:<28} {each:.3f} ms CPU   {count / wall:8.0f}/s   RSS {memory:.0f} MiB")
        self._last = self.read()[0]


async def _sockets(
    url: str, count: int, http: aiohttp.ClientSession
) -> list[aiohttp.ClientWebSocketResponse]:
    opened: list[aiohttp.ClientWebSocketResponse] = []
    while len(opened) < count:
        opened += await asyncio.gather(*(http.ws_connect(url) for _ in range(min(50, count - len(opened)))))
    return opened


async def _ask(socket: aiohttp.ClientWebSocketResponse) -> str:
    await socket.send_str('{"action":"who"}')
    return await socket.receive_str()


async def _drain(socket: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in socket:
        continue


def _push(ids: list[str], count: int) -> list[float]:
    """Milliseconds of each burst, from the first byte written to the last answer read."""
    waits: list[float] = []
    for start in range(0, count, BURST):
        targets = [ids[(start + number) % len(ids)] for number in range(BURST)]
        began = time.perf_counter()
        outcomes = poster.post(FRAME, targets, seconds=5)
        waits.append((time.perf_counter() - began) * 1e3)
        if set(outcomes.values()) != {poster.Outcome.DONE}:
            raise SystemExit(f"a push failed: {outcomes}")
    return waits


async def _measure(port: int, meter: Meter, sockets: int, pushes: int) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        began = time.perf_counter()
        opened = await _sockets(f"ws://127.0.0.1:{port}/v1", sockets, http)
        meter.report(f"connect ({sockets} sockets)", sockets, time.perf_counter() - began)
        began = time.perf_counter()
        ids = await asyncio.gather(*(_ask(socket) for socket in opened))
        meter.report("frame and answer", sockets, time.perf_counter() - began)
        readers = [asyncio.create_task(_drain(socket)) for socket in opened]
        began = time.perf_counter()
        waits = await asyncio.to_thread(_push, ids, pushes)
        meter.report("push", pushes, time.perf_counter() - began)
        cuts = statistics.quantiles(waits, n=100)
        print(f"  burst of {BURST}: p50 {cuts[49]:.1f} ms, p95 {cuts[94]:.1f} ms, p99 {cuts[98]:.1f} ms")
        await asyncio.gather(*(socket.close() for socket in opened), *readers)


def main() -> None:
    """Print the figures and the machine."""
    options = argparse.ArgumentParser()
    options.add_argument("--sockets", type=int, default=1000)
    options.add_argument("--pushes", type=int, default=6000)
    chosen = options.parse_args()
    pipe, child = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(child,), daemon=True)
    server.start()
    port: int = pipe.recv()
    os.environ |= {
        "CALLBACK_URL": f"http://127.0.0.1:{port}/v1",
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}")
    uvloop.run(_measure(port, Meter(pipe), chosen.sockets, chosen.pushes))
    pipe.send(False)
    server.join()


if __name__ == "__main__":
    main()
