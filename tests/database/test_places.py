"""A person's own place in a thread: mute, snooze and pin, which nobody else hears of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.database.test_conversation import make_thread, say
from tests.database.test_thread_acts import kinds
from tests.fixtures.postgres import Database
from tests.fixtures.wedding import ANA, CARLO, FLORA, PETRA, STRANGER, behind
from wedsync.conversations import thread_acts, threads
from wedsync.conversations.replay import ChangedThread, replay
from wedsync.conversations.thread_models import FOR_EVER
from wedsync.platform.clock import now
from wedsync.platform.errors import Conflict, Forbidden, Invalid, NotFound

Arrange = Callable[..., ChangedThread]


def in_an_hour() -> datetime:
    return now() + timedelta(hours=1)


def obstacles(database: Database, thread: UUID, category: str = "ordinary") -> dict[str, str | None]:
    """Why whom must not be told of the newest message, by push."""
    rows = behind(
        database,
        "select u.display_name as name, private.obstacle(m.id, p.user_id, %(c)s, 'push', sha256('x')) as why "
        "from wedsync.thread_participants p join wedsync.users u on u.id = p.user_id "
        "join wedsync.thread_messages m on m.thread_id = p.thread_id where p.thread_id = %(t)s "
        "and m.seq = (select max(seq) from wedsync.thread_messages where thread_id = %(t)s) and p.user_id <> m.sender_id",
        t=thread,
        c=category,
    )
    return {row["name"].split()[0]: row["why"] for row in rows}


@pytest.mark.parametrize(
    ("arrange", "field"), [(thread_acts.mute, "muted_until"), (thread_acts.snooze, "snoozed_until")]
)
def test_a_muted_thread_is_silent_for_one_person_until_then(
    wedding: Database, arrange: Arrange, field: str
) -> None:
    thread = make_thread()
    since = replay(FLORA, None, {}, 10).since
    say(ANA, thread)

    placed: dict[str, Any] = {**arrange(FLORA, thread, in_an_hour())["me"]}

    assert placed[field] is not None
    assert obstacles(wedding, thread) == {"Petra": None, "Flora": "muted"}
    assert (
        obstacles(wedding, thread, "urgent")
        == obstacles(wedding, thread, "emergency")
        == {
            "Petra": None,
            "Flora": None,
        }
    )
    assert {**threads.get(PETRA, thread)["me"]}[field] is None
    (changed,) = replay(FLORA, since, {}, 10).changed
    assert {**changed["me"]}[field] == placed[field]
    assert kinds(wedding, thread) == ["thread.created", "message.created"]
    assert {**arrange(FLORA, thread, None)["me"]}[field] is None
    assert obstacles(wedding, thread) == {"Petra": None, "Flora": None}


def test_a_mute_for_good_has_a_far_end(wedding: Database) -> None:
    thread = make_thread()

    thread_acts.mute(FLORA, thread, FOR_EVER)

    assert threads.get(FLORA, thread)["me"]["muted_until"] == "2199-12-31T00:00:00.000Z"


@pytest.mark.parametrize("arrange", [thread_acts.mute, thread_acts.snooze])
def test_an_emergency_is_never_muted(wedding: Database, arrange: Arrange) -> None:
    thread = make_thread(thread_type="emergency")

    with pytest.raises(Conflict):
        arrange(FLORA, thread, in_an_hour())

    me = threads.get(FLORA, thread)["me"]
    assert (me["muted_until"], me["snoozed_until"]) == (None, None)
    assert thread_acts.pin(FLORA, thread, pinned=True)["me"]["pinned_at"] is not None


@pytest.mark.parametrize("arrange", [thread_acts.mute, thread_acts.snooze])
def test_the_past_is_no_time_to_mute_until(wedding: Database, arrange: Arrange) -> None:
    thread = make_thread()

    with pytest.raises(Invalid) as refused:
        arrange(FLORA, thread, now() - timedelta(seconds=1))

    assert refused.value.errors[0].field == "until"
    assert threads.get(FLORA, thread)["me"]["muted_until"] is None


def test_a_pin_keeps_its_time(wedding: Database) -> None:
    thread = make_thread()

    first = thread_acts.pin(FLORA, thread, pinned=True)["me"]["pinned_at"]
    again = thread_acts.pin(FLORA, thread, pinned=True)["me"]["pinned_at"]

    assert first == again is not None
    assert threads.get(ANA, thread)["me"]["pinned_at"] is None
    assert thread_acts.pin(FLORA, thread, pinned=False)["me"]["pinned_at"] is None


@pytest.mark.parametrize(
    "arrange",
    [
        lambda who, thread: thread_acts.mute(who, thread, in_an_hour()),
        lambda who, thread: thread_acts.snooze(who, thread, None),
        lambda who, thread: thread_acts.pin(who, thread, pinned=True),
    ],
)
def test_only_participants_have_a_place(wedding: Database, arrange: Arrange) -> None:
    thread = make_thread(by=FLORA, people=(), visibility="hosts")

    with pytest.raises(Forbidden):
        arrange(PETRA, thread)
    for outsider in (CARLO, STRANGER):
        with pytest.raises(NotFound):
            arrange(outsider, thread)

    places = behind(
        wedding,
        "select user_id, muted_until, snoozed_until, pinned_at from wedsync.thread_participants where thread_id = %(t)s",
        t=thread,
    )
    assert places == [
        {"user_id": FLORA.user_id, "muted_until": None, "snoozed_until": None, "pinned_at": None}
    ]
