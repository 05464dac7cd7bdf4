"""What is urgent: withheld for a moment from who is looking, told to everybody else at once, and never given up silently."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.database.test_conversation import make_thread, say
from tests.database.test_notifications_sweep import later, never
from tests.fixtures.notifying import Notifying
from tests.fixtures.wedding import ANA, FLORA, PETRA, Person
from wedsync.conversations import cursors, message_acts
from wedsync.notifications import clockwork, deliveries, planner_sql
from wedsync.platform import db
from wedsync.platform.errors import Unavailable

WAYS = ("email", "sms")


pytestmark = pytest.mark.usefixtures("nothing_left")


def looks(notifying: Notifying, who: Person, thread: UUID, seconds_ago: float = 1) -> None:
    """The person has this thread on screen, as he said so long ago."""
    entry = {
        "connection_id": {"S": "phone="},
        "connected_at": {"N": "0"},
        "expires_at": {"N": str(2**40)},
        "focus": {"S": str(thread)},
        "focused_at": {"N": str(time.time() - seconds_ago)},
    }
    item = {"pk": {"S": f"U#{who.user_id}"}, "connections": {"M": {"phone": {"M": entry}}}}
    notifying.queues.items.append(item)


def waits(notifying: Notifying, thread: UUID, who: Person) -> dict[str, float]:
    """Seconds from the planning until each delivery to this person may go out."""
    return {
        found["channel"]: (found["not_before"] - found["created_at"]).total_seconds()
        for found in notifying.deliveries(thread)
        if found["user_id"] == who.user_id
    }


def statuses(notifying: Notifying, thread: UUID, who: Person) -> set[tuple[str, str | None]]:
    """Status and reason of his e-mail and SMS."""
    found = [notifying.delivery(thread, who.user_id, way) for way in WAYS]
    return {(each["status"], each["reason"]) for each in found}


def ids(notifying: Notifying, thread: UUID, who: Person) -> list[UUID]:
    return [notifying.delivery(thread, who.user_id, way)["id"] for way in WAYS]


@pytest.mark.parametrize(
    ("priority", "lane", "seconds"), [("urgent", "ordinary", 60), ("emergency", "emergency", 10)]
)
def test_who_is_looking_gets_a_moment_to_read_and_nobody_else_does(
    notifying: Notifying, priority: str, lane: str, seconds: int
) -> None:
    thread = make_thread(people=(PETRA, FLORA))
    looks(notifying, FLORA, thread)
    say(ANA, thread, priority_level=priority)

    notifying.plan(thread)

    assert waits(notifying, thread, FLORA) == {"inbox": 0, "email": seconds, "sms": seconds}
    assert waits(notifying, thread, PETRA) == {"inbox": 0, "email": 0, "sms": 0}
    suffix = "QUEUE_URL" if lane == "ordinary" else "EMERGENCY_QUEUE_URL"
    assert notifying.queues.delays[f"SMS_{suffix}"] == [0, seconds]
    assert notifying.queues.delays[f"EMAIL_{suffix}"] == [0, seconds]
    assert notifying.queues.delays[f"INBOX_{suffix}"] == [0]


def test_who_reads_in_time_hears_of_it_no_other_way(notifying: Notifying) -> None:
    thread = make_thread(people=(FLORA,))
    looks(notifying, FLORA, thread)
    say(ANA, thread, priority_level="urgent")
    notifying.plan(thread)
    cursors.read(FLORA, thread, notifying.epoch(), 2)
    later(notifying, 61)

    claimed = notifying.run(deliveries.claim, ids(notifying, thread, FLORA))

    assert claimed == []
    assert statuses(notifying, thread, FLORA) == {("cancelled", "read")}


def test_storing_it_on_a_device_is_not_reading_it(notifying: Notifying) -> None:
    thread = make_thread(people=(FLORA,))
    looks(notifying, FLORA, thread)
    say(ANA, thread, priority_level="urgent")
    notifying.plan(thread)
    cursors.delivered(FLORA, thread, notifying.epoch(), 2)

    too_early = notifying.run(deliveries.claim, ids(notifying, thread, FLORA))
    later(notifying, 61)
    in_time = notifying.run(deliveries.claim, ids(notifying, thread, FLORA))

    assert too_early == []
    assert {each.channel for each in in_time} == {"email", "sms"}


def test_what_asks_for_an_acknowledgement_is_cancelled_by_that_only(notifying: Notifying) -> None:
    thread = make_thread(people=(PETRA, FLORA))
    for person in (PETRA, FLORA):
        looks(notifying, person, thread)
    asked = say(ANA, thread, priority_level="urgent", requires_ack=True).resource()
    notifying.plan(thread)
    for person in (PETRA, FLORA):
        cursors.read(person, thread, notifying.epoch(), 2)
    message_acts.acknowledge(FLORA, UUID(asked["id"]))
    later(notifying, 61)

    claimed = notifying.run(
        deliveries.claim, [*ids(notifying, thread, PETRA), *ids(notifying, thread, FLORA)]
    )

    assert {each.user_id for each in claimed} == {PETRA.user_id}
    assert len(claimed) == 2


def test_a_focus_of_some_seconds_ago_withholds_nothing(notifying: Notifying) -> None:
    thread = make_thread(people=(FLORA,))
    looks(notifying, FLORA, thread, seconds_ago=6)
    say(ANA, thread, priority_level="emergency")

    notifying.plan(thread)

    assert waits(notifying, thread, FLORA) == {"inbox": 0, "email": 0, "sms": 0}


def test_looking_at_another_thread_withholds_nothing(notifying: Notifying) -> None:
    thread = make_thread(people=(FLORA,))
    looks(notifying, FLORA, make_thread(people=(FLORA,)))
    say(ANA, thread, priority_level="urgent")

    notifying.plan(thread)

    assert waits(notifying, thread, FLORA) == {"inbox": 0, "email": 0, "sms": 0}


def test_nobody_waits_because_somebody_with_the_same_number_is_looking(notifying: Notifying) -> None:
    people = [PETRA.user_id, FLORA.user_id]
    before = notifying.stored("select * from wedsync.contact_points where user_id = any (%(u)s)", u=people)
    notifying.stored(
        "update wedsync.contact_points set address = '+447700900152' where channel = 'phone' and user_id = any (%(u)s)",
        u=people,
    )
    thread = make_thread(people=(PETRA, FLORA))
    for person in (PETRA, FLORA):
        say(ANA, thread, priority_level="urgent")
        notifying.queues.items.clear()
        looks(notifying, person, thread)
        notifying.plan(thread)

    found = [each for each in notifying.deliveries(thread) if each["channel"] == "sms"]
    for row in before:
        notifying.stored(
            "update wedsync.contact_points set address = %(a)s where id = %(i)s",
            a=row["address"],
            i=row["id"],
        )

    assert len(found) == 2
    assert [each["not_before"] - each["created_at"] for each in found] == [timedelta(0)] * 2


def test_of_what_is_ordinary_nobody_is_asked_whether_he_looks(notifying: Notifying) -> None:
    thread = make_thread(people=(FLORA,))
    looks(notifying, FLORA, thread)
    say(ANA, thread)

    planned = notifying.plan(thread)

    assert (planned.deliveries, waits(notifying, thread, FLORA)) == (1, {"inbox": 0})


def test_a_withheld_delivery_whose_message_was_lost_goes_out_with_the_clockwork(notifying: Notifying) -> None:
    thread = make_thread(people=(FLORA,))
    looks(notifying, FLORA, thread)
    say(ANA, thread, priority_level="emergency")
    notifying.plan(thread)
    notifying.queues.bodies.clear()

    notifying.run(clockwork.tick, never)
    before = notifying.queues.ids("sms", "emergency")
    later(notifying, 11)
    notifying.run(clockwork.tick, never)

    assert before == []
    assert len(notifying.queues.ids("sms", "emergency")) == 1


def test_if_nothing_can_be_withheld_everything_goes_out(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = make_thread(people=(FLORA,))
    looks(notifying, FLORA, thread)
    say(ANA, thread, priority_level="urgent")
    transaction = db.transaction

    def no_withholding(who: Any, *statements: Any) -> Any:
        if statements[0][0] == planner_sql.WITHHOLD:
            raise Unavailable
        return transaction(who, *statements)

    monkeypatch.setattr(db, "transaction", no_withholding)

    notifying.plan(thread)

    assert notifying.queues.delays["SMS_QUEUE_URL"] == [0]
