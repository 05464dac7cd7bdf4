"""Who looks at a thread, by what the table of connections knows."""

from __future__ import annotations

import time
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from tests.fixtures.stub_server import answer, serving
from wedsync.realtime import connections, presence
from wedsync.realtime.connections import Connection

FLORIST, PLANNER = uuid4(), uuid4()
ROSES, CAKE = uuid4(), uuid4()


def connected(user_id: UUID, device_id: str = "phone") -> Connection:
    made = connections.opened(user_id, device_id, f"{device_id}=", int(time.time()) + 3600)
    connections.register(made)
    return made


@pytest.mark.usefixtures("table")
def test_who_has_the_thread_on_screen_is_focused() -> None:
    connections.keep_focus(connected(FLORIST), ROSES, time.time())
    connections.keep_focus(connected(PLANNER), CAKE, time.time())

    assert presence.focused(ROSES, [FLORIST, PLANNER]) == {FLORIST}


@pytest.mark.usefixtures("table")
def test_one_device_that_looks_is_enough() -> None:
    connections.keep_focus(connected(FLORIST, "laptop"), None, time.time())
    connections.keep_focus(connected(FLORIST, "phone"), ROSES, time.time())

    assert presence.focused(ROSES, [FLORIST]) == {FLORIST}


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("ended", ["closed", "looks elsewhere", "not confirmed", "lagging", "replaced"])
def test_focus_ends(ended: str) -> None:
    phone = connected(FLORIST)
    connections.keep_focus(phone, ROSES, time.time())

    match ended:
        case "closed":
            connections.remove(phone)
        case "looks elsewhere":
            connections.keep_focus(phone, None, time.time())
        case "not confirmed":
            connections.keep_focus(phone, ROSES, time.time() - presence.FOCUS_SECONDS)
        case "lagging":
            connections.mark_lagging(phone)
        case _:
            connections.register(replace(phone, connection_id="newer="))

    assert presence.focused(ROSES, [FLORIST]) == set()


@pytest.mark.usefixtures("table")
def test_what_a_replaced_connection_looked_at_is_not_kept() -> None:
    phone = connected(FLORIST)
    connections.register(replace(phone, connection_id="newer="))

    assert connections.keep_focus(phone, ROSES, time.time()) is None
    assert presence.focused(ROSES, [FLORIST]) == set()


@pytest.mark.usefixtures("table")
def test_the_change_of_focus_tells_what_was_before() -> None:
    phone = connected(FLORIST)

    first = connections.keep_focus(phone, ROSES, 1_000.5)
    second = connections.keep_focus(phone, None, 1_004.5)

    assert first == phone
    assert second == replace(phone, focus=ROSES, focused_at=1_000.5)


@pytest.mark.usefixtures("environment")
def test_nobody_is_focused_while_the_table_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: answer(400, b'{"__type":"x#AccessDeniedException"}')) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)

        assert presence.focused(ROSES, [FLORIST]) == set()
