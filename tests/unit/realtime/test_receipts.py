"""Who is told how far somebody has got, and what is owed."""

from __future__ import annotations

import time
from uuid import UUID, uuid4

import pytest

from tests.unit.realtime.conftest import Gateway, connect
from wedsync.conversations.cursors import Moved, Receipt
from wedsync.realtime import attention, connections, hints, receipts

BRIDE, FLORIST, PLANNER, STRANGER = uuid4(), uuid4(), uuid4(), uuid4()
ROSES, CAKE = uuid4(), uuid4()

pytestmark = pytest.mark.usefixtures("table")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine must not decide what arrives."""
    monkeypatch.setattr(hints, "SECONDS", 5)
    monkeypatch.setattr(connections, "WRITE_SECONDS", 5)


def looking(user_id: UUID, name: str, thread_id: UUID | None) -> None:
    attention.focus(connect(user_id, f"{name}=", name), thread_id, time.time())


def moved(people: set[UUID] | None, thread_id: UUID = ROSES) -> Moved[str]:
    receipt = Receipt(thread_id, FLORIST, 9, 7, None if people is None else frozenset(people))
    return Moved("the answer", (receipt,))


def test_others_who_look_and_every_own_device_hear_how_far_one_has_got(gateway: Gateway) -> None:
    looking(BRIDE, "looks", ROSES)
    looking(BRIDE, "elsewhere", CAKE)
    looking(FLORIST, "own", None)
    looking(STRANGER, "stranger", ROSES)
    connect(PLANNER, "never said=")

    answer = receipts.deliver(moved({BRIDE, FLORIST, PLANNER}))

    told = {
        "type": "receipt",
        "thread_id": str(ROSES),
        "user_id": str(FLORIST),
        "delivered_seq": 9,
        "read_seq": 7,
    }
    assert answer == "the answer"
    assert gateway.frames == {"looks=": [told], "own=": [told], "never said=": [told]}


def test_what_comes_too_soon_is_owed_by_the_connection_that_read(gateway: Gateway) -> None:
    phone = connect(FLORIST, "phone=")

    receipts.deliver(moved(None), phone)

    assert gateway.frames == {}
    assert [each.owes for each in connections.find([FLORIST])] == [ROSES]


def test_what_comes_too_soon_over_rest_is_not_owed() -> None:
    connect(FLORIST, "phone=")

    receipts.deliver(moved(None))

    assert [each.owes for each in connections.find([FLORIST])] == [None]


def test_who_catches_up_with_many_threads_is_told_of_in_twenty(gateway: Gateway) -> None:
    connect(BRIDE, "bride=")
    many = Moved(None, tuple(moved({BRIDE}, uuid4()).receipts[0] for _ in range(25)))

    receipts.deliver(many)

    assert len(gateway.frames["bride="]) == receipts.MOST_TOLD


def test_a_cursor_moves_whatever_the_table_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    assert receipts.deliver(moved({BRIDE})) == "the answer"


def test_all_devices_of_a_person_hear_that_something_of_his_own_changed(gateway: Gateway) -> None:
    connect(FLORIST, "phone=", "phone")
    connect(FLORIST, "laptop=", "laptop")
    connect(BRIDE, "bride=")

    hints.tell_devices(FLORIST, ROSES, "draft")

    told = {"type": "me", "thread_id": str(ROSES), "changed": "draft"}
    assert gateway.frames == {"phone=": [told], "laptop=": [told]}
