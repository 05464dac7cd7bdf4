"""What outlives the process, and whom it belongs to."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from wedsync_client.frames import (
    Applied,
    Drop,
    Effect,
    Event,
    Filled,
    Keep,
    Left,
    Load,
    Message,
    Page,
    Place,
    Queued,
    Refused,
    Reloaded,
    Remember,
    Sent,
)
from wedsync_client.machine import Machine
from wedsync_client.session import Session
from wedsync_client.store import KEPT_SECONDS, Store, StoreError
from wedsync_client.timing import Timing

NOW = 1_800_000_000.0


def opened(folder: Path, person: str = "flora", device: str = "phone", now: float = NOW) -> Store:
    return Store(folder / "store", person, device, now)


def again(store: Store, folder: Path, now: float = NOW) -> Store:
    store.close()
    return opened(folder, now=now)


def item(name: str) -> Queued:
    return Queued("t1", {"client_msg_id": name, "message": "hello"})


def offered(name: str, epoch: str) -> Queued:
    return Queued("t1", {**item(name).body, "epoch": epoch})


def told(seq: int, **fields: Any) -> Applied:
    return Applied("t1", "e", Event.of({"seq": seq, "kind": "message.created", **fields}))


def cut(seq: int, kind: str = "message.reaction") -> Applied:
    """An event about the message `m`, which is too large for a frame."""
    return Applied("t1", "e", Event.of({"seq": seq, "kind": kind, "message_id": "m", "truncated": True}))


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    store = opened(tmp_path)
    place = Place("e", 4, 5, 3, 2, 1, loading=True)
    with store.transaction():
        store.write(Keep("t1", place), NOW)
        store.write(Remember("since", "e"), NOW)
        store.write(told(4, message={"seq": 4, "message": "é"}), NOW)
        store.queue(item("a"))

    saved = (store := again(store, tmp_path)).saved()

    assert (saved.since, saved.epoch, saved.places) == ("since", "e", {"t1": place})
    assert saved.queued == [item("a")]
    assert store.messages("t1") == [{"seq": 4, "message": "é"}]
    store.close()


def test_what_was_answered_is_offered_again_for_seven_days_after_a_restore(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for name in ("old", "sent", "other", "refused", "waiting"):
        store.queue(item(name))
    store.write(Sent("t1", "old", 2, "e", duplicate=False), NOW - KEPT_SECONDS)
    store.write(Sent("t1", "sent", 3, "e", duplicate=False), NOW)
    store.write(Sent("t1", "other", 4, "e2", duplicate=False), NOW)
    store.write(Refused("t1", "refused", "invalid"), NOW)

    queued = [offered("sent", "e"), item("waiting")]

    assert store.reoffer("e2", NOW) == queued
    assert store.queued() == queued
    assert store.reoffer("e2", NOW) == queued
    store = again(store, tmp_path, NOW + KEPT_SECONDS)
    assert store.reoffer("e3", NOW) == queued
    store.close()


def test_a_message_keeps_the_epoch_of_its_first_answer_through_further_restores(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.queue(item("a"))
    store.write(Sent("t1", "a", 2, "e", duplicate=False), NOW)
    store.reoffer("e2", NOW)
    store.write(Sent("t1", "a", 2, "e2", duplicate=False), NOW)

    assert store.reoffer("e3", NOW) == [offered("a", "e")]
    store.close()


def test_a_text_is_awaited_until_something_newer_is_known(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.write(cut(4, "message.created"), NOW)

    assert store.saved().truncated == [Load("t1", "m", 4)]
    assert store.awaits(Load("t1", "m", 4))
    store.write(cut(9), NOW)
    assert not store.awaits(Load("t1", "m", 4))
    store.write(told(10, message={"id": "m", "seq": 4, "message": "short"}), NOW)
    assert not store.awaits(Load("t1", "m", 9))
    assert store.saved().truncated == []
    store.close()


@pytest.mark.parametrize("before", [{"id": "m", "seq": 2, "message": "short"}, None])
def test_what_happens_to_a_long_message_is_loaded_and_stands_where_the_message_does(
    tmp_path: Path, before: Message | None
) -> None:
    whole = {"id": "m", "seq": 2, "message": "long", "reactions": {"❤": ["petra"]}}
    store = opened(tmp_path)
    session = Session(Machine("flora", store.saved(), Timing(), Random(1)), store)  # noqa: S311 (no secret)
    store.write(told(2, message=before) if before else cut(2, "message.created"), NOW)
    for event in (cut(3, "message.edited"), cut(4), cut(5, "message.pinned")):
        store.write(event, NOW)
    waiting = store.messages("t1")

    late = session.filled(Load("t1", "m", 4), {**whole, "reactions": {}})
    told_of = session.filled(Load("t1", "m", 5), whole)

    assert waiting == [{"id": "m", "seq": 2, **(before or {}), "truncated": True, "at": 5}]
    assert late.told == []
    assert told_of.told == [Filled("t1", whole)]
    assert store.messages("t1") == [whole]
    store.close()


def test_what_an_earlier_version_kept_amiss_goes_and_such_threads_are_loaded_anew(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for thread in ("t1", "t2"):
        store.write(Keep(thread, Place("e", 3)), NOW)
        seen = told(2, message={"id": "m", "seq": 2, "is_read": False, "my_ack": None})
        store.write(replace(seen, thread_id=thread), NOW)
    store.write(cut(3, "message.created"), NOW)  # as if it were one: so it was taken
    store.close()
    with closing(sqlite3.connect(tmp_path / "store")) as file:
        file.execute("pragma user_version = 0")
        file.execute("delete from facts where name = 'device_id'")

    once = (store := opened(tmp_path)).saved()
    shown = store.messages("t1")
    store.write(Keep("t1", Place("e", 3)), NOW)
    later = (store := again(store, tmp_path)).saved()

    assert [name for name, place in once.places.items() if place.loading] == ["t1"]
    assert (once.truncated, shown) == ([], [{"id": "m", "seq": 2}])
    assert not later.places["t1"].loading
    store.close()


def test_a_file_of_an_earlier_version_is_completed(tmp_path: Path) -> None:
    before, place = Place("e", 4, 5, 3, 2), Place("e", 4, 5, 3, 2, 4, loading=True)
    store = opened(tmp_path)
    store.write(Keep("t1", before), NOW)
    store.close()
    with closing(sqlite3.connect(tmp_path / "store")) as file:
        for column in ("delivered", "first"):
            file.execute(f"alter table threads drop column {column}")

    store = opened(tmp_path)
    kept = store.saved().places
    store.write(Keep("t1", place), NOW)
    store = again(store, tmp_path)

    assert kept == {"t1": before}
    assert store.saved().places == {"t1": place}
    assert store.first("t1") == 0
    store.close()


def test_in_a_file_of_an_earlier_version_a_thread_begins_at_its_oldest_message(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.write(Keep("t1", Place("e", 9)), NOW)
    for seq in (5, 8):
        store.write(told(seq, message={"seq": seq}), NOW)
    store.close()
    with closing(sqlite3.connect(tmp_path / "store")) as file:
        file.execute("alter table threads drop column first")

    store = opened(tmp_path)
    first = store.first("t1")
    store.write(told(10, message={"seq": 2, "message": "edited"}), NOW)
    shown = store.messages("t1")
    nothing_older = store.prepend(Page("t1", "e", 10, []), 5)

    assert first == 5
    assert shown == [{"seq": 5}, {"seq": 8}]
    assert nothing_older
    assert store.first("t1") == 0
    store.close()


@pytest.mark.parametrize(("effect", "places"), [(Left("t1"), ["t1"]), (Drop("t1"), [])])
def test_of_a_lost_thread_nothing_is_kept_to_read(
    tmp_path: Path, effect: Left | Drop, places: list[str]
) -> None:
    store = opened(tmp_path)
    store.write(Keep("t1", Place("e", 4)), NOW)
    store.write(told(4, message={"seq": 4}), NOW)

    store.write(effect, NOW)

    assert store.messages("t1") == []
    assert [*store.saved().places] == places
    store.close()


def test_of_a_page_on_what_happens_to_older_messages_is_not_stored(tmp_path: Path) -> None:
    page = Page("t1", "e", 9, [{"seq": 5, "message": "five"}, {"seq": 8, "message": "eight"}])
    edited = [{"seq": seq, "message": "edited"} for seq in (4, 5)]
    store = opened(tmp_path)
    store.write(Keep("t1", Place("e", 0, 9, loading=True)), NOW)
    store.write(Reloaded("t1", page), NOW)
    store.write(Keep("t1", Place("e", 9)), NOW)
    store = again(store, tmp_path)

    for number, message in enumerate(edited, 10):
        store.write(told(number, message=message), NOW)
    store.write(cut(12), NOW)
    after_a_page = store.messages("t1")
    store.write(Left("t1"), NOW)
    store.write(told(4, message=edited[0]), NOW)

    assert after_a_page == [edited[1], page.messages[1]]
    assert store.messages("t1") == [edited[0]]
    store.close()


@pytest.mark.parametrize(
    ("changed", "head"),
    [
        (None, 8),  # read before the page that is here
        (told(10, message={"seq": 3, "message": "edited"}), 9),
        (cut(10), 9),
        (Keep("t1", Place("e2", 9)), 9),
        (Keep("t1", Place("e", 9, loading=True)), 9),
        (Reloaded("t1", Page("t1", "e", 9, [{"seq": 7}])), 9),
        (Drop("t1"), 9),
    ],
)
def test_an_older_page_that_does_not_fit_what_is_here_by_now_is_not_kept(
    tmp_path: Path, changed: Effect | None, head: int
) -> None:
    older = Page("t1", "e", head, [{"seq": 3}, {"seq": 4}])
    stores = [opened(tmp_path / name) for name in ("changed", "same") if not (tmp_path / name).mkdir()]
    for store in stores:
        store.write(Keep("t1", Place("e", 9)), NOW)
        store.write(Reloaded("t1", Page("t1", "e", 9, [{"seq": 5}])), NOW)
    if changed is not None:
        stores[0].write(changed, NOW)

    kept = [stores[0].prepend(older, 5), stores[1].prepend(replace(older, head_seq=9), 5)]

    assert kept == [False, True]
    assert {"seq": 4} not in stores[0].messages("t1")
    assert stores[1].messages("t1") == [{"seq": 3}, {"seq": 4}, {"seq": 5}]
    assert stores[1].first("t1") == 3
    for store in stores:
        store.close()


def test_a_step_is_stored_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    store = opened(tmp_path)

    def step() -> None:
        with store.transaction():
            store.queue(item("a"))
            store.queue(item("a"))

    with pytest.raises(sqlite3.IntegrityError):
        step()

    assert store.queued() == []
    store.close()


@pytest.mark.parametrize(
    "body",
    [
        {"message": "\ud83d"},
        {"message": "x", "metadata": {"n": float("nan")}},
        {"message": "x", "metadata": {"n": object()}},
    ],
)
def test_what_no_frame_can_carry_is_never_kept(tmp_path: Path, body: dict[str, Any]) -> None:
    with closing(opened(tmp_path)) as store:
        session = Session(Machine("flora", store.saved(), Timing(), Random(1)), store)  # noqa: S311 (no secret)

        with pytest.raises((TypeError, ValueError), match=r"surrogates|JSON"):
            session.send("t1", body)

        assert store.queued() == []


def test_nobody_else_may_read_what_is_stored(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with closing(opened(tmp_path)):
            modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    finally:
        os.umask(before)

    assert modes == {"store": 0o600, "store-wal": 0o600}


def another_person(folder: Path) -> Store:
    opened(folder).close()
    return opened(folder, "carlo")


def another_device(folder: Path) -> Store:
    opened(folder).close()
    return opened(folder, device="tablet")


def no_database(folder: Path) -> Store:
    (folder / "store").write_text("no database" * 1000)
    return opened(folder)


def no_folder(folder: Path) -> Store:
    return opened(folder / "nowhere")


def two_processes(folder: Path) -> Store:
    first = opened(folder)
    try:
        return opened(folder)
    finally:
        first.close()


@pytest.mark.parametrize("attempt", [another_person, another_device, no_database, no_folder, two_processes])
def test_a_file_that_is_not_this_devices_alone_is_refused(
    tmp_path: Path, attempt: Callable[[Path], Store]
) -> None:
    with pytest.raises(StoreError):
        attempt(tmp_path)
