"""CPU of one push to one connection, against boto3's `post_to_connection`, in the same run.

    .venv/bin/python bench/poster.py

A canned server answers on loopback from a process of its own, so that only the client is measured.
Plain HTTP for both sides: TLS costs both the same.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import boto3

sys.path.insert(0, str(Path(__file__).parents[1] / "layers" / "core"))

from wedsync.realtime import poster

PEOPLE, DEVICES = 6, 2
ROUNDS = 7
PUSHES = 1200  # of each side, in each round
CANNED = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
CONNECTIONS = [f"L0SM9cOFvHc{person:02}{device:02}=" for person in range(PEOPLE) for device in range(DEVICES)]
TEXT = "The cake is here, where do you want it? We are at the side door."
FRAME = json.dumps(
    {
        "type": "events",
        "thread_id": "0197a000-0000-7000-8000-000000000001",
        "epoch": "a1",
        "from_seq": 414,
        "to_seq": 414,
        "head_seq": 414,
        "more": False,
        "events": [
            {"seq": 414, "kind": "message.created", "message": {"message": TEXT, "message_html": TEXT}}
        ],
    }
).encode()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            writer.write(CANNED)
    except asyncio.IncompleteReadError:
        writer.close()


def _serve(ready: Connection) -> None:
    async def main() -> None:
        server = await asyncio.start_server(_answer, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def _ours() -> None:
    for _ in range(PUSHES // len(CONNECTIONS)):
        outcomes = poster.post(FRAME, CONNECTIONS, seconds=5)
        if set(outcomes.values()) != {poster.Outcome.DONE}:
            raise SystemExit(f"a push failed: {outcomes}")


def _boto3(port: int) -> Callable[[], None]:
    client = boto3.client("apigatewaymanagementapi", endpoint_url=f"http://127.0.0.1:{port}/v1")

    def push() -> None:
        for number in range(PUSHES):
            client.post_to_connection(ConnectionId=CONNECTIONS[number % len(CONNECTIONS)], Data=FRAME)

    return push


def _measure(push: Callable[[], None]) -> tuple[float, float]:
    """CPU and wall milliseconds per push."""
    cpu, wall = time.process_time(), time.perf_counter()
    push()
    return (time.process_time() - cpu) * 1e3 / PUSHES, (time.perf_counter() - wall) * 1e3 / PUSHES


def _machine() -> str:
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = info.partition("model name")[2].partition(":")[2].partition("\n")[0].strip() or platform.machine()
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}"


def main() -> None:
    """Print both figures, their ratio and the machine."""
    parent, child = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(child,), daemon=True)
    server.start()
    port: int = parent.recv()
    os.environ |= {
        "CALLBACK_URL": f"http://127.0.0.1:{port}/v1",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_SESSION_TOKEN": "example" * 40,
    }
    theirs = _boto3(port)
    sides = {"wedsync": _ours, "boto3": theirs}
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for push in sides.values():
        _measure(push)  # warm
    for _ in range(ROUNDS):
        for name, push in sides.items():
            figures[name].append(_measure(push))
    server.terminate()

    print(f"one push of {len(FRAME)} bytes, {len(CONNECTIONS)} connections, median of {ROUNDS} x {PUSHES}")
    print(_machine())
    cpu: dict[str, float] = {}
    for name, rounds in figures.items():
        cpu[name] = statistics.median(each[0] for each in rounds)
        wall = statistics.median(each[1] for each in rounds)
        print(f"  {name:<8} {cpu[name]:.4f} ms CPU   {wall:.4f} ms wall")
    print(f"  ratio    {cpu['boto3'] / cpu['wedsync']:.1f} x less CPU   (goals: <= 0.1 ms, >= 8 x)")


if __name__ == "__main__":
    main()
