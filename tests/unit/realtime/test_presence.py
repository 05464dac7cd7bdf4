"""Who looks at a thread and who types there: what the table of connections knows of it, and who is told."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.fixtures.stub_server import answer, serving
from tests.unit.realtime.conftest import Gateway
from wedsync.conversations import company, cursors
from wedsync.identity.principals import Principal
from wedsync.platform.errors import Unavailable
from wedsync.realtime import attention, connections, hints, presence
from wedsync.realtime.connections import Connection
from wedsync.realtime.sessions import Session

BRIDE, FLORIST, PLANNER, STRANGER = uuid4(), uuid4(), uuid4(), uuid4()
ROSES, CAKE = uuid4(), uuid4()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine must not decide what arrives."""
    monkeypatch.setattr(hints, "SECONDS", 5)
    monkeypatch.setattr(connections, "WRITE_SECONDS", 5)


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> dict[UUID, set[UUID]]:
    """Who may write in which thread, as the database would say; it keeps each other company."""
    people = {ROSES: {BRIDE, FLORIST, PLANNER}, CAKE: {BRIDE, PLANNER}}

    def of_writer(who: Principal, thread_id: UUID) -> frozenset[UUID]:
        return frozenset(people[thread_id]) if who.user_id in people[thread_id] else frozenset()

    def of(who: Principal, threads: Collection[UUID]) -> dict[UUID, frozenset[UUID]]:
        return {each: of_writer(who, each) for each in threads}

    monkeypatch.setattr(company, "of_writer", of_writer)
    monkeypatch.setattr(company, "of", of)
    return people


def speaking(connection: Connection, at: float | None = None) -> Session:
    who = Principal(connection.user_id, "user", frozenset(), connection.expires_at)
    return Session(who, connection, time.time() if at is None else at)


def looking(user_id: UUID, thread_id: UUID | None, device_id: str = "phone") -> Connection:
    made = connected(user_id, device_id)
    attention.focus(made, thread_id, time.time())
    return made


def people(frame: Any) -> set[UUID]:
    return {UUID(each) for each in frame["user_ids"]}


def connected(user_id: UUID, device_id: str = "phone") -> Connection:
    name = f"{device_id} of {user_id}"
    made = connections.opened(user_id, device_id, name, int(time.time()) + 3600)
    connections.register(made)
    return made


@pytest.mark.usefixtures("table")
def test_who_has_the_thread_on_screen_is_focused() -> None:
    attention.focus(connected(FLORIST), ROSES, time.time())
    attention.focus(connected(PLANNER), CAKE, time.time())

    assert presence.focused(ROSES, [FLORIST, PLANNER]) == {FLORIST}


@pytest.mark.usefixtures("table")
def test_one_device_that_looks_is_enough() -> None:
    attention.focus(connected(FLORIST, "laptop"), None, time.time())
    attention.focus(connected(FLORIST, "phone"), ROSES, time.time())

    assert presence.focused(ROSES, [FLORIST]) == {FLORIST}


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("ended", ["closed", "looks elsewhere", "not confirmed", "lagging", "replaced"])
def test_focus_ends(ended: str) -> None:
    phone = connected(FLORIST)
    attention.focus(phone, ROSES, time.time())

    match ended:
        case "closed":
            connections.remove(phone)
        case "looks elsewhere":
            attention.focus(phone, None, time.time())
        case "not confirmed":
            connections.register(phone)
            attention.focus(phone, ROSES, time.time() - attention.FOCUS_SECONDS)
        case "lagging":
            connections.mark_lagging(phone)
        case _:
            connections.register(replace(phone, connection_id="newer="))

    assert presence.focused(ROSES, [FLORIST]) == set()


@pytest.mark.usefixtures("table")
def test_what_a_replaced_connection_looked_at_is_not_kept() -> None:
    phone = connected(FLORIST)
    connections.register(replace(phone, connection_id="newer="))

    assert attention.focus(phone, ROSES, time.time()) is None
    assert presence.focused(ROSES, [FLORIST]) == set()


@pytest.mark.usefixtures("table")
def test_the_change_of_focus_tells_what_was_before() -> None:
    phone = connected(FLORIST)

    first = attention.focus(phone, ROSES, 1_000.5)
    second = attention.focus(phone, None, 1_004.5)

    assert first == phone
    assert second == replace(phone, focus=ROSES, focused_at=1_000.5)


@pytest.mark.usefixtures("environment")
def test_nobody_is_focused_while_the_table_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: answer(400, b'{"__type":"x#AccessDeniedException"}')) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)

        assert presence.focused(ROSES, [FLORIST]) == set()


@pytest.mark.usefixtures("table", "writers")
def test_who_comes_and_who_is_there_hear_who_is_here(gateway: Gateway) -> None:
    planner, bride, elsewhere = (
        looking(PLANNER, ROSES),
        looking(BRIDE, ROSES),
        looking(BRIDE, None, "laptop"),
    )
    florist = connected(FLORIST)
    stranger = looking(STRANGER, ROSES)

    presence.focus(speaking(florist), ROSES)

    for each in (planner, bride, florist):
        (frame,) = gateway.frames[each.connection_id]
        assert (frame["type"], frame["thread_id"], frame["ttl"]) == ("presence", str(ROSES), 30)
        assert people(frame) == {PLANNER, BRIDE, FLORIST}
    assert [gateway.frames[each.connection_id] for each in (elsewhere, stranger)] == [[], []]


@pytest.mark.usefixtures("table", "writers")
def test_who_turns_to_another_thread_leaves_the_one_and_comes_to_the_other(gateway: Gateway) -> None:
    bride, planner, comes = looking(BRIDE, ROSES), looking(PLANNER, CAKE), connected(PLANNER, "laptop")
    now = time.time()

    presence.focus(speaking(comes, now), ROSES)
    presence.focus(speaking(comes, now + 2), CAKE)

    assert [people(frame) for frame in gateway.frames[bride.connection_id]] == [{BRIDE, PLANNER}, {BRIDE}]
    assert [people(frame) for frame in gateway.frames[planner.connection_id]] == [{PLANNER}]
    assert [frame["thread_id"] for frame in gateway.frames[comes.connection_id]] == [str(ROSES), str(CAKE)]


@pytest.mark.usefixtures("table", "writers")
def test_who_goes_on_looking_is_told_of_every_twenty_seconds(gateway: Gateway) -> None:
    phone = connected(FLORIST)
    began = phone.connected_at

    for second in range(0, 60, 4):
        presence.focus(speaking(phone, began + second), ROSES)

    assert len(gateway.frames[phone.connection_id]) == 3


@pytest.mark.usefixtures("table", "writers")
def test_who_was_silent_for_ten_seconds_comes_anew(gateway: Gateway) -> None:
    phone = connected(FLORIST)

    for second in (0, 10):
        presence.focus(speaking(phone, phone.connected_at + second), ROSES)

    assert len(gateway.frames[phone.connection_id]) == 2


@pytest.mark.usefixtures("table", "writers")
def test_who_cannot_stay_anywhere_is_told_of_once_a_second(gateway: Gateway) -> None:
    bride, planner = looking(BRIDE, ROSES), connected(PLANNER)
    now = time.time()

    for number, thread in enumerate([ROSES, CAKE, ROSES, CAKE, ROSES, CAKE]):
        presence.focus(speaking(planner, now + number / 10), thread)
    presence.focus(speaking(planner, now + 4), CAKE)
    presence.focus(speaking(planner, now + 4.1), None)

    assert [people(frame) for frame in gateway.frames[bride.connection_id]] == [{BRIDE, PLANNER}, {BRIDE}]
    assert [frame["thread_id"] for frame in gateway.frames[planner.connection_id]] == [str(ROSES), str(CAKE)]


@pytest.mark.usefixtures("table")
def test_what_was_said_before_changes_nothing_when_it_comes_later() -> None:
    phone = looking(FLORIST, ROSES)

    assert attention.focus(phone, CAKE, time.time() - 1) is None

    assert presence.focused(ROSES, [FLORIST]) == {FLORIST}


@pytest.mark.usefixtures("table")
def test_who_looks_at_what_he_does_not_see_is_not_here(
    gateway: Gateway, writers: dict[UUID, set[UUID]]
) -> None:
    bride, florist = looking(BRIDE, ROSES), connected(FLORIST)
    writers[ROSES] -= {FLORIST}

    presence.focus(speaking(florist), ROSES)

    assert gateway.frames == {}
    presence.focus(speaking(bride, time.time() + 30), ROSES)
    assert [people(frame) for frame in gateway.frames[bride.connection_id]] == [{BRIDE}]


@pytest.mark.usefixtures("table", "writers")
def test_typing_is_heard_by_others_who_look_or_never_said_where(gateway: Gateway) -> None:
    bride, own, florist = looking(BRIDE, ROSES), looking(FLORIST, ROSES, "laptop"), connected(FLORIST)
    silent, elsewhere = connected(PLANNER), looking(PLANNER, CAKE, "laptop")

    presence.types(speaking(florist), ROSES)

    told = {"type": "typing", "thread_id": str(ROSES), "user_id": str(FLORIST), "ttl": 6}
    assert [gateway.frames[each.connection_id] for each in (bride, silent)] == [[told], [told]]
    assert [gateway.frames[each.connection_id] for each in (own, florist, elsewhere)] == [[], [], []]


@pytest.mark.usefixtures("table", "writers")
def test_typing_is_passed_on_once_in_three_seconds_whatever_the_device(gateway: Gateway) -> None:
    bride, phone, laptop = looking(BRIDE, ROSES), connected(FLORIST), connected(FLORIST, "laptop")
    now = time.time()

    for device, moment in ((phone, now), (phone, now + 1), (laptop, now + 2), (laptop, now + 3)):
        presence.types(speaking(device, moment), ROSES)

    assert len(gateway.frames[bride.connection_id]) == 2


@pytest.mark.usefixtures("table", "writers")
def test_typing_that_comes_late_or_from_who_may_not_write_is_passed_on_to_nobody(gateway: Gateway) -> None:
    looking(BRIDE, CAKE)

    presence.types(speaking(connected(PLANNER), time.time() - 1.5), CAKE)
    presence.types(speaking(connected(FLORIST)), CAKE)
    presence.types(speaking(connections.opened(BRIDE, "never", "never=", 2**40)), CAKE)

    assert gateway.frames == {}


@pytest.mark.usefixtures("table")
def test_without_the_database_hints_are_dropped_and_focus_is_kept(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> frozenset[UUID]:
        raise Unavailable

    monkeypatch.setattr(company, "of", down)
    monkeypatch.setattr(company, "of_writer", down)
    florist = connected(FLORIST)

    presence.focus(speaking(florist), ROSES)
    presence.types(speaking(florist), ROSES)

    assert gateway.frames == {}
    assert presence.focused(ROSES, [FLORIST]) == {FLORIST}


@pytest.mark.usefixtures("table", "writers")
def test_a_receipt_that_is_owed_is_told_with_the_next_focus_once(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    bride, florist = looking(BRIDE, ROSES), looking(FLORIST, ROSES)
    asked: list[UUID] = []

    def receipt(_: Principal, thread_id: UUID) -> cursors.Moved[None]:
        asked.append(thread_id)
        return cursors.Moved(None, (cursors.Receipt(thread_id, FLORIST, 9, 9, frozenset({BRIDE, FLORIST})),))

    monkeypatch.setattr(cursors, "receipt", receipt)
    attention.owe(florist, ROSES)

    presence.focus(speaking(florist), ROSES)
    presence.focus(speaking(florist), ROSES)

    assert asked == [ROSES]
    for each in (bride, florist):
        told = [frame for frame in gateway.frames[each.connection_id] if frame["type"] == "receipt"]
        assert [frame["read_seq"] for frame in told] == [9]


@pytest.mark.usefixtures("table", "writers")
def test_a_receipt_that_is_too_soon_again_stays_owed(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    florist = looking(FLORIST, ROSES)
    too_soon = cursors.Moved(None, (cursors.Receipt(ROSES, FLORIST, 9, 9, None),))
    monkeypatch.setattr(cursors, "receipt", lambda *_: too_soon)
    attention.owe(florist, ROSES)

    presence.focus(speaking(florist), ROSES)

    assert [each.owes for each in connections.find([FLORIST])] == [ROSES]
    assert not [frame for frame in gateway.frames[florist.connection_id] if frame["type"] == "receipt"]
