"""Who hears of a message, by which channel, and that planning twice is planning once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.database.test_conversation import make_thread, say
from tests.fixtures.functions import modules_of
from tests.fixtures.notifying import Notifying
from tests.fixtures.queue_server import sqs_event
from tests.fixtures.wedding import ANA, BEN, CARLO, FLORA, PETRA, PHIL, Person
from wedsync.conversations import cursors, participants
from wedsync.conversations.models import AddedParticipant
from wedsync.notifications import planner, planner_sql
from wedsync.notifications.planner import Named
from wedsync.platform import context, db
from wedsync.platform.context import WORKER
from wedsync.platform.errors import Forbidden


def ways(notifying: Notifying, thread: UUID, who: Person) -> list[str]:
    return [d["channel"] for d in notifying.deliveries(thread) if d["user_id"] == who.user_id]


def current_epoch(notifying: Notifying) -> str:
    return notifying.stored("select app.epoch() as epoch")[0]["epoch"]


def record(*events: Named) -> str:
    return json.dumps({"events": [{"thread_id": str(each.thread_id), "seq": each.seq} for each in events]})


@pytest.fixture
def phone(notifying: Notifying) -> Iterator[None]:
    """Flora has a registered device."""
    notifying.stored(
        "insert into wedsync.contact_points values (gen_random_uuid(), %(u)s, 'device', %(a)s, 'self', now())",
        u=FLORA.user_id,
        a='{"endpoint": "https://push.example/1"}',
    )
    yield
    notifying.stored("delete from wedsync.contact_points where channel = 'device'")


def test_an_ordinary_message_goes_to_the_inbox_and_to_devices(notifying: Notifying, phone: None) -> None:
    thread = make_thread()
    say(ANA, thread)

    planned = notifying.plan(thread)

    assert ways(notifying, thread, FLORA) == ["inbox", "push"]
    assert ways(notifying, thread, PETRA) == ["inbox"]
    assert ways(notifying, thread, ANA) == []
    assert ways(notifying, thread, CARLO) == []
    assert (planned.events, planned.deliveries) == (2, 3)


@pytest.mark.parametrize(("priority", "lane"), [("urgent", "ordinary"), ("emergency", "emergency")])
def test_what_is_urgent_goes_by_mail_and_sms_too(
    notifying: Notifying, phone: None, priority: str, lane: str
) -> None:
    thread = make_thread()
    say(ANA, thread, priority_level=priority)

    notifying.plan(thread)

    assert ways(notifying, thread, FLORA) == ["email", "inbox", "push", "sms"]
    assert {d["lane"] for d in notifying.deliveries(thread)} == {lane}
    assert {d["category"] for d in notifying.deliveries(thread)} == {priority}


def test_only_messages_are_told_and_every_event_is_closed(notifying: Notifying) -> None:
    thread = make_thread()
    participants.remove(ANA, thread, FLORA.user_id)

    planned = notifying.plan(thread)

    assert (planned.events, planned.deliveries, planned.messages) == (2, 0, 0)
    assert notifying.queues.calls == 0
    assert (
        notifying.stored(
            "select * from wedsync.outbox where thread_id = %(t)s and planned_at is null", t=thread
        )
        == []
    )


def test_who_joined_later_hears_nothing_of_what_he_does_not_see(notifying: Notifying) -> None:
    thread = make_thread(people=(FLORA,))
    say(ANA, thread, "before")
    participants.add(ANA, thread, AddedParticipant(user_id=PHIL.user_id))
    say(ANA, thread, "after")

    notifying.plan(thread)

    assert len(ways(notifying, thread, FLORA)) == 2
    assert len(ways(notifying, thread, PHIL)) == 1


def test_what_is_read_already_is_not_told(notifying: Notifying) -> None:
    thread = make_thread()
    say(ANA, thread)
    cursors.read(FLORA, thread, current_epoch(notifying), 2)

    notifying.plan(thread)

    assert ways(notifying, thread, FLORA) == []
    assert ways(notifying, thread, PETRA) == ["inbox"]


def test_the_muted_hear_what_is_urgent_and_nothing_else(notifying: Notifying) -> None:
    thread = make_thread()
    notifying.stored(
        "update wedsync.thread_participants set muted_until = now() + interval '1 hour' where thread_id = %(t)s and user_id = %(u)s",
        t=thread,
        u=FLORA.user_id,
    )
    say(ANA, thread)
    say(ANA, thread, priority_level="urgent")

    notifying.plan(thread)

    assert ways(notifying, thread, FLORA) == ["email", "inbox", "sms"]


def test_a_preference_changes_a_default_but_not_the_inbox_and_not_an_emergency(notifying: Notifying) -> None:
    thread = make_thread(people=(PETRA,))
    for category, channel, enabled in (("ordinary", "email", True), ("urgent", "sms", False)):
        notifying.stored(
            "insert into wedsync.notification_preferences values (%(u)s, %(c)s, %(h)s, %(e)s, now())",
            u=PETRA.user_id,
            c=category,
            h=channel,
            e=enabled,
        )
    for priority in ("normal", "urgent", "emergency"):
        say(ANA, thread, priority_level=priority)

    notifying.plan(thread)

    assert ways(notifying, thread, PETRA) == ["email", "inbox", "email", "inbox", "email", "inbox", "sms"]
    notifying.stored("delete from wedsync.notification_preferences")


def test_one_number_of_two_people_gets_one_sms(notifying: Notifying) -> None:
    shared = "+447700900150"
    ids = (ANA.user_id, BEN.user_id)
    notifying.stored(
        "update wedsync.contact_points set address = %(a)s where channel = 'phone' and user_id = any(%(u)s)",
        a=shared,
        u=list(ids),
    )
    thread = make_thread(people=(BEN, PETRA))
    say(PETRA, thread, priority_level="urgent")

    notifying.plan(thread)

    couple = [d for d in notifying.deliveries(thread) if d["user_id"] in ids]
    assert sorted(d["channel"] for d in couple) == ["email", "email", "inbox", "inbox", "sms"]
    assert notifying.queues.ids("sms") == [str(next(d["id"] for d in couple if d["channel"] == "sms"))]


def test_a_suppressed_address_is_written_down_and_not_queued(notifying: Notifying) -> None:
    notifying.stored(
        "insert into wedsync.suppressions values ('sms', sha256(convert_to('+447700900106', 'UTF8')), '21610', now())"
    )
    thread = make_thread(people=(PHIL,))
    say(ANA, thread, priority_level="emergency")

    notifying.plan(thread)

    sms = notifying.delivery(thread, PHIL.user_id, "sms")
    assert (sms["status"], sms["reason"]) == ("suppressed", "suppressed")
    assert notifying.queues.ids("sms", "emergency") == []
    assert len(notifying.queues.ids("email", "emergency")) == 1


def test_planning_again_plans_nothing_and_tells_nobody(notifying: Notifying) -> None:
    thread = make_thread()
    say(ANA, thread, priority_level="urgent")
    with modules_of("planner") as app:
        event = sqs_event(record(*notifying.events(thread)), record(*notifying.events(thread)))

        first = notifying.run(app.handler, event, None)
        stored, told = notifying.deliveries(thread), dict(notifying.queues.bodies)
        again = notifying.run(app.handler, event, None)

    assert first == again == {"batchItemFailures": []}
    assert notifying.deliveries(thread) == stored
    assert dict(notifying.queues.bodies) == told
    assert sum(len(bodies) for bodies in told.values()) == 3


def test_a_poison_record_alone_comes_again(notifying: Notifying, capsys: pytest.CaptureFixture[str]) -> None:
    threads = [make_thread() for _ in range(9)]
    for thread in threads:
        say(ANA, thread)
    poison = '{"events": [{"thread_id": "canary", "seq": 1}]}'
    with modules_of("planner") as app:
        records = [*(record(*notifying.events(thread)) for thread in threads), poison]

        answer = notifying.run(app.handler, sqs_event(*records), None)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m9"}]}
    assert all(len(notifying.deliveries(thread)) == 2 for thread in threads)
    assert "canary" not in capsys.readouterr().out


def test_an_event_that_is_not_there_is_no_trouble(notifying: Notifying) -> None:
    planned = notifying.run(planner.plan, [Named(uuid4(), 1), Named(make_thread(), 99)])

    assert (planned.events, planned.deliveries) == (0, 0)


def test_queues_that_are_down_cost_no_delivery(notifying: Notifying, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wedsync.platform.queues.SEND_SECONDS", 0.05)
    thread = make_thread()
    say(ANA, thread)
    notifying.queues.down = True

    planned = notifying.plan(thread)

    assert planned.deliveries == 2
    assert {d["status"] for d in notifying.deliveries(thread)} == {"queued"}
    assert notifying.queues.bodies == {}


def test_what_fails_after_the_deliveries_leaves_the_event_waiting(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = make_thread()
    say(ANA, thread)
    monkeypatch.setattr(planner_sql, "PLAN", planner_sql.PLAN + " where 1 / (select 0) = 1")

    with pytest.raises(psycopg.errors.DivisionByZero):
        notifying.plan(thread)

    assert notifying.deliveries(thread) == []
    waiting = notifying.stored(
        "select seq from wedsync.outbox where thread_id = %(t)s and planned_at is null", t=thread
    )
    assert len(waiting) == 2


def test_many_planners_of_one_event_plan_it_once(notifying: Notifying) -> None:
    thread = make_thread(people=(BEN, PETRA, FLORA, CARLO, PHIL))
    for _ in range(5):
        say(ANA, thread)
    asked = {"threads": [thread] * 6, "seqs": list(range(1, 7)), "recipients": 100}

    def plan(_: int) -> int:
        with psycopg.connect(notifying.database.worker.dsn) as connection:
            connection.execute("select app.enter(%s)", [context.sign(WORKER)])
            return sum(row[2] is not None for row in connection.execute(planner_sql.PLAN, asked))

    with ThreadPoolExecutor(8) as pool:
        planned = list(pool.map(plan, range(16)))

    assert sorted(planned) == [0] * 15 + [25]
    assert len(notifying.deliveries(thread)) == 25


def test_a_plan_is_one_transaction_and_one_call_per_queue(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = make_thread(people=(BEN, PETRA, FLORA, CARLO, PHIL))
    for _ in range(20):
        say(ANA, thread)
    said: list[str] = []
    transaction = db.transaction
    monkeypatch.setattr(
        db, "transaction", lambda who, *rest: (said.extend(s for s, _ in rest), transaction(who, *rest))[1]
    )

    planned = notifying.plan(thread)

    assert (planned.deliveries, planned.messages) == (100, 2)
    assert said == [planner_sql.PLAN]
    assert notifying.queues.calls == 1
    assert [len(body["deliveries"]) for body in notifying.queues.bodies["INBOX_QUEUE_URL"]] == [50, 50]


def test_only_a_worker_plans(notifying: Notifying) -> None:
    asked = {"threads": [], "seqs": [], "recipients": 1}

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.transaction(ANA, (planner_sql.PLAN, asked))
    with pytest.raises(Forbidden):
        notifying.run(db.transaction, ANA, (planner_sql.PLAN, asked))
