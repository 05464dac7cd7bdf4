"""Cheap clients in a process of its own: a socket each, which comes back by itself with full jitter."""

from __future__ import annotations

import asyncio
import json
import random
import resource
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import uvloop

BASE_SECONDS, LONGEST_SECONDS = 0.5, 7.0  # as the clients
TICKET_SECONDS = 45.0  # of the 60 that one lives
TOO_MANY = 429
AT_FIRST = 32  # handshakes at once, before the cut


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody with one device; without a token he needs no ticket and does not sync."""

    token: str
    device_id: str


@dataclass
class Herd:
    """All clients of this process. Times are of the clock that all processes share."""

    url: str  # of the REST API, or of the socket where there is no other
    people: Sequence[Identity]
    cut_at: float | None = None
    back: dict[str, float] = field(default_factory=dict[str, float])
    seqs: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    heard: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # by client_msg_id
    epoch: str = ""
    did: Counter[str] = field(default_factory=Counter[str])
    _first: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_FIRST))

    async def run(self, pipe: Connection) -> None:
        """Answers what is asked on the pipe: a time is that of the cut, None asks how things are, False ends it.

        A client_msg_id asks when that message arrived.
        """
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(60)) as http:
            living = [asyncio.create_task(self._live(http, each)) for each in self.people]
            while (asked := await asyncio.to_thread(pipe.recv)) is not False:
                if isinstance(asked, str):
                    pipe.send(self.heard.get(asked, []))
                    continue
                if asked is not None:
                    self.cut_at = asked
                    self.back.clear()
                    self.did.clear()
                    self.heard.clear()
                pipe.send((dict(self.back), dict(self.did), self.seqs))
            for each in living:
                each.cancel()
            await asyncio.gather(*living, return_exceptions=True)

    async def _live(self, http: aiohttp.ClientSession, who: Identity) -> None:
        ticket: dict[str, Any] = {}
        failures = 0
        while True:
            try:
                if self.cut_at is None:
                    async with self._first:
                        socket, ticket = await self._open(http, who, ticket)
                else:
                    socket, ticket = await self._open(http, who, ticket)
                failures = 0
                await self._read(socket, who)
            except aiohttp.WSServerHandshakeError as error:
                self.did[str(error.status)] += 1
                ticket = ticket if error.status == TOO_MANY else {}
                failures += 1
            except (aiohttp.ClientError, TimeoutError, ConnectionError):
                self.did["failed"] += 1
                ticket = {}
                failures += 1
            most = min(LONGEST_SECONDS, BASE_SECONDS * 2**failures)
            await asyncio.sleep(random.uniform(0, most))  # noqa: S311 (no secret)

    async def _open(
        self, http: aiohttp.ClientSession, who: Identity, ticket: dict[str, Any]
    ) -> tuple[aiohttp.ClientWebSocketResponse, dict[str, Any]]:
        """A socket that was let in, and nothing left of its ticket; `ticket` may be one that nobody looked at."""
        if not who.token:
            self.did["upgrades"] += 1
            return await http.ws_connect(self.url, max_msg_size=0), {}
        if not ticket or ticket["good_until"] < time.monotonic():
            ticket.clear()
            ticket.update(await self._ticket(http, who), good_until=time.monotonic() + TICKET_SECONDS)
        self.did["upgrades"] += 1
        address = f"{ticket['url']}?ticket={ticket['ticket']}&device_id={who.device_id}"
        return await http.ws_connect(address), {}

    async def _ticket(self, http: aiohttp.ClientSession, who: Identity) -> dict[str, Any]:
        self.did["tickets"] += 1
        headers, body = {"Authorization": f"Bearer {who.token}"}, {"device_id": who.device_id}
        async with http.post(f"{self.url}/realtime/tickets", json=body, headers=headers) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, who: Identity) -> None:
        """What comes, until the line is cut."""
        known = self.seqs.setdefault(who.device_id, {})
        if not who.token:
            self.back[who.device_id] = time.monotonic()
        else:
            await self._sync(socket, known)
        async for received in socket:
            frame = json.loads(received.data)
            match frame.get("type"):
                case "events":
                    thread = frame["thread_id"]
                    known[thread] = max(known.get(thread, 0), frame["to_seq"])
                    for event in frame["events"] if "re" not in frame else ():
                        if "message" in event:
                            self.heard[event["message"]["client_msg_id"]].append(time.monotonic())
                case "synced":
                    for each in frame["threads"]:  # one that is new here is taken as it is
                        self.epoch = each["epoch"]
                        known.setdefault(each["thread_id"], each["head_seq"])
                    if not frame["more"]:
                        self.back[who.device_id] = time.monotonic()
                case None:  # the gateway's own error: the function was not asked
                    self.did["asked again"] += 1
                    await asyncio.sleep(random.uniform(0, LONGEST_SECONDS))  # noqa: S311 (no secret)
                    await self._sync(socket, known)
                case kind:
                    self.did[str(kind)] += 1

    async def _sync(self, socket: aiohttp.ClientWebSocketResponse, known: dict[str, int]) -> None:
        cursors = {thread: {"epoch": self.epoch, "seq": seq} for thread, seq in known.items()}
        await socket.send_json({"action": "sync", "id": "s", "cursors": cursors})


def live(pipe: Connection, url: str, people: Sequence[Identity]) -> None:
    """The main function of a process."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(Herd(url, people).run(pipe))
