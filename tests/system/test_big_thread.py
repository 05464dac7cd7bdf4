"""A thread with more open sockets than the function that commits pushes to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from uuid import uuid4

import pytest

from tests.fixtures.stack import RunningStack
from tests.fixtures.wedding_devices import PATIENCE_SECONDS, PEOPLE, Device, Party

DEVICES = 9  # of each of six people; a tenth would still have a place


@pytest.fixture(scope="module")
def crowd(party: Party) -> Iterator[list[Device]]:
    """Fifty-four open sockets, which have not synced."""
    with ExitStack() as opened:
        devices = [party.connect(person, f"{person}-crowd-{n}") for n in range(DEVICES) for person in PEOPLE]
        for device in devices:
            opened.callback(device.close)
        yield devices


def runs(stack: RunningStack, function: str) -> int:
    """How often a function has run to its end."""
    found = stack.local("GET", "/_local/functions").body["data"]
    return next(each["invocations"] for each in found if each["function"] == function)


def runs_again(stack: RunningStack, function: str, before: int) -> bool:
    """Whether it has run since, or does so soon."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while runs(stack, function) == before and time.monotonic() < deadline:
        time.sleep(0.02)
    return runs(stack, function) > before


@pytest.mark.parametrize(("priority", "lane"), [("normal", ""), ("emergency", "Emergency")])
def test_every_socket_hears_of_a_message_some_of_them_through_the_fan_out_of_its_lane(
    party: Party, stack: RunningStack, crowd: list[Device], priority: str, lane: str
) -> None:
    thread = party.thread(*PEOPLE)
    before = runs(stack, f"Fanout{lane}Function")
    message = {"client_msg_id": str(uuid4()), "message": "The cake is here", "priority_level": priority}

    sent = party.call("ana", "POST", f"/threads/{thread}/messages", message)

    heard = [device.wait_seq(thread, sent.body["seq"])["message"]["message"] for device in crowd]
    assert heard == ["The cake is here"] * len(PEOPLE) * DEVICES
    assert runs_again(stack, f"Fanout{lane}Function", before)


def test_a_burst_reaches_every_socket_whole(party: Party, crowd: list[Device]) -> None:
    thread = party.thread(*PEOPLE)
    texts = [f"message {number}" for number in range(10)]

    seqs = [party.send("ana", thread, text).body["seq"] for text in texts]

    for device in crowd:
        assert [device.wait_seq(thread, seq)["message"]["message"] for seq in seqs] == texts


def test_who_is_removed_hears_so_on_every_device_and_nothing_later(party: Party, crowd: list[Device]) -> None:
    thread = party.thread(*PEOPLE)
    florist = [device for device, person in zip(crowd, [*PEOPLE] * DEVICES, strict=True) if person == "flora"]
    others = [device for device in crowd if device not in florist]

    removed = party.call("ana", "DELETE", f"/threads/{thread}/participants/{PEOPLE['flora']}")
    sent = party.send("ana", thread, "Flora must not read this")

    assert removed.status == 204
    for device in others:
        device.wait_seq(thread, sent.body["seq"])
    for device in florist:
        assert device.wait("access", thread_id=thread)["state"] == "revoked"
        assert sent.body["seq"] not in device.events(thread)
