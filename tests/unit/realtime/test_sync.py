"""Catching up over the socket: frames in order, all of them or no `synced`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.unit.realtime.conftest import FOREVER, Gateway, connect
from wedsync.conversations.events import Event
from wedsync.conversations.replay import Phase, Reason, Replay, ThreadReplay
from wedsync.identity.principals import Principal
from wedsync.platform.clock import rfc3339
from wedsync.realtime import connections, frames, sync
from wedsync.realtime.connections import Connection
from wedsync.realtime.protocol import Sync
from wedsync.realtime.sessions import Session

THREAD, OTHER, LOST = (UUID(f"0190cccc-0000-7000-8000-00000000000{n}") for n in (1, 2, 3))
PHOTOGRAPHER = uuid4()
CHANGED: Any = {"thread_id": str(THREAD), "epoch": "a1", "head_seq": 9, "me": {"role": "participant"}}
ASKED = frames.parse(
    Sync,
    json.dumps(
        {"action": "sync", "id": "c1", "since": "old", "cursors": {str(THREAD): {"epoch": "a1", "seq": 2}}}
    ),
)


def caught_up(
    *events: Event, more: bool = False, resync: Reason | None = None, thread_id: UUID = THREAD
) -> ThreadReplay:
    return ThreadReplay(thread_id, "a1", 9, events, more, resync)


def created(seq: int, content: str = "") -> Event:
    return {"seq": seq, "kind": "message.created", "message_id": content}


class Log:
    """Answers `replay` with a plain value, and notes what it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *threads: ThreadReplay) -> None:
        self.asked: list[Any] = []
        self.found = Replay(threads, (CHANGED,), (LOST,), None, "new", "")
        self.lagging_when_read: list[bool] = []
        monkeypatch.setattr(sync, "replay", self._replay)

    def _replay(
        self, who: Principal, since: str | None, cursors: Mapping[UUID, tuple[str, int]], limit: int
    ) -> Replay:
        self.asked.append((who.user_id, since, dict(cursors), limit))
        self.lagging_when_read += [each.lagging for each in connections.find([who.user_id])]
        return self.found


@pytest.fixture
def phone(table: None) -> Connection:
    return connect(PHOTOGRAPHER, "phone=")


def session(connection: Connection) -> Session:
    return Session(Principal(PHOTOGRAPHER, "user", frozenset(), FOREVER), connection, time.time())


def test_a_sync_is_answered_thread_by_thread_and_synced_comes_last(
    phone: Connection, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(
        monkeypatch,
        caught_up(created(3), {"seq": 4, "to_seq": 9, "kind": "void"}),
        caught_up(thread_id=OTHER),
        caught_up(thread_id=LOST, resync="gap_too_large"),
    )

    sync.catch_up(session(phone), ASKED)

    assert log.asked == [(PHOTOGRAPHER, "old", {THREAD: ("a1", 2)}, 300)]
    first, required, synced = gateway.frames["phone="]
    assert (first["re"], first["from_seq"], first["to_seq"], first["more"]) == ("c1", 3, 9, False)
    assert required == {
        "type": "resync_required",
        "re": "c1",
        "thread_id": str(LOST),
        "reason": "gap_too_large",
        "epoch": "a1",
        "head_seq": 9,
    }
    assert (synced["type"], synced["threads"], synced["gone"], synced["since"]) == (
        "synced",
        [CHANGED],
        [str(LOST)],
        "new",
    )


def test_more_stands_on_the_last_frame_of_a_thread(
    phone: Connection, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    Log(monkeypatch, caught_up(*(created(seq, "x" * 10_000) for seq in range(3, 7)), more=True))

    sync.catch_up(session(phone), ASKED)

    *events, _ = gateway.frames["phone="]
    assert [(frame["from_seq"], frame["to_seq"], frame["more"]) for frame in events] == [
        (3, 4, False),
        (5, 6, True),
    ]


def test_a_lagging_connection_is_pushed_to_again_before_the_log_is_read(
    phone: Connection, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections.mark_lagging(phone)
    log = Log(monkeypatch)

    sync.catch_up(session(phone), ASKED)

    assert log.lagging_when_read == [False]
    assert [each.lagging for each in connections.find([PHOTOGRAPHER])] == [False]


def test_a_full_buffer_is_waited_for(
    phone: Connection, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "FULL_BUFFER_SECONDS", 0.01)
    Log(monkeypatch, caught_up(created(3)))
    gateway.statuses["phone="] = [429, 429, 200]

    sync.catch_up(session(phone), ASKED)

    assert [frame["type"] for frame in gateway.frames["phone="]] == ["events", "synced"]


def test_a_lost_answer_is_repeated_once(
    phone: Connection, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    Log(monkeypatch, caught_up(created(3)))
    gateway.statuses["phone="] = [504]

    sync.catch_up(session(phone), ASKED)

    assert [frame["type"] for frame in gateway.frames["phone="]] == ["events", "synced"]


@pytest.mark.parametrize(
    ("phase", "ping_seconds", "typing"),
    [("final_week", 55, True), ("day_of", 25, False), ("wrap_up", 55, True)],
)
def test_a_wedding_that_is_near_tells_how_to_behave_after_the_sync(
    phone: Connection,
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    phase: Phase,
    ping_seconds: int,
    typing: bool,
) -> None:
    log = Log(monkeypatch, caught_up(created(3)))
    log.found = replace(log.found, phases=((OTHER, phase),))

    sync.catch_up(session(phone), ASKED)

    assert [frame["type"] for frame in gateway.frames["phone="]] == ["events", "synced", "mode"]
    assert gateway.frames["phone="][-1] == {
        "type": "mode",
        "wedding_id": str(OTHER),
        "phase": phase,
        "ping_seconds": ping_seconds,
        "typing": typing,
    }


@pytest.mark.parametrize("statuses", [[410], [500, 500], [403]])
def test_recovery_is_never_partial(
    phone: Connection, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, statuses: list[int]
) -> None:
    Log(monkeypatch, caught_up(created(3)), caught_up(created(3), thread_id=OTHER))
    gateway.statuses["phone="] = [200, *statuses]

    sync.catch_up(session(phone), ASKED)

    assert [frame["type"] for frame in gateway.frames["phone="]] == ["events"]


def test_a_connection_that_is_not_registered_has_to_come_again(
    table: None, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(monkeypatch)
    stranger = connections.opened(PHOTOGRAPHER, "phone", "unknown=", FOREVER)

    sync.catch_up(session(stranger), ASKED)

    assert log.asked == []
    assert [(frame["type"], frame["code"]) for frame in gateway.frames["unknown="]] == [("bye", 4010)]
    assert gateway.closed == ["unknown="]


def test_those_whose_place_was_taken_hear_so_with_the_first_sync(
    phone: Connection, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    Log(monkeypatch)
    newer = connect(PHOTOGRAPHER, "newer=")

    for _ in range(2):
        sync.catch_up(session(newer), ASKED)

    assert gateway.frames["phone="] == [
        {"type": "bye", "code": 4009, "reason": "this device has a newer connection"}
    ]
    assert gateway.closed == ["phone="]


def test_the_oldest_of_too_many_devices_hears_that_they_are_too_many(
    phone: Connection, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    Log(monkeypatch)
    monkeypatch.setattr(connections, "MAX_DEVICES", 1)
    laptop = connect(PHOTOGRAPHER, "laptop=", "laptop")

    for _ in range(2):
        sync.catch_up(session(laptop), ASKED)

    assert gateway.frames["phone="] == [
        {"type": "bye", "code": 4009, "reason": "too many devices are connected"}
    ]
    assert gateway.closed == ["phone="]


@pytest.mark.parametrize(("left", "told"), [(200, ["auth_expiring"]), (300, [])])
def test_a_token_that_ends_soon_is_announced(
    table: None, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, left: int, told: list[str]
) -> None:
    Log(monkeypatch)
    watch = connections.opened(PHOTOGRAPHER, "watch", "watch=", int(time.time()) + left)
    connections.register(watch)

    sync.catch_up(session(watch), ASKED)

    assert [frame["type"] for frame in gateway.frames["watch="]] == [*told, "synced"]
    assert [frame["expires_at"] for frame in gateway.frames["watch="][:-1]] == [
        rfc3339(datetime.fromtimestamp(watch.expires_at, UTC)) for _ in told
    ]


def test_the_end_of_the_two_hours_is_not_announced_since_no_token_moves_it(
    table: None, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    Log(monkeypatch)
    old = connections.opened(PHOTOGRAPHER, "tv", "tv=", FOREVER, at=int(time.time()) - 7100)
    connections.register(old)

    sync.catch_up(session(old), ASKED)

    assert [frame["type"] for frame in gateway.frames["tv="]] == ["synced"]


def test_a_table_in_trouble_does_not_keep_anybody_from_catching_up(
    phone: Connection, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(monkeypatch, caught_up(created(3)))
    monkeypatch.setattr(connections, "find", lambda _: [])
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    sync.catch_up(session(phone), ASKED)

    assert len(log.asked) == 1
    assert [frame["type"] for frame in gateway.frames["phone="]] == ["events", "synced"]
