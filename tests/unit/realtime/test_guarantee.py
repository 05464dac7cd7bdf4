"""R21 as docs/realtime.md tells it: a client that follows the page has the log, whatever the network does.

The frames are the real ones; the log behind them is a list, and the client is the page's three rules.
"""

from __future__ import annotations

import json
import random
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from wedsync.conversations.events import Change, Event
from wedsync.conversations.replay import Replay, ThreadReplay
from wedsync.realtime import paging, sync

THREAD = UUID("0190cccc-0000-7000-8000-000000000001")
LIMIT = 7


class Log:
    """Events 1..head of one thread, of which one person sees those inside his windows."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.events: list[Event] = []
        self.hidden: set[int] = set()

    def commit(self, count: int, hidden: bool) -> list[bytes]:
        """Some events in one transaction; the frames of their push."""
        first = len(self.events) + 1
        new: list[Event] = [
            {"seq": seq, "kind": "message.created", "message_id": "é" * self.chance.choice([1, 2000, 9000])}
            for seq in range(first, first + count)
        ]
        self.events += new
        if hidden:
            self.hidden.update(event["seq"] for event in new)
            return []
        change = Change(THREAD, "a1", len(self.events), tuple(new), frozenset(), frozenset())
        return [*paging.pushes(change)]

    def sync(self, after: int) -> list[bytes]:
        """What the server answers to a cursor."""
        shown: list[Event] = []
        for event in self.events[after : after + LIMIT]:
            if event["seq"] not in self.hidden:
                shown.append(event)
            elif shown and shown[-1]["kind"] == "void":
                shown[-1]["to_seq"] = event["seq"]
            else:
                shown.append({"seq": event["seq"], "to_seq": event["seq"], "kind": "void"})
        more = len(self.events) > after + LIMIT
        found = ThreadReplay(THREAD, "a1", len(self.events), tuple(shown), more, None)
        return [*sync.frames(Replay((found,), (), (), None, "token", ""), "c1")]


class Client:
    """Applies by `seq`, drops what it has, asks when a number is missing."""

    def __init__(self) -> None:
        self.at = 0
        self.applied: list[Event] = []
        self._waiting: dict[int, Event] = {}

    @property
    def misses_something(self) -> bool:
        return bool(self._waiting)

    def take(self, raw: bytes) -> bool:
        """One frame; whether a sync has to go on."""
        frame = json.loads(raw)
        for event in frame.get("events", ()):
            if event["seq"] > self.at:
                self._waiting[event["seq"]] = event
        while event := self._waiting.pop(self.at + 1, None):
            self.at = event.get("to_seq", event["seq"])
            if event["kind"] != "void":
                self.applied.append(event)
            self._waiting = {seq: each for seq, each in self._waiting.items() if seq > self.at}
        return bool(frame.get("more"))

    def catch_up(self, log: Log) -> None:
        more = True
        while more:
            more = True in [self.take(raw) for raw in log.sync(self.at)]


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(5, 60))
def test_each_event_is_applied_once_and_in_order(chance: random.Random, steps: int) -> None:
    log, client, in_flight = Log(chance), Client(), list[bytes]()

    for _ in range(steps):
        frames = log.commit(chance.randint(1, 4), hidden=chance.random() < 0.2)
        in_flight += [frame for frame in frames if chance.random() > 0.3]
        in_flight += [frame for frame in frames if chance.random() < 0.2]
        chance.shuffle(in_flight)
        while in_flight and chance.random() < 0.7:
            client.take(in_flight.pop())
        if client.misses_something and chance.random() < 0.5:
            client.catch_up(log)
        seen = [event["seq"] for event in client.applied]
        assert seen == [seq for seq in range(1, client.at + 1) if seq not in log.hidden]

    client.catch_up(log)
    assert client.applied == [event for event in log.events if event["seq"] not in log.hidden]
    assert client.at == len(log.events)
    assert not client.misses_something
