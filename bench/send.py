"""Sending under load: time to the answer and to the last device, and where the CPU goes.

    .venv/bin/python bench/send.py [--sockets 200] [--rate 30] [--seconds 30]

Starts a stack of its own on free ports, with threads of 6 people of 2 devices each, all connected. Messages are sent
over the WebSockets at a steady rate, by random people. The client runs on the same machine and takes its share of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import aiohttp
from local_stack import cpu_seconds, stack

PEOPLE, DEVICES = 6, 2


@dataclass
class Sent:
    """One message on its way; times in seconds of the monotonic clock."""

    began: float
    awaited: int
    answered: float | None = None
    last: float | None = None
    seen: int = 0


@dataclass
class Load:
    """Everything in flight and measured."""

    messages: dict[str, Sent] = field(default_factory=dict[str, Sent])
    refused: Counter[str] = field(default_factory=Counter[str])


class People:
    """Makes tokens, people, a wedding and threads through the API."""

    def __init__(self, http: aiohttp.ClientSession, console: str) -> None:
        self._http = http
        self._console = console
        self._tokens: dict[str, str] = {}

    async def token(self, user_id: str, scope: str = "") -> str:
        """A token of this person."""
        if user_id not in self._tokens:
            asked = {"user_id": user_id, "scope": scope, "expires_in": 7200}
            async with self._http.post(f"{self._console}/_local/tokens", json=asked) as answer:
                self._tokens[user_id] = (await answer.json())["access_token"]
        return self._tokens[user_id]

    async def call(
        self, method: str, path: str, body: object, user_id: str, scope: str = ""
    ) -> dict[str, str]:
        """One request; its JSON. Raises for a refusal."""
        headers = {"Authorization": f"Bearer {await self.token(user_id, scope)}"}
        url = f"{self._console}/v1{path}"
        async with self._http.request(method, url, json=body, headers=headers) as answer:
            if answer.status >= 300:
                raise SystemExit(f"{method} {path}: {answer.status} {await answer.text()}")
            return await answer.json()

    async def threads(self, count: int) -> list[tuple[str, list[str]]]:
        """Threads with their people, at one wedding of theirs."""
        service = str(uuid4())
        organization, wedding = str(uuid4()), str(uuid4())

        async def state(path: str, body: object) -> None:
            await self.call("PUT", f"/directory{path}", body, service, "service")

        await state(f"/organizations/{organization}", {"name": "Load", "kind": "planner", "verified": True})
        stated = {
            "organization_id": organization,
            "title": "Load",
            "wedding_date": "2027-06-05",
            "time_zone": "UTC",
        }
        await state(f"/weddings/{wedding}", {**stated, "status": "planned"})
        made: list[tuple[str, list[str]]] = []
        for number in range(count):
            people = [str(uuid4()) for _ in range(PEOPLE)]
            for each in people:
                await state(f"/users/{each}", {"display_name": "Somebody", "email": f"{each}@example.com"})
                await state(f"/weddings/{wedding}/members/{each}", {"role": "couple"})
            listed = [{"user_id": each} for each in people[1:]]
            thread = {"wedding_id": wedding, "subject": f"Thread {number}", "participants": listed}
            made.append(((await self.call("POST", "/threads", thread, people[0]))["id"], people))
        return made


async def connect(
    people: People, http: aiohttp.ClientSession, user_id: str
) -> aiohttp.ClientWebSocketResponse:
    """A socket of a new device of this person, which has synced."""
    device = str(uuid4())
    ticket = await people.call("POST", "/realtime/tickets", {"device_id": device}, user_id)
    socket = await http.ws_connect(f"{ticket['url']}?ticket={ticket['ticket']}&device_id={device}")
    await socket.send_json({"action": "sync", "id": "s"})
    while (await socket.receive_json())["type"] != "synced":
        pass
    return socket


async def listen(socket: aiohttp.ClientWebSocketResponse, load: Load) -> None:
    """Note what arrives."""
    async for message in socket:
        now = time.monotonic()
        frame = json.loads(message.data)
        if frame.get("type") == "events":
            for event in frame["events"]:
                _delivered(load, event.get("message", {}).get("client_msg_id"), now)
        elif frame.get("type") == "sent":
            result = frame["results"][0]
            load.messages[result["client_msg_id"]].answered = now
            if result["status"] != "ok":
                load.refused[result["code"]] += 1
        else:
            load.refused[str(frame.get("code", frame.get("message", frame.get("type"))))] += 1


def _delivered(load: Load, client_msg_id: str | None, now: float) -> None:
    sent = load.messages.get(client_msg_id or "")
    if sent is not None:
        sent.seen += 1
        if sent.seen == sent.awaited:
            sent.last = now


async def run(console: str, runner: int, options: argparse.Namespace) -> None:
    """Connect everybody, send, print."""
    count = max(1, round(options.sockets / PEOPLE / DEVICES))
    load = Load()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        people = People(http, console)
        sockets: list[tuple[str, aiohttp.ClientWebSocketResponse]] = []
        for thread, users in await people.threads(count):
            for user in users:
                sockets += [(thread, await connect(people, http, user)) for _ in range(DEVICES)]
        listeners = [asyncio.create_task(listen(socket, load)) for _, socket in sockets]
        await _send(sockets, load, options.rate, 3)  # warm
        load.messages.clear()
        before, began = cpu_seconds(runner), time.monotonic()
        await _send(sockets, load, options.rate, options.seconds)
        took = time.monotonic() - began
        used = {part: seconds - before.get(part, 0.0) for part, seconds in cpu_seconds(runner).items()}
        for task in listeners:
            task.cancel()
    _print(load, used, took, len(sockets), count)


async def _send(
    sockets: list[tuple[str, aiohttp.ClientWebSocketResponse]], load: Load, rate: float, seconds: float
) -> None:
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        thread, socket = random.choice(sockets)  # noqa: S311 (no secret)
        message_id = str(uuid4())
        load.messages[message_id] = Sent(time.monotonic(), PEOPLE * DEVICES)
        message = {"client_msg_id": message_id, "message": "The cake is here, where do you want it?"}
        await socket.send_json(
            {"action": "send", "id": message_id, "thread_id": thread, "messages": [message]}
        )
    await asyncio.sleep(1.5)


def _percentiles(values: list[float]) -> str:
    ordered = sorted(values)
    if not ordered:
        return "none"
    return "  ".join(
        f"p{p} {ordered[min(len(ordered) - 1, len(ordered) * p // 100)] * 1000:6.1f}" for p in (50, 95, 99)
    )


def _print(load: Load, used: dict[str, float], took: float, sockets: int, threads: int) -> None:
    sent = load.messages.values()
    answered = [each.answered - each.began for each in sent if each.answered is not None]
    delivered = [each.last - each.began for each in sent if each.last is not None]
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{sockets} sockets, {threads} threads of {PEOPLE} people with {DEVICES} devices")
    print(f"{len(sent)} messages in {took:.0f} s")
    print(f"answer, ms:          {_percentiles(answered)}   ({len(answered)} of {len(sent)})")
    print(f"last delivery, ms:   {_percentiles(delivered)}   ({len(delivered)} of {len(sent)})")
    if load.refused:
        print(f"other frames: {dict(load.refused)}")
    for part, seconds in sorted(used.items(), key=lambda each: -each[1]):
        print(f"CPU per 1,000 messages, s: {seconds / max(1, len(sent)) * 1000:6.2f}  {part}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sockets", type=int, default=200)
    parser.add_argument("--rate", type=float, default=30.0, help="messages per second")
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="wedsync-bench-"))
    try:
        with stack(directory) as (console, runner):
            asyncio.run(run(console, runner, options))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
