"""Whom no channel has reached with what is urgent: named once, in a line that an alarm watches for."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.database.test_conversation import make_thread, say
from tests.database.test_notifications_sweep import never
from tests.fixtures.notifying import Notifying
from tests.fixtures.wedding import ANA, BEN, FLORA, PETRA, Person
from wedsync.conversations import cursors
from wedsync.notifications import clockwork, clockwork_sql, kicks, planner_sql
from wedsync.platform import db
from wedsync.platform.errors import Forbidden

pytestmark = pytest.mark.usefixtures("nothing_left")


def fails(notifying: Notifying, thread: UUID, who: Person, status: str = "failed") -> None:
    """Every channel to this person but the inbox has ended in this state."""
    notifying.stored(
        "update wedsync.deliveries d set status = %(s)s from wedsync.thread_messages m "
        "where m.id = d.message_id and m.thread_id = %(t)s and d.user_id = %(u)s and d.channel <> 'inbox'",
        s=status,
        t=thread,
        u=who.user_id,
    )


def age(notifying: Notifying, seconds: int) -> None:
    """The deliveries were planned so long ago."""
    notifying.stored(
        "update wedsync.deliveries set created_at = created_at - %(s)s::interval", s=f"{seconds} s"
    )


def unreached(notifying: Notifying, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Whom the clockwork names as not reached."""
    found = notifying.run(clockwork.tick, never).unreached
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    named = [line["user_id"] for line in lines if line["message"] == "recipient not reached"]
    assert len(named) == found
    return named


@pytest.mark.parametrize("status", ["failed", "bounced", "suppressed", "expired", "cancelled"])
def test_whom_no_channel_has_reached_is_named_once(
    notifying: Notifying, capsys: pytest.CaptureFixture[str], status: str
) -> None:
    thread = make_thread(people=(PETRA, FLORA))
    say(ANA, thread, priority_level="urgent")
    notifying.plan(thread)
    fails(notifying, thread, FLORA, status)
    fails(notifying, thread, PETRA, "sent")

    too_early = unreached(notifying, capsys)
    age(notifying, 61)

    assert too_early == []
    assert unreached(notifying, capsys) == [str(FLORA.user_id)]
    assert unreached(notifying, capsys) == []


def test_whom_one_channel_has_reached_is_reached(
    notifying: Notifying, capsys: pytest.CaptureFixture[str]
) -> None:
    thread = make_thread(people=(FLORA,))
    say(ANA, thread, priority_level="emergency")
    notifying.plan(thread)
    fails(notifying, thread, FLORA)
    notifying.stored("update wedsync.deliveries set status = 'sent' where channel = 'email'")
    age(notifying, 11)

    assert unreached(notifying, capsys) == []
    assert notifying.delivery(thread, FLORA.user_id)["reached"] is True


def test_nobody_is_given_up_while_something_is_still_on_its_way(
    notifying: Notifying, capsys: pytest.CaptureFixture[str]
) -> None:
    thread = make_thread(people=(FLORA,))
    say(ANA, thread, priority_level="emergency")
    notifying.plan(thread)
    fails(notifying, thread, FLORA)
    notifying.stored("update wedsync.deliveries set status = 'unknown' where channel = 'sms'")
    age(notifying, 11)

    assert unreached(notifying, capsys) == []
    assert notifying.delivery(thread, FLORA.user_id)["reached"] is None


def test_who_has_read_it_is_reached_and_who_only_has_it_on_a_device_is_not(
    notifying: Notifying, capsys: pytest.CaptureFixture[str]
) -> None:
    thread = make_thread(people=(PETRA, FLORA))
    say(ANA, thread, priority_level="urgent")
    notifying.plan(thread)
    for person in (PETRA, FLORA):
        fails(notifying, thread, person)
    cursors.delivered(PETRA, thread, notifying.epoch(), 2)
    cursors.read(FLORA, thread, notifying.epoch(), 2)
    age(notifying, 61)

    assert unreached(notifying, capsys) == [str(PETRA.user_id)]


def test_who_shares_a_number_is_reached_with_the_other(
    notifying: Notifying, capsys: pytest.CaptureFixture[str]
) -> None:
    people = [BEN.user_id, FLORA.user_id]
    before = notifying.stored("select * from wedsync.contact_points where user_id = any (%(u)s)", u=people)
    notifying.stored(
        "update wedsync.contact_points set address = '+447700900151' where channel = 'phone' and user_id = any (%(u)s)",
        u=people,
    )
    thread = make_thread(people=(BEN, FLORA))
    say(ANA, thread, priority_level="urgent")
    notifying.plan(thread)
    notifying.stored("update wedsync.deliveries set status = 'failed' where channel = 'email'")
    notifying.stored("update wedsync.deliveries set status = 'sent' where channel = 'sms'")
    age(notifying, 61)

    named = unreached(notifying, capsys)

    for row in before:
        notifying.stored(
            "update wedsync.contact_points set address = %(a)s where id = %(i)s",
            a=row["address"],
            i=row["id"],
        )
    assert named == []


def test_who_has_no_address_at_all_is_not_reached(
    notifying: Notifying, capsys: pytest.CaptureFixture[str]
) -> None:
    thread = make_thread(people=(FLORA,))
    say(ANA, thread, priority_level="urgent")
    notifying.plan(thread)
    notifying.stored("delete from wedsync.deliveries where channel <> 'inbox'")
    age(notifying, 61)

    assert unreached(notifying, capsys) == [str(FLORA.user_id)]


def test_what_is_ordinary_is_not_watched(notifying: Notifying, capsys: pytest.CaptureFixture[str]) -> None:
    thread = make_thread(people=(FLORA,))
    say(ANA, thread)
    notifying.plan(thread)
    age(notifying, 3600)

    assert unreached(notifying, capsys) == []


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (planner_sql.WITHHOLD, {"asked": [], "seconds": 1}),
        (kicks.UNKICK, {"asked": []}),
        (clockwork_sql.UNREACHED, {"up_to": 1}),
    ],
)
def test_only_a_worker_watches(notifying: Notifying, statement: Any, values: dict[str, Any]) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.transaction(ANA, (statement, values))
    with pytest.raises(Forbidden):
        notifying.run(db.transaction, ANA, (statement, values))
