"""Everything goes wrong at once, and each device of each person ends with the log (R21)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from local.__main__ import main
from tests.fixtures.client_devices import Device, Devices
from tests.fixtures.stack import RunningStack
from tests.fixtures.wedding_devices import Party
from tests.system.test_client import log
from wedsync_client import Refused

PEOPLE = ("ana", "petra", "flora", "flora", "phil")
ROUNDS = 12
TROUBLE: dict[str, float] = {
    "drop": 0.15,
    "duplicate": 0.15,
    "reorder": 0.3,
    "lose_acks": 0.15,
    "lose_disconnect": 0.5,
    "half_open": 0.1,
    "throttle": 0.1,
    "reject_upgrades": 0.1,
    "seed": 5,
}


def test_trouble_on_the_command_line_is_refused_if_there_is_no_such(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["local", "up", "--chaos", "drop=2"])

    with pytest.raises(SystemExit) as refused:
        main()

    assert refused.value.code == 2
    assert "drop 2.0: known are drop, duplicate" in capsys.readouterr().err


async def kill_workers(stack: RunningStack, random: Random) -> None:
    """Of the function behind the sockets and of the REST API, whatever they are doing."""
    function = random.choice(("WebsocketFunction", "RestFunction"))
    for pid in await asyncio.to_thread(stack.workers, function):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_trouble_can_be_seen_and_is_refused_if_there_is_no_such(
    stack: RunningStack, trouble: Callable[..., Any]
) -> None:
    made = trouble(drop=0.25, seed=3)

    assert (made["drop"], made["seed"], made["cut"]) == (0.25, 3, 0)
    assert stack.local("GET", "/_local/chaos").body["drop"] == 0.25
    assert trouble(cut="all")["drop"] == 0.25
    assert trouble()["drop"] == 0
    for wish in ({"wind": 1}, {"drop": 2}, {"cut": "some"}, [], "drop"):
        assert stack.local("POST", "/_local/chaos", wish).status == 422
    assert stack.local("POST", "/_local/chaos", b"{").status == 422


async def test_nothing_is_lost_doubled_or_out_of_order_whatever_happens(
    stack: RunningStack, party: Party, devices: Devices, trouble: Callable[..., Any]
) -> None:
    random = Random(7)  # noqa: S311 (which worker dies is no secret)
    threads = [party.thread("ana", "petra", "flora", "phil") for _ in range(3)]
    written: dict[str, list[str]] = {thread: [] for thread in threads}

    def write(number: int, device: Device) -> None:
        thread, text = random.choice(threads), f"{number} {random.random()}"
        device.client.send(thread, text)
        written[thread].append(text)

    async with devices.together(*PEOPLE) as everybody:
        trouble(**TROUBLE)
        for step in range(ROUNDS):
            for number, device in enumerate(everybody):
                write(number, device)
                write(number, device)
            if step % 3 == 1:
                await asyncio.to_thread(trouble, cut="all")
            if step % 4 == 2:
                await kill_workers(stack, random)
            await asyncio.sleep(0.2)
        await asyncio.to_thread(trouble)
        await everybody_has(everybody, threads, written)

    for thread in threads:
        logged = log(party, "ana", thread)
        assert sorted(text for _, text in logged) == sorted(written[thread])
        assert [device.heard(thread) for device in everybody] == [logged] * len(everybody)
        for number in range(len(PEOPLE)):
            own = [text for text in written[thread] if text.startswith(f"{number} ")]
            assert [text for _, text in logged if text in own] == own


async def everybody_has(everybody: list[Device], threads: list[str], written: dict[str, list[str]]) -> None:
    """Until all is sent and heard."""
    for device in everybody:
        await device.until(lambda device=device: device.client.unsent() == [])
        for thread in threads:
            count = len(written[thread])
            await device.until(lambda d=device, t=thread, n=count: len(d.heard(t)) == n)
        assert not any(isinstance(each, Refused) for each in device.told)
