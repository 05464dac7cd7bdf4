"""What no queue took, and what is too much for one transaction: neither is lost, neither waits longer than it must."""

from __future__ import annotations

from typing import Any

import pytest

from tests.database.test_conversation import make_thread, say
from tests.database.test_notifications_sweep import later, never
from tests.fixtures.notifying import Notifying
from tests.fixtures.wedding import ANA, BEN, FLORA, PETRA
from wedsync.notifications import clockwork, kicks, planner, planner_sql
from wedsync.notifications.planner import Planned
from wedsync.platform import db
from wedsync.platform.errors import Unavailable

pytestmark = pytest.mark.usefixtures("nothing_left")


def test_what_no_queue_took_is_told_at_the_next_tick_and_not_minutes_later(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wedsync.platform.queues.SEND_SECONDS", 0.05)
    thread = make_thread(people=(FLORA,))
    say(ANA, thread, priority_level="urgent")
    notifying.queues.down = True
    notifying.plan(thread)
    notifying.queues.down = False

    told = notifying.run(clockwork.tick, never).deliveries

    assert told == 3
    assert len(notifying.queues.ids("sms")) == len(notifying.queues.ids("inbox")) == 1
    assert notifying.run(clockwork.tick, never).deliveries == 0


def test_what_the_queue_refused_at_one_tick_it_is_told_at_the_next(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wedsync.platform.queues.SEND_SECONDS", 0.05)
    thread = make_thread(people=(FLORA,))
    say(ANA, thread)
    notifying.queues.down = True
    notifying.plan(thread)

    ticks = [notifying.run(clockwork.tick, never).deliveries for _ in range(2)]

    assert ticks == [1, 1]


def test_only_what_was_refused_is_told_again(notifying: Notifying) -> None:
    thread = make_thread(people=(PETRA, FLORA))
    say(ANA, thread, priority_level="urgent")
    notifying.plan(thread)
    queued = [(d["channel"], d["lane"], d["id"]) for d in notifying.deliveries(thread)]
    notifying.queues.refused = {"0"}

    notifying.run(kicks.kick_deliveries, [way for way in queued if way[0] == "sms"])
    notifying.queues.refused = set()
    notifying.queues.bodies.clear()
    notifying.run(clockwork.tick, never)

    assert {*notifying.queues.bodies} == {"SMS_QUEUE_URL"}
    assert len(notifying.queues.ids("sms")) == 2


def test_a_database_that_is_away_then_costs_two_minutes_and_nothing_else(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def away(*_: Any) -> Any:
        raise Unavailable

    thread = make_thread(people=(FLORA,))
    notifying.queues.refused = {"0"}
    monkeypatch.setattr(db, "transaction", away)

    assert notifying.run(kicks.kick_deliveries, [("sms", "ordinary", thread)]) == 1

    assert "deliveries left as kicked" in capsys.readouterr().out


def test_a_backlog_is_planned_in_portions_of_recipients_each_a_transaction(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = [make_thread(people=(BEN, PETRA, FLORA)) for _ in range(2)]
    for thread in threads:
        for _ in range(4):
            say(ANA, thread)
    events = [event for thread in threads for event in notifying.events(thread)]
    portions: list[int] = []
    transaction = db.transaction

    def counted(who: Any, *statements: Any) -> Any:
        answers = transaction(who, *statements)
        if statements[0][0] == planner_sql.PLAN:
            portions.append(answers[0][0]["events"])
        return answers

    monkeypatch.setattr(db, "transaction", counted)
    monkeypatch.setattr(planner, "RECIPIENTS", 12)

    planned = notifying.run(planner.plan, events)

    assert portions == [3, 3, 3, 1]  # four people each: the fourth would be the thirteenth to sixteenth
    assert planned == Planned(10, 24, 4)
    assert all(len(notifying.deliveries(thread)) == 12 for thread in threads)


def test_an_event_with_more_recipients_than_a_portion_is_planned_alone(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = make_thread(people=(BEN, PETRA, FLORA))
    say(ANA, thread)
    monkeypatch.setattr(planner, "RECIPIENTS", 1)

    assert notifying.plan(thread) == Planned(2, 3, 1)


def test_what_there_is_no_time_to_plan_waits_for_the_clockwork(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    thread = make_thread(people=(FLORA,))
    say(ANA, thread)
    monkeypatch.setattr(planner, "BUDGET_SECONDS", 0)

    assert notifying.plan(thread) == Planned(0, 0, 0)
    later(notifying, 31)
    assert notifying.run(clockwork.tick, never).events == 2

    assert '"left_over": true' in capsys.readouterr().out


def test_a_planner_of_the_version_before_still_plans(notifying: Notifying) -> None:
    thread = make_thread(people=(FLORA,))
    say(ANA, thread)
    asked = {"threads": [thread] * 2, "seqs": [1, 2]}

    (rows,) = notifying.run(
        db.transaction,
        planner.WORKER,
        ("select * from app.plan_deliveries(%(threads)s::uuid[], %(seqs)s::bigint[])", asked),
    )

    assert [(row["events"], row["channel"], row["lane"]) for row in rows] == [(2, "inbox", "ordinary")]
