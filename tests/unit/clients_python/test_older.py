"""What a device loads of before the oldest message that it has, while things go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from wedsync_client.frames import Drop, Effect, Keep, Message, Page, Place, Reloaded, Remember
from wedsync_client.machine import Machine
from wedsync_client.rest import Unreachable
from wedsync_client.session import PAUSES, Session
from wedsync_client.store import Store
from wedsync_client.timing import Timing

OLD, NEW = {"seq": 4, "message": "as it was"}, {"seq": 4, "message": "edited"}
NEWEST = {"seq": 5, "message": "five"}


class Device:
    """It has a thread from message 5 to event 9; `load` answers the pages of a test and lets it hear of more."""

    def __init__(self, store: Store) -> None:
        with store.transaction():
            store.write(Remember("since", "e"), 0.0)
            store.write(Keep("t1", Place("e", 0, 9, loading=True)), 0.0)
            store.write(Reloaded("t1", Page("t1", "e", 9, [NEWEST])), 0.0)
            store.write(Keep("t1", Place("e", 9)), 0.0)
        self.store = store
        self.session = Session(Machine("flora", store.saved(), Timing(), Random(1)), store)  # noqa: S311 (no secret)
        self.loads = 0

    def hear(self, seq: int, message: Message) -> None:
        event = {"seq": seq, "kind": "message.edited", "message": message}
        where = {"thread_id": "t1", "epoch": "e", "head_seq": seq, "to_seq": seq}
        self.session.received({"type": "events", "events": [event], **where})

    async def older(self, page: Callable[[int], Page]) -> tuple[list[Message], list[Message]]:
        """What is answered, and what is there then; `page` is told how often one was loaded."""

        async def load(_thread_id: str, _before: int, _limit: int) -> Page:
            self.loads += 1
            assert self.loads <= len(PAUSES), "it has no end"
            return page(self.loads)

        found = await self.session.older("t1", 50, load)
        return [*found], self.store.messages("t1")


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    store = Store(tmp_path / "store", "flora", "phone", 0.0)
    yield Device(store)
    store.close()


def page(head: int, *messages: Message, epoch: str = "e") -> Page:
    return Page("t1", epoch, head, messages)


async def test_a_page_that_an_edit_has_overtaken_is_loaded_again(device: Device) -> None:
    def overtaken(loads: int) -> Page:
        if loads == 1:
            device.hear(10, NEW)
            return page(9, OLD)
        return page(10, NEW)

    found, shown = await device.older(overtaken)

    assert device.loads == 2
    assert found == [NEW]
    assert shown == [NEW, NEWEST]


async def test_an_edit_that_is_heard_of_after_a_page_replaces_what_the_page_brought(device: Device) -> None:
    await device.older(lambda _: page(9, OLD))

    device.hear(10, NEW)

    assert device.store.messages("t1") == [NEW, NEWEST]


async def test_a_page_is_kept_whatever_happens_meanwhile_to_newer_messages(device: Device) -> None:
    sixth = {"seq": 6, "message": "edited"}

    def busy(loads: int) -> Page:
        device.hear(9 + loads, sixth)
        return page(8 + loads, OLD)

    found, shown = await device.older(busy)

    assert device.loads == 1
    assert found == [OLD]
    assert shown == [OLD, NEWEST, sixth]


async def test_whoever_asks_is_told_to_ask_later_where_every_page_is_overtaken(device: Device) -> None:
    def overtaken(loads: int) -> Page:
        device.hear(9 + loads, NEW)
        return page(8 + loads, OLD)

    with pytest.raises(Unreachable):
        await device.older(overtaken)

    assert device.loads == len(PAUSES)
    assert device.store.messages("t1") == [NEWEST]


async def test_before_a_device_hears_of_a_restore_nothing_older_is_kept_or_asked_for_again(
    device: Device,
) -> None:
    with pytest.raises(Unreachable):
        await device.older(lambda _: page(30, OLD, epoch="e2"))

    assert device.loads == 1
    assert device.store.messages("t1") == [NEWEST]


async def test_a_page_of_a_thread_that_was_lost_meanwhile_is_not_kept(device: Device) -> None:
    def lost(_loads: int) -> Page:
        device.session.missing("t1")
        return page(9, OLD)

    with pytest.raises(Unreachable):
        await device.older(lost)

    assert device.store.messages("t1") == []


@pytest.mark.parametrize("known", [[Drop("t1")], [Drop("t1"), Keep("t1", Place("e", 0, 9, loading=True))]])
async def test_nobody_says_that_nothing_is_older_of_a_thread_that_is_not_here_yet(
    device: Device, known: list[Effect]
) -> None:
    def begun_meanwhile(loads: int) -> Page:
        if loads == 2:
            store.write(Keep("t1", Place("e", 9)), 0.0)
            store.write(Reloaded("t1", page(9, NEWEST)), 0.0)
        return page(9, OLD) if loads == 3 else page(9)

    store = device.store
    for effect in known:
        store.write(effect, 0.0)

    assert await device.older(begun_meanwhile) == ([OLD], [OLD, NEWEST])


async def test_of_a_thread_that_has_its_first_message_here_nothing_is_asked(device: Device) -> None:
    device.store.write(Reloaded("t1", page(9)), 0.0)

    assert await device.older(lambda _: page(9, OLD)) == ([], [])
    assert device.loads == 0


@pytest.mark.parametrize("limit", [-1, 0, 101])
async def test_no_page_has_so_few_or_so_many_messages(device: Device, limit: int) -> None:
    async def load(*_asked: object) -> Page:
        return page(9)

    for thread in ("t1", "t9"):
        with pytest.raises(ValueError, match="1 to 100"):
            await device.session.older(thread, limit, load)


async def test_a_page_from_before_the_thread_was_begun_anew_is_loaded_again(device: Device) -> None:
    """What happened in between was not heard of one by one."""

    def begun_anew(loads: int) -> Page:
        if loads == 1:
            place = {"thread_id": "t1", "epoch": "e"}
            sync = device.session.connected().frames[0]
            device.session.received({"type": "resync_required", "re": sync["id"], **place})
            device.session.loaded(page(12, NEWEST))
            return page(9, OLD)
        return page(12, NEW)

    found, shown = await device.older(begun_anew)

    assert device.loads == 2
    assert found == [NEW]
    assert shown == [NEW, NEWEST]
