"""What a crash, a lost message or a silent provider left lying, and the clockwork that takes it up."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from tests.database.test_conversation import make_thread, say
from tests.database.test_notifications_claims import claim, planned
from tests.fixtures.functions import modules_of
from tests.fixtures.notifying import Notifying
from tests.fixtures.wedding import ANA, FLORA
from wedsync.notifications import clockwork, deliveries, planner
from wedsync.notifications.deliveries import Accepted, Claimed, Later, Outcome, Refused, Unknown
from wedsync.notifications.planner import Named

pytestmark = pytest.mark.usefixtures("nothing_left")


def never(_: Claimed) -> Outcome:
    raise AssertionError("nobody is to be asked")


def tick(notifying: Notifying, reconcile: Callable[[Claimed], Outcome] = never) -> clockwork.Tick:
    return notifying.run(clockwork.tick, reconcile)


def later(notifying: Notifying, seconds: int) -> None:
    """What is stored was stored so long ago."""
    asked = {"s": f"{seconds} s"}
    notifying.stored("update wedsync.outbox set created_at = created_at - %(s)s::interval", **asked)
    notifying.stored(
        "update wedsync.deliveries set kicked_at = kicked_at - %(s)s::interval, not_before = not_before - %(s)s::interval, "
        "claimed_at = claimed_at - %(s)s::interval, expires_at = expires_at - %(s)s::interval",
        **asked,
    )


def sms(notifying: Notifying, thread: UUID) -> dict[str, object]:
    return notifying.delivery(thread, FLORA.user_id, "sms")


def test_events_whose_kick_was_lost_are_found_after_half_a_minute(notifying: Notifying) -> None:
    thread = make_thread()
    say(ANA, thread, priority_level="emergency")

    assert tick(notifying).events == 0
    later(notifying, 31)
    assert tick(notifying).events == 2

    thread_id = str(thread)
    assert notifying.queues.bodies["EVENTS_QUEUE_URL"] == [
        {"events": [{"thread_id": thread_id, "seq": 1}], "again": True}
    ]
    assert notifying.queues.bodies["EVENTS_EMERGENCY_QUEUE_URL"] == [
        {"events": [{"thread_id": thread_id, "seq": 2}], "again": True}
    ]


def test_an_event_is_swept_until_it_is_planned_and_no_longer(notifying: Notifying) -> None:
    thread = make_thread()
    later(notifying, 31)

    assert [tick(notifying).events, tick(notifying).events] == [1, 1]
    notifying.run(planner.plan, [Named(thread, 1)])
    assert tick(notifying).events == 0


def test_queues_that_are_down_are_tried_again_and_nothing_is_lost(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wedsync.platform.queues.SEND_SECONDS", 0.05)
    thread = make_thread()
    say(ANA, thread)
    notifying.queues.down = True
    later(notifying, 31)
    tick(notifying)
    assert notifying.queues.bodies == {}

    notifying.queues.down = False
    tick(notifying)
    [body] = notifying.queues.bodies["EVENTS_QUEUE_URL"]
    notifying.run(planner.plan, [Named(UUID(e["thread_id"]), e["seq"]) for e in body["events"]])

    assert len(notifying.queues.ids("inbox")) == 2


def test_a_channel_without_a_queue_holds_up_no_other(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as undeployed:
        undeployed.delenv("EMAIL_QUEUE_URL")
        thread = planned(notifying, "urgent")
    assert str(sms(notifying, thread)["id"]) in notifying.queues.ids("sms")

    tick(notifying)

    email = notifying.delivery(thread, FLORA.user_id, "email")
    assert str(email["id"]) in notifying.queues.ids("email")


def test_a_delivery_that_got_lost_on_its_way_is_queued_again_after_two_minutes(notifying: Notifying) -> None:
    thread = planned(notifying, "normal")
    told = notifying.queues.ids("inbox")
    notifying.queues.bodies.clear()

    assert tick(notifying).deliveries == 0
    later(notifying, 121)
    assert tick(notifying).deliveries == 2
    assert tick(notifying).deliveries == 0

    assert sorted(notifying.queues.ids("inbox")) == sorted(told)
    assert {d["status"] for d in notifying.deliveries(thread)} == {"queued"}


def test_what_waits_is_queued_when_its_time_comes(notifying: Notifying) -> None:
    thread = planned(notifying)
    claimed = claim(notifying, thread, "email")
    assert claimed is not None
    notifying.run(deliveries.record, claimed, Later(50))
    notifying.queues.bodies.clear()

    assert tick(notifying).deliveries == 0
    later(notifying, 51)
    assert tick(notifying).deliveries == 1

    assert notifying.queues.ids("email") == [str(claimed.delivery_id)]
    again = claim(notifying, thread, "email")
    assert again is not None
    assert (again.delivery_id, again.attempt) == (claimed.delivery_id, 2)


def test_a_worker_that_died_leaves_its_mail_to_another(notifying: Notifying) -> None:
    thread = planned(notifying)
    dead = claim(notifying, thread, "email")
    assert dead is not None

    assert tick(notifying).released == 0
    later(notifying, 91)
    assert tick(notifying).released == 1
    later(notifying, 2)
    tick(notifying)

    another = claim(notifying, thread, "email")
    assert another is not None
    assert another.token != dead.token
    assert not notifying.run(deliveries.record, dead, Accepted("resend", "too late"))


def test_a_worker_that_died_over_an_sms_leaves_it_unknown(notifying: Notifying) -> None:
    thread = planned(notifying)
    claim(notifying, thread)
    later(notifying, 91)

    assert tick(notifying).released == 1

    assert sms(notifying, thread)["status"] == "unknown"
    assert claim(notifying, thread) is None
    lines = notifying.stored(
        "select outcome from wedsync.delivery_attempts where delivery_id = %(i)s",
        i=sms(notifying, thread)["id"],
    )
    assert lines == [{"outcome": "lost"}]


def unknown(notifying: Notifying, priority: str) -> UUID:
    """A thread with an SMS to Flora of which nobody knows anything for three minutes."""
    thread = planned(notifying, priority)
    claimed = claim(notifying, thread)
    assert claimed is not None
    notifying.run(deliveries.record, claimed, Unknown("timeout"))
    later(notifying, 181)
    return thread


def test_the_provider_is_asked_for_an_unknown_sms_after_three_minutes(notifying: Notifying) -> None:
    thread = unknown(notifying, "urgent")
    asked: list[str] = []

    def found(claimed: Claimed) -> Outcome:
        asked.append(claimed.address)
        return Accepted("twilio", "SM9")

    first, second = tick(notifying, found), tick(notifying, found)

    assert (first.reconciled, second.reconciled) == (1, 0)
    assert asked == ["+447700900104"]
    assert (sms(notifying, thread)["status"], sms(notifying, thread)["provider_ref"]) == ("sent", "SM9")


def test_an_sms_that_is_already_another_delivery_is_not_taken_for_this_one(notifying: Notifying) -> None:
    first, second = unknown(notifying, "urgent"), unknown(notifying, "urgent")

    found = tick(notifying, lambda _: Accepted("twilio", "SM8"))

    assert found.reconciled == 2
    states = {sms(notifying, thread)["status"] for thread in (first, second)}
    assert states == {"sent", "failed"}


def test_an_ordinary_sms_that_the_provider_does_not_know_is_not_sent_again(notifying: Notifying) -> None:
    thread = unknown(notifying, "urgent")

    tick(notifying, lambda _: Refused("not_found"))

    assert (sms(notifying, thread)["status"], sms(notifying, thread)["reason"]) == ("failed", "not_found")


def test_an_emergency_that_the_provider_does_not_know_is_sent_again_once_and_marked(
    notifying: Notifying,
) -> None:
    thread = unknown(notifying, "emergency")
    notifying.queues.bodies.clear()

    tick(notifying, lambda _: Refused("not_found"))
    again = claim(notifying, thread)

    assert notifying.queues.ids("sms", "emergency").count(str(sms(notifying, thread)["id"])) == 1
    assert again is not None
    assert (again.possible_duplicate, again.attempt) == (True, 2)

    notifying.run(deliveries.record, again, Unknown("timeout"))
    later(notifying, 181)
    tick(notifying, lambda _: Refused("not_found"))

    assert sms(notifying, thread)["status"] == "failed"


def test_a_provider_that_cannot_be_asked_is_asked_again_and_holds_up_nobody(
    notifying: Notifying, capsys: pytest.CaptureFixture[str]
) -> None:
    thread = unknown(notifying, "urgent")

    assert tick(notifying, lambda _: Later(1)).reconciled == 0
    assert tick(notifying, never).reconciled == 0
    assert "not reconciled" in capsys.readouterr().out
    assert tick(notifying, lambda _: Accepted("twilio", "SM8")).reconciled == 1

    assert sms(notifying, thread)["status"] == "sent"


def test_a_provider_that_hangs_keeps_nothing_from_its_queue(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown(notifying, "urgent")
    monkeypatch.setattr(clockwork, "ASKING_SECONDS", 0)

    found = tick(notifying)

    assert (found.reconciled, found.deliveries) == (0, 5)


def test_an_sms_that_came_too_late_anyway_is_asked_for_no_more(notifying: Notifying) -> None:
    unknown(notifying, "urgent")
    later(notifying, 4 * 3600)

    assert tick(notifying).reconciled == 0


def test_the_clock_that_ticks_twice_ticks_once(notifying: Notifying) -> None:
    planned(notifying, "normal")
    later(notifying, 121)
    with modules_of("clockwork") as app:
        for _ in range(2):
            notifying.run(app.handler, {"source": "aws.events"}, None)

    assert len(notifying.queues.ids("inbox")) == 2 * 2


def test_what_nobody_took_in_time_expires(notifying: Notifying) -> None:
    thread = planned(notifying)
    later(notifying, 4 * 3600 + 1)

    assert claim(notifying, thread) is None
    assert sms(notifying, thread)["status"] == "expired"
    assert claim(notifying, thread, "email") is not None
