"""One worker gets a delivery, and only while it is still wanted; text is read with the recipient's eyes."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from uuid import UUID, uuid4

import psycopg
import psycopg.sql
import pytest
from psycopg import sql

from tests.database.test_conversation import make_thread, say
from tests.fixtures.notifying import Notifying
from tests.fixtures.wedding import ANA, BEN, CARLO, FLORA, PETRA, PHIL, SERVICE, WEDDING, Person
from wedsync.conversations import cursors, participants
from wedsync.notifications import deliveries, deliveries_sql
from wedsync.notifications.deliveries import Claimed
from wedsync.platform import context, db
from wedsync.platform.context import WORKER

HIS = {"u": FLORA.user_id}


def planned(notifying: Notifying, priority: str = "urgent") -> UUID:
    """A thread with one message to Flora, planned."""
    thread = make_thread(people=(FLORA, PETRA))
    say(ANA, thread, "the canary sings", priority_level=priority)
    notifying.plan(thread)
    return thread


def claim(notifying: Notifying, thread: UUID, channel: str = "sms") -> Claimed | None:
    return claim_one(notifying, notifying.delivery(thread, FLORA.user_id, channel)["id"])


def claim_one(notifying: Notifying, delivery_id: UUID) -> Claimed | None:
    claims = notifying.run(deliveries.claim, [delivery_id])
    return claims[0] if claims else None


def test_a_claim_says_what_a_worker_needs_and_prints_no_address(notifying: Notifying) -> None:
    thread = planned(notifying)

    claimed = claim(notifying, thread)

    stored = notifying.delivery(thread, FLORA.user_id, "sms")
    assert claimed is not None
    assert (claimed.delivery_id, claimed.token) == (stored["id"], stored["claim_token"])
    assert (claimed.thread_id, claimed.user_id, claimed.attempt) == (thread, FLORA.user_id, 1)
    assert (claimed.channel, claimed.lane, claimed.category) == ("sms", "ordinary", "urgent")
    assert (claimed.address, claimed.locale, claimed.time_zone) == ("+447700900104", "en-GB", "Europe/London")
    assert stored["status"] == "sending"
    assert claimed.address not in repr(claimed)


def test_nobody_else_gets_it(notifying: Notifying) -> None:
    thread = planned(notifying)
    first = claim(notifying, thread)

    assert first is not None
    assert claim(notifying, thread) is None
    assert claim_one(notifying, uuid4()) is None


def test_the_inbox_is_addressed_by_the_user(notifying: Notifying) -> None:
    claimed = claim(notifying, planned(notifying), "inbox")

    assert claimed is not None
    assert (claimed.address, claimed.contact_point_id) == (str(FLORA.user_id), None)


def test_fifty_deliveries_eight_times_over_twenty_workers_are_fifty_claims(notifying: Notifying) -> None:
    thread = make_thread(people=(BEN, PETRA, FLORA, CARLO, PHIL))
    for _ in range(10):
        say(ANA, thread)
    notifying.plan(thread)
    ids = [delivery["id"] for delivery in notifying.deliveries(thread)]
    assert len(ids) == 50

    portions: SimpleQueue[list[UUID]] = SimpleQueue()
    for _ in range(8):
        shuffled = random.sample(ids, 50)
        for first in range(0, 50, 7):
            portions.put(shuffled[first : first + 7])

    def work(_: int) -> list[UUID]:
        got: list[UUID] = []
        with (
            suppress(Empty),
            psycopg.connect(notifying.database.worker.dsn, autocommit=True) as connection,
        ):
            while True:
                asked = {"asked": portions.get_nowait(), "token": uuid4()}
                with connection.transaction():
                    connection.execute("select app.enter(%s)", [context.sign(WORKER)])
                    got += [row[0] for row in connection.execute(deliveries_sql.CLAIM, asked)]
        return got

    with ThreadPoolExecutor(20) as pool:
        claims = Counter(id_ for got in pool.map(work, range(20)) for id_ in got)

    assert claims == Counter(ids)


def read(notifying: Notifying, thread: UUID) -> None:
    cursors.read(FLORA, thread, notifying.stored("select app.epoch() as epoch")[0]["epoch"], 2)


def remove(notifying: Notifying, thread: UUID, user_id: UUID = FLORA.user_id, by: Person = ANA) -> None:
    participants.remove(by, thread, user_id)


def delete(notifying: Notifying, thread: UUID) -> None:
    notifying.stored(
        "update wedsync.thread_messages set deleted_at = now(), message = '' where thread_id = %(t)s",
        t=thread,
    )


def expire(notifying: Notifying, thread: UUID) -> None:
    notifying.stored(
        "update wedsync.deliveries set expires_at = now() where message_id in "
        "(select id from wedsync.thread_messages where thread_id = %(t)s)",
        t=thread,
    )


def mute(notifying: Notifying, thread: UUID) -> None:
    notifying.stored(
        "update wedsync.thread_participants set muted_until = now() + interval '1 hour' where thread_id = %(t)s",
        t=thread,
    )


def change_mind(notifying: Notifying, thread: UUID) -> None:
    notifying.stored(
        "insert into wedsync.notification_preferences values (%(u)s, 'urgent', 'sms', false, now())", **HIS
    )


def stop(notifying: Notifying, thread: UUID) -> None:
    notifying.stored(
        "insert into wedsync.suppressions select 'sms', sha256(convert_to(address, 'UTF8')), '21610', now() "
        "from wedsync.contact_points where user_id = %(u)s and channel = 'phone'",
        **HIS,
    )


def change_number(notifying: Notifying, thread: UUID) -> None:
    notifying.stored("delete from wedsync.contact_points where user_id = %(u)s and channel = 'phone'", **HIS)


@pytest.mark.parametrize(
    ("meanwhile", "status", "reason"),
    [
        (read, "cancelled", "read"),
        (remove, "cancelled", "removed"),
        (delete, "cancelled", "deleted"),
        (change_mind, "cancelled", "preference"),
        (expire, "expired", "expired"),
        (stop, "suppressed", "suppressed"),
        (change_number, "cancelled", "address_gone"),
    ],
)
def test_what_is_wanted_no_more_when_it_is_claimed_is_cancelled_with_the_reason(
    notifying: Notifying, meanwhile: object, status: str, reason: str
) -> None:
    thread = planned(notifying)
    kept = notifying.stored(
        "select * from wedsync.contact_points where user_id = %(u)s and channel = 'phone'", **HIS
    )
    assert callable(meanwhile)
    meanwhile(notifying, thread)

    claimed = claim(notifying, thread)

    stored = notifying.delivery(thread, FLORA.user_id, "sms")
    assert claimed is None
    assert (stored["status"], stored["reason"], stored["attempt"]) == (status, reason, 0)
    assert stored["claim_token"] is None
    notifying.stored("delete from wedsync.notification_preferences")
    notifying.stored("delete from wedsync.suppressions")
    for row in kept:
        notifying.stored(
            "insert into wedsync.contact_points values (%(id)s, %(user_id)s, %(channel)s, %(address)s, %(source)s, %(created_at)s) "
            "on conflict do nothing",
            **row,
        )


def test_a_thread_muted_meanwhile_stays_silent(notifying: Notifying) -> None:
    thread = planned(notifying, priority="normal")
    mute(notifying, thread)

    assert claim(notifying, thread, "inbox") is None
    assert notifying.delivery(thread, FLORA.user_id, "inbox")["reason"] == "muted"


def test_a_shared_number_is_still_told_when_one_of_two_is_removed(notifying: Notifying) -> None:
    numbers = notifying.stored("select id, address from wedsync.contact_points where channel = 'phone'")
    couple = [ANA.user_id, BEN.user_id]
    notifying.stored(
        "update wedsync.contact_points set address = '+447700900150' where channel = 'phone' and user_id = any(%(u)s)",
        u=couple,
    )
    thread = make_thread(by=PETRA, people=(ANA, BEN))
    say(PETRA, thread, priority_level="urgent")
    notifying.plan(thread)
    [first] = [d for d in notifying.deliveries(thread) if d["channel"] == "sms"]
    [other] = [who for who in couple if who != first["user_id"]]

    remove(notifying, thread, first["user_id"], PETRA)
    claimed = claim_one(notifying, first["id"])

    assert claimed is not None
    assert (claimed.user_id, claimed.address, claimed.attempt) == (other, "+447700900150", 1)
    for row in numbers:
        notifying.stored("update wedsync.contact_points set address = %(address)s where id = %(id)s", **row)


def test_text_is_read_with_the_recipients_eyes(notifying: Notifying) -> None:
    claimed = claim(notifying, planned(notifying))
    assert claimed is not None

    text = notifying.run(deliveries.text, claimed)
    stranger = notifying.run(deliveries.text, replace(claimed, user_id=CARLO.user_id))

    assert text is not None
    assert (text.subject, text.message, text.sender_name) == ("Flowers", "the canary sings", "Ana Silva")
    assert "canary" not in repr(text)
    assert stranger is None


def test_who_is_removed_after_the_claim_gets_no_text(notifying: Notifying) -> None:
    thread = planned(notifying)
    claimed = claim(notifying, thread)
    assert claimed is not None
    remove(notifying, thread)

    assert notifying.run(deliveries.text, claimed) is None


def test_who_left_the_wedding_gets_no_text(notifying: Notifying) -> None:
    thread = make_thread(people=(CARLO,))
    say(ANA, thread)
    notifying.plan(thread)
    claimed = claim_one(notifying, notifying.delivery(thread, CARLO.user_id)["id"])
    assert claimed is not None
    participants.leave_wedding(SERVICE, WEDDING, CARLO.user_id)

    assert notifying.run(deliveries.text, claimed) is None
    db.transaction(
        SERVICE,
        (
            "select app.put_wedding_member(%(w)s, %(u)s, 'vendor', %(o)s, 'catering', false)",
            {"w": WEDDING, "u": CARLO.user_id, "o": UUID("0190a000-0000-7000-8000-000000000003")},
        ),
    )


@pytest.mark.parametrize(
    "table",
    ["thread_messages", "communication_threads", "thread_events", "thread_participants", "wedding_members"],
)
def test_a_worker_of_its_own_sees_nobodys_threads(notifying: Notifying, table: str) -> None:
    planned(notifying)
    count = sql.SQL("select count(*) from {}").format(sql.Identifier(table))

    with psycopg.connect(notifying.database.worker.dsn) as connection:
        without = connection.execute(count).fetchone()
        connection.execute("select app.enter(%s)", [context.sign(WORKER)])
        with_its_own = connection.execute(count).fetchone()

    assert without == with_its_own == (0,)


@pytest.mark.parametrize(
    "table", ["deliveries", "contact_points", "users", "suppressions", "drafts", "scheduled_messages"]
)
def test_a_worker_reads_no_table_it_has_functions_for(notifying: Notifying, table: str) -> None:
    query = sql.SQL("select * from {}").format(sql.Identifier(table))

    with (
        psycopg.connect(notifying.database.worker.dsn) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(query)
