"""The Python client on the real stack: what a person sees on a device that comes and goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.fixtures.client_devices import HASTE, Device, Devices
from tests.fixtures.wedding_devices import PEOPLE, Party
from wedsync_client import Applied, Hint, Left, Refused, Reloaded, Sent, State, StateChanged, StoreError


def log(party: Party, person: str, thread: str) -> list[tuple[int, str]]:
    """Seq and text of every message, from the server."""
    found: list[tuple[int, str]] = []
    path = f"/threads/{thread}/messages?after_seq=0&limit=100"
    while True:
        page = party.call(person, "GET", path).body
        found += [(message["seq"], message["message"]) for message in page["data"]]
        if page["next_cursor"] is None:
            return found
        path = f"/threads/{thread}/messages?limit=100&cursor={page['next_cursor']}"


def place(party: Party, person: str, thread: str) -> tuple[int, int]:
    """How far somebody's devices have stored a thread, and how far he has read it."""
    me = party.call(person, "GET", f"/threads/{thread}").body["me"]
    return me["delivered_seq"], me["read_seq"]


async def test_both_devices_of_a_person_show_the_same_conversation(party: Party, devices: Devices) -> None:
    thread = party.thread("ana", "flora")

    async with devices.together("ana", "flora", "flora") as (ana, phone, tablet):
        ana.client.send(thread, "Could the arch be white?")
        await phone.until(lambda: "Could the arch be white?" in phone.texts(thread))
        phone.client.send(thread, "It can")
        for device in (ana, phone, tablet):
            await device.until(lambda device=device: len(device.heard(thread)) == 2)

    assert phone.heard(thread) == tablet.heard(thread) == ana.heard(thread) == log(party, "ana", thread)


async def test_a_hundred_messages_written_offline_are_sent_once_and_in_order(
    party: Party, devices: Devices
) -> None:
    thread = party.thread("ana", "flora")
    written = [f"message {number}" for number in range(100)]
    async with devices.device("ana", "laptop", api="http://127.0.0.1:9/v1") as offline:
        for text in written:
            offline.client.send(thread, text)
        await offline.until(lambda: offline.client.state is State.OFFLINE)

    async with devices.device("ana", "laptop") as laptop, devices.device("flora", "phone") as flora:
        assert len(laptop.client.unsent()) == 100
        await laptop.until(lambda: not laptop.client.unsent())
        await flora.until(lambda: len(flora.heard(thread)) == 100)

    assert [text for _, text in log(party, "ana", thread)] == written
    assert flora.heard(thread) == log(party, "ana", thread)
    assert [each.duplicate for each in laptop.settled() if isinstance(each, Sent)] == [False] * 100


async def test_a_device_goes_on_where_it_was(party: Party, devices: Devices) -> None:
    thread = party.thread("ana", "flora")
    message = party.send("ana", thread, "before").body["id"]
    async with devices.device("flora", "phone") as before:
        await before.until(lambda: before.texts(thread) == ["before"])
    party.call("ana", "PATCH", f"/messages/{message}", {"message": "edited"})
    party.send("ana", thread, "meanwhile")

    async with devices.device("flora", "phone") as after:
        after.places[thread] = before.places[thread]
        assert after.texts(thread) == ["before"]
        await after.until(lambda: after.heard(thread) == [(3, "edited"), (4, "meanwhile")])
        assert after.texts(thread) == ["edited", "meanwhile"]


async def test_whoever_connects_while_others_write_misses_nothing(party: Party, devices: Devices) -> None:
    thread = party.thread("ana", "petra")

    async with devices.device("ana", "laptop") as ana:
        await ana.live()
        for number in range(5):
            async with devices.device("petra", f"phone-{number}") as petra:
                for text in range(4):
                    ana.client.send(thread, f"{number}.{text}")
                    await asyncio.sleep(0.02)
                await petra.until(lambda count=4 * (number + 1): len(petra.heard(thread)) == count)
                assert petra.heard(thread) == log(party, "ana", thread)


async def test_who_is_removed_forgets_and_who_comes_back_begins_anew(party: Party, devices: Devices) -> None:
    thread = party.thread("ana", "flora")
    who = f"/threads/{thread}/participants"
    party.send("ana", thread, "for Flora")

    async with devices.device("flora", "phone") as flora:
        await flora.until(lambda: flora.texts(thread) == ["for Flora"])
        party.call("ana", "DELETE", f"{who}/{PEOPLE['flora']}")
        await flora.until(lambda: Left(thread) in flora.told)
        assert flora.texts(thread) == []
        party.send("ana", thread, "not for Flora")
        party.call("ana", "POST", who, {"user_id": PEOPLE["flora"]})
        party.send("ana", thread, "for Flora again")
        await flora.until(lambda: any(isinstance(each, Reloaded) for each in flora.told))
        await flora.until(lambda: flora.texts(thread) == ["for Flora again"])

    assert "not for Flora" not in str(flora.told)


async def test_who_is_removed_while_everybody_writes_hears_and_says_nothing_after_it(
    party: Party, devices: Devices
) -> None:
    thread = party.thread("ana", "petra", "flora")
    removal = f"/threads/{thread}/participants/{PEOPLE['flora']}"

    async with devices.together("ana", "flora") as (ana, flora), asyncio.TaskGroup() as tasks:
        for device in (ana, flora):
            await device.until(lambda device=device: thread in device.places)
        for number in range(12):
            ana.client.send(thread, f"Ana {number}")
            flora.client.send(thread, f"Flora {number}")
            if number == 4:
                tasks.create_task(asyncio.to_thread(party.call, "petra", "DELETE", removal))
            await asyncio.sleep(0.03)
        await ana.until(lambda: sum(isinstance(each, Sent) for each in ana.settled()) == 12)
        await flora.until(lambda: len(flora.settled()) == 12 and Left(thread) in flora.told)
        assert flora.texts(thread) == []
        await ana.until(lambda: [text for _, text in ana.heard(thread)][-1:] == ["Ana 11"])

    events = [each.event for each in ana.told if isinstance(each, Applied) and each.thread_id == thread]
    (removed,) = (event.seq for event in events if event.kind == "participant.removed")
    hers = [seq for seq, text in ana.heard(thread) if text.startswith("Flora")]
    assert ana.heard(thread) == log(party, "ana", thread)
    assert all(seq < removed for seq in hers)
    assert [each.seq for each in flora.settled() if isinstance(each, Sent)] == hers
    assert {each.code for each in flora.settled() if isinstance(each, Refused)} <= {"not_found"}
    assert (
        flora.heard(thread)
        == [each for each in ana.heard(thread) if each[0] < removed][: len(flora.heard(thread))]
    )


async def test_a_message_counts_as_read_only_while_somebody_looks(party: Party, devices: Devices) -> None:
    thread = party.thread("ana", "flora")

    async with devices.device("flora", "phone") as flora:
        seq = party.send("ana", thread, "hello?").body["seq"]
        await flora.until(lambda: place(party, "flora", thread) == (seq, 0))
        flora.client.focus(thread)
        await flora.until(lambda: place(party, "flora", thread) == (seq, seq))
        seq = party.send("ana", thread, "and this?").body["seq"]
        await flora.until(lambda: place(party, "flora", thread) == (seq, seq))
        flora.client.focus(None)
        party.send("ana", thread, "good night")
        await flora.until(lambda: place(party, "flora", thread) == (seq + 1, seq))


async def test_devices_hear_who_is_here_who_types_and_who_has_read(party: Party, devices: Devices) -> None:
    thread = party.thread("ana", "ben")

    def hinted(device: Device, kind: str) -> list[Mapping[str, Any]]:
        frames = [each.frame for each in device.told if isinstance(each, Hint)]
        return [frame for frame in frames if frame["type"] == kind and frame["thread_id"] == thread]

    async with devices.together("ana", "ben") as [ana, ben]:
        for device in (ana, ben):
            device.client.focus(thread)
        await ana.until(lambda: any(len(each["user_ids"]) == 2 for each in hinted(ana, "presence")))
        ben.client.typing(thread)
        await ana.until(lambda: [each["user_id"] for each in hinted(ana, "typing")] == [PEOPLE["ben"]])
        seq = party.send("ana", thread, "hello").body["seq"]
        await ana.until(
            lambda: (
                (PEOPLE["ben"], seq)
                in [(each["user_id"], each["read_seq"]) for each in hinted(ana, "receipt")]
            )
        )

    assert hinted(ben, "typing") == []


async def test_a_message_that_will_never_do_is_told_and_the_others_go(party: Party, devices: Devices) -> None:
    thread = party.thread("ana", "flora")

    async with devices.device("ana", "laptop", api="http://127.0.0.1:9/v1") as offline:
        for text in ("first", " ", "third"):
            offline.client.send(thread, text)
    async with devices.device("ana", "laptop") as ana:
        await ana.until(lambda: len(ana.settled()) == 3)

    refused = [each for each in ana.settled() if isinstance(each, Refused)]
    assert [each.code for each in refused] == ["invalid"]
    assert [text for _, text in log(party, "ana", thread)] == ["first", "third"]


async def test_a_text_too_long_for_a_frame_is_loaded(party: Party, devices: Devices) -> None:
    thread = party.thread("ana", "flora")
    long = "💐<" * 3000

    async with devices.device("flora", "phone") as flora:
        await flora.live()
        party.send("ana", thread, long)
        await flora.until(lambda: [each.get("message") for each in flora.client.messages(thread)] == [long])


async def test_what_happens_to_a_text_too_long_for_a_frame_happens_to_its_message(
    party: Party, devices: Devices
) -> None:
    thread = party.thread("ana", "flora")
    message = party.send("ana", thread, "short").body["id"]

    async with devices.device("flora", "phone") as flora:
        await flora.until(lambda: flora.texts(thread) == ["short"])
        party.call("ana", "PATCH", f"/messages/{message}", {"message": "😎" * 8000})
        party.call("ana", "PUT", f"/messages/{message}/reactions/{quote('🌿')}")
        party.call("ana", "PUT", f"/messages/{message}/pin")
        stored = dict(party.call("flora", "GET", f"/messages/{message}").body)
        for hers in ("is_read", "my_ack"):
            del stored[hers]
        await flora.until(lambda: flora.client.messages(thread) == [stored])

    assert stored["reactions"] == {"🌿": [PEOPLE["ana"]]}


async def test_a_text_too_long_for_a_frame_is_sent_in_its_place(party: Party, devices: Devices) -> None:
    thread = party.thread("ana", "flora")
    written = ["before", "😀" * 8000, "after"]

    async with devices.device("ana", "laptop") as ana:
        for text in written:
            ana.client.send(thread, text)
        await ana.until(lambda: len(ana.settled()) == 3)

    assert [type(each) for each in ana.settled()] == [Sent, Sent, Sent]
    assert [text for _, text in log(party, "ana", thread)] == written


async def test_the_newer_connection_of_a_device_wins_and_the_older_stays_away(
    party: Party, devices: Devices, tmp_path: Path
) -> None:
    async with devices.device("flora", "phone") as old:
        await old.live()
        elsewhere = Devices(party.stack, tmp_path / "elsewhere")
        (tmp_path / "elsewhere").mkdir()

        async with elsewhere.device("flora", "phone") as new:
            await new.live()
            await old.until(lambda: old.client.state is State.ENDED)
            await asyncio.sleep(0.5)
            assert new.client.state is State.LIVE

    states = [each.state for each in old.told if isinstance(each, StateChanged)]
    assert states[-2:] == [State.ENDED, State.CLOSED]


async def test_a_connection_is_renewed_before_it_ends(party: Party, devices: Devices) -> None:
    thread = party.thread("ana", "flora")
    quick = replace(HASTE, renewal=(0.3, 0.4), sync_every=60.0)

    async with devices.device("flora", "phone", timing=quick) as flora:
        await flora.live()
        for number in range(20):
            party.send("ana", thread, str(number))
            await asyncio.sleep(0.05)
        await flora.until(lambda: len(flora.heard(thread)) == 20)

    states = [each.state for each in flora.told if isinstance(each, StateChanged)]
    assert states[:3] == [State.CONNECTING, State.CATCHING_UP, State.LIVE]
    assert State.ENDED not in states
    assert flora.heard(thread) == log(party, "ana", thread)


async def test_where_sockets_are_refused_all_goes_over_rest_until_one_opens(
    party: Party, devices: Devices, trouble: Callable[..., Any]
) -> None:
    thread = party.thread("ana", "flora")

    async with devices.device("flora", "phone") as flora:
        await flora.live()
        trouble(reject_upgrades=1, cut="all")
        flora.client.send(thread, "over REST")
        await flora.until(lambda: flora.client.state is State.POLLING and flora.client.unsent() == [])
        flora.client.focus(thread)
        for number in range(3):
            seq = party.send("ana", thread, str(number)).body["seq"]
            await flora.until(lambda number=number: flora.texts(thread)[-1:] == [str(number)])
            await flora.until(lambda seq=seq: place(party, "flora", thread) == (seq, seq))
        assert flora.client.state is State.POLLING
        trouble()
        await flora.live()
        party.send("ana", thread, "by socket")
        await flora.until(lambda: flora.texts(thread) == ["over REST", "0", "1", "2", "by socket"])

    (sent,) = flora.settled()
    assert isinstance(sent, Sent)
    assert sent.epoch == party.call("ana", "GET", f"/threads/{thread}").body["epoch"]
    assert flora.heard(thread) == log(party, "ana", thread)


async def test_a_store_is_for_one_person_and_one_process(party: Party, devices: Devices) -> None:
    async with devices.device("flora", "phone") as flora:
        await flora.live()

        with pytest.raises(StoreError):
            async with devices.device("flora", "phone"):
                pass
    with pytest.raises(StoreError):
        async with devices.device("ana", "phone"):
            pass


async def test_what_was_applied_is_not_applied_again_by_the_next_process(
    party: Party, devices: Devices
) -> None:
    thread = party.thread("ana", "flora")
    heard: list[int] = []

    for number in range(3):
        party.send("ana", thread, str(number))
        async with devices.device("flora", "phone") as flora:
            flora.places[thread] = heard[-1] if heard else 0
            await flora.until(lambda last=number + 2: flora.places[thread] == last)
            mine = [each for each in flora.told if isinstance(each, Applied) and each.thread_id == thread]
            heard += [each.event.seq for each in mine]

    assert heard == [1, 2, 3, 4]


async def test_a_token_that_ends_soon_is_renewed_without_another_socket(
    party: Party, devices: Devices
) -> None:
    registered = party.registered("phil")
    short, long = 60, 3600

    async with devices.device("phil", "phil-camera", tokens=chain([short], repeat(long))) as phil:
        await phil.until(
            lambda: (
                StateChanged(State.LIVE) in phil.told
                and registered.expires_at("phil-camera") > time.time() + short * 2
            )
        )

        assert [each.state for each in phil.told if isinstance(each, StateChanged)] == [
            State.CONNECTING,
            State.CATCHING_UP,
            State.LIVE,
        ]
