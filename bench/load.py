"""Messages on their way: sent at a rate or one after the other, noted when they are answered and arrive."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

import aiohttp
from people import DEVICES, IN_THREAD, Api, Person

PROVIDERS = {"email": "Resend", "sms": "Twilio", "push": "Web Push"}
# What is not there after so long without anything new has been lost.
SILENCE_SECONDS = 6.0
RETRY_SECONDS = 0.2


@dataclass
class Sent:
    """One message; times in seconds of the clock that providers stamp with."""

    number: int
    began: float
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    answered_at: float | None = None
    seen: list[float] = field(default_factory=list[float])


@dataclass
class Load:
    """Everything in flight and measured since the last `clear()`."""

    by_client_id: dict[str, Sent] = field(default_factory=dict[str, Sent])
    by_id: dict[str, Sent] = field(default_factory=dict[str, Sent])
    inbox: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    other: Counter[str] = field(default_factory=Counter[str])
    numbers: int = 0

    def clear(self) -> None:
        """Forget what was sent so far."""
        self.__init__(numbers=self.numbers)

    @property
    def sent(self) -> list[Sent]:
        """Every message, in order."""
        return list(self.by_client_id.values())

    def answers(self) -> list[float]:
        """Seconds from a message to its `sent` frame."""
        return [each.answered_at - each.began for each in self.sent if each.answered_at is not None]

    def deliveries(self) -> list[float]:
        """Seconds to the last of the devices in the thread, the author's own among them."""
        whole = IN_THREAD * DEVICES
        return [max(each.seen) - each.began for each in self.sent if len(each.seen) == whole]

    def inboxes(self) -> list[float]:
        """Seconds to each frame of a new inbox item."""
        return [at - self.by_id[message].began for message, at in self.inbox if message in self.by_id]

    async def provided(self, api: Api) -> dict[str, list[float]]:
        """Seconds to each acceptance of a message by a provider: the text of each has its number."""
        began = {each.number: each.began for each in self.sent}
        found: dict[str, list[float]] = {}
        for channel, provider in PROVIDERS.items():
            accepted: list[dict[str, Any]] = (await api.local("GET", f"/outbox?channel={channel}"))["data"]
            numbered = [(re.search(r"#(\d+)", each.get("text") or ""), each) for each in accepted]
            found[provider] = [
                datetime.fromisoformat(each["accepted_at"]).timestamp() - began[int(number[1])]
                for number, each in numbered
                if number and int(number[1]) in began
            ]
        return found

    def note(self, frame: dict[str, Any], at: float) -> None:
        """One frame has arrived at one device."""
        match frame.get("type"):
            case "events":
                for event in frame["events"]:
                    message = event.get("message", {}).get("client_msg_id")
                    if message in self.by_client_id:
                        self.by_client_id[message].seen.append(at)
            case "sent":
                for result in frame["results"]:
                    self._answered(result, at)
            case "notification":
                self.inbox.append((frame["notification"]["message_id"], at))
            case kind:
                self.other[str(frame.get("code") or frame.get("message") or kind)] += 1

    def _answered(self, result: dict[str, Any], at: float) -> None:
        sent = self.by_client_id.get(result["client_msg_id"])
        if sent is None:
            return
        sent.answered.set()
        if result["status"] == "ok":
            sent.answered_at = at
            self.by_id[result["id"]] = sent
        else:
            self.other[result["code"]] += 1


async def listen(socket: aiohttp.ClientWebSocketResponse, loads: Sequence[Load]) -> None:
    """Note what arrives, until the socket closes."""
    async for message in socket:
        frame, at = json.loads(message.data), time.time()
        for load in loads:
            load.note(frame, at)
    loads[0].other["closed"] += 1


async def send(person: Person, load: Load, urgent: float) -> Sent:
    """One message of this person, from one of his devices, to one of his threads."""
    level = "urgent" if random.random() < urgent else "normal"  # noqa: S311 (no secret)
    sent, message = _written(load, level)
    thread, socket = random.choice(person.threads), random.choice(person.sockets)  # noqa: S311
    name = message["client_msg_id"]
    await socket.send_json({"action": "send", "id": name, "thread_id": thread, "messages": [message]})
    return sent


async def raise_alarm(api: Api, person: Person, load: Load) -> None:
    """An emergency, over REST as clients send it: again and again until it is taken."""
    sent, message = _written(load, "emergency")
    path = f"/threads/{random.choice(person.threads)}/messages"  # noqa: S311 (no secret)
    while not await api.is_taken("POST", path, message, person.token):
        load.other["refused"] += 1
        await asyncio.sleep(RETRY_SECONDS)
    sent.answered_at = time.time()


def _written(load: Load, level: str) -> tuple[Sent, dict[str, str]]:
    load.numbers += 1
    name, sent = str(uuid4()), Sent(load.numbers, time.time())
    load.by_client_id[name] = sent
    text = f"The cake is here, where do you want it? #{sent.number}"
    return sent, {"client_msg_id": name, "message": text, "priority_level": level}


async def steadily(people: Sequence[Person], load: Load, rate: float, seconds: float, urgent: float) -> None:
    """So many messages a second, whatever becomes of them."""
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        await send(random.choice(people), load, urgent)  # noqa: S311 (no secret)


async def as_fast_as_answered(people: Iterable[Person], load: Load, seconds: float, urgent: float) -> None:
    """Each person sends as soon as his last message is answered."""
    until = time.monotonic() + seconds

    async def one(person: Person) -> None:
        while (left := until - time.monotonic()) > 0:
            sent = await send(person, load, urgent)
            try:
                await asyncio.wait_for(sent.answered.wait(), left)
            except TimeoutError:
                return

    await asyncio.gather(*map(one, people))


async def settled(api: Api, load: Load, patience: float) -> float:
    """Wait until everything sent has been told to everybody, and no queue holds anything.

    Returns the seconds from the call to the last frame that arrived.
    """
    began = last = time.monotonic()
    known = 0
    while time.monotonic() - began < patience:
        arrived = len(load.inbox) + sum(len(each.seen) for each in load.sent)
        if arrived > known:
            known, last = arrived, time.monotonic()
        whole = sum(each.answered_at is not None for each in load.sent) * (IN_THREAD - 1) * DEVICES
        if len(load.inbox) >= whole or time.monotonic() - last > SILENCE_SECONDS:
            queues = (await api.local("GET", "/queues"))["data"]
            depths = [queue["visible"] + queue["in_flight"] for queue in queues if queue["dead_letters"]]
            if not any(depths):
                break
        await asyncio.sleep(0.5)
    return last - began
