"""Whatever people and the network do, in whatever order: each device ends with the log (R21).

Three examples with everybody's tests; 150 with `--hypothesis-profile=deep`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fixtures.client_devices import Device, Devices
from tests.fixtures.stack import RunningStack
from tests.fixtures.wedding_devices import PEOPLE, Party
from tests.system.test_client import log
from wedsync_client import Refused

NAMES = ("ana", "petra", "flora", "flora")
PAGE = 50  # messages that a reloaded thread begins with
SOME = {"drop": 0.2, "duplicate": 0.2, "reorder": 0.3, "lose_acks": 0.2, "throttle": 0.1}
MORE = {**SOME, "half_open": 0.2, "lose_disconnect": 0.5, "reject_upgrades": 0.2, "delay_ms": 50}

who = st.integers(0, len(NAMES) - 1)
actions = st.one_of(
    st.tuples(st.just("write"), who, st.integers(1, 4)),
    st.tuples(st.just("write"), who, st.integers(1, 4)),
    st.tuples(st.just("restart"), who, st.just(0)),
    st.tuples(st.just("cut"), st.just(0), st.just(0)),
    st.tuples(st.just("kill"), st.just(0), st.integers(0, 1)),
    st.tuples(st.just("leave"), st.just(0), st.integers(0, 1)),
    st.tuples(st.just("join"), st.just(0), st.integers(0, 1)),
    st.tuples(st.just("wait"), st.just(0), st.integers(0, 6)),
)


@dataclass
class Play:
    """Two threads, four devices, and what was written on them."""

    stack: RunningStack
    party: Party
    devices: Devices
    threads: list[str]
    running: dict[int, Device] = field(default_factory=dict[int, Device])
    opened: dict[int, AsyncExitStack] = field(default_factory=dict[int, AsyncExitStack])
    written: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    refused: set[str] = field(default_factory=set[str])
    name: str = field(default_factory=lambda: uuid4().hex[:8])

    async def open(self, number: int, places: dict[str, int]) -> None:
        opened = self.opened[number] = AsyncExitStack()
        device = self.devices.device(NAMES[number], f"{self.name}-{number}")
        self.running[number] = await opened.enter_async_context(device)
        self.running[number].places.update(places)

    async def close(self, number: int) -> None:
        device = self.running.pop(number)
        await self.opened.pop(number).aclose()
        self.refused |= {each.client_msg_id for each in device.told if isinstance(each, Refused)}

    async def act(self, kind: str, number: int, count: int) -> None:
        thread = self.threads[count % 2]
        match kind:
            case "write":
                for _ in range(count):
                    self.written.append((thread, self.running[number].client.send(thread, uuid4().hex)))
            case "restart":
                places = self.running[number].places
                await self.close(number)
                await self.open(number, places)
            case "cut":
                await asyncio.to_thread(self.stack.local, "POST", "/_local/chaos", {"cut": "all"})
            case "kill":
                function = ("WebsocketFunction", "RestFunction")[count]
                for pid in await asyncio.to_thread(self.stack.workers, function):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            case "leave":
                path = f"/threads/{thread}/participants/{PEOPLE['flora']}"
                await asyncio.to_thread(self.party.call, "ana", "DELETE", path)
            case "join":
                path, wish = f"/threads/{thread}/participants", {"user_id": PEOPLE["flora"]}
                await asyncio.to_thread(self.party.call, "ana", "POST", path, wish)
            case _:
                await asyncio.sleep(count / 20)

    async def end(self) -> None:
        """Each device has sent all, and shows what its person may read."""
        for device in self.running.values():
            await device.until(lambda device=device: device.client.unsent() == [])
        for number, device in self.running.items():
            for thread in self.threads:
                await self.shows(device, NAMES[number], thread)
        for number in [*self.running]:
            await self.close(number)
        for thread in self.threads:
            stored = await asyncio.to_thread(ids, self.party, thread)
            written = {each for where, each in self.written if where == thread}
            assert len(stored) == len({*stored})
            # Refused after its thread was lost, a message may be there from an attempt before that.
            assert written - self.refused <= {*stored} <= written

    async def shows(self, device: Device, person: str, thread: str) -> None:
        sees = await asyncio.to_thread(self.party.call, person, "GET", f"/threads/{thread}")
        expected = await asyncio.to_thread(log, self.party, person, thread) if sees.status == 200 else []

        def shown() -> list[tuple[int, str]]:
            return [(each["seq"], each["message"]) for each in device.client.messages(thread)]

        await device.until(lambda: shown()[-PAGE:] == expected[-PAGE:])
        assert shown() == expected[len(expected) - len(shown()) :]


def ids(party: Party, thread: str) -> list[str]:
    """The client_msg_ids of a thread's messages."""
    page = party.call("ana", "GET", f"/threads/{thread}/messages?limit=100").body
    return [message["client_msg_id"] for message in page["data"]]


async def play(stage: Play, trouble: dict[str, float], acts: list[tuple[str, int, int]]) -> None:
    for number in range(len(NAMES)):
        await stage.open(number, {})
    try:
        await asyncio.to_thread(stage.stack.local, "POST", "/_local/chaos", trouble)
        for act in acts:
            await stage.act(*act)
        await asyncio.to_thread(stage.stack.local, "POST", "/_local/chaos", {})
        await stage.end()
    finally:
        for number in [*stage.running]:
            await stage.close(number)


@pytest.mark.usefixtures("trouble")
def test_each_device_ends_with_the_log_whatever_happens(
    stack: RunningStack, party: Party, tmp_path_factory: pytest.TempPathFactory
) -> None:
    @settings(max_examples=max(1, settings.default.max_examples // 50))  # pyright: ignore[reportOptionalMemberAccess]
    @given(trouble=st.sampled_from((SOME, MORE)), acts=st.lists(actions, min_size=8, max_size=25))
    def example(trouble: dict[str, float], acts: list[tuple[str, int, int]]) -> None:
        devices = Devices(stack, tmp_path_factory.mktemp("devices"))
        threads = [party.thread("ana", "petra", "flora") for _ in range(2)]
        asyncio.run(play(Play(stack, party, devices, threads), trouble, acts))

    example()
