"""A database brought back to an earlier moment (R4): what was taken stays taken, and nobody is told twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.database.test_conversation import make_thread, say
from tests.database.test_devices import subscription
from tests.fixtures.notifying import Notifying
from tests.fixtures.postgres import Database
from tests.fixtures.restored import Backup, TakeBackup
from tests.fixtures.wedding import (
    ANA,
    BEN,
    BLOOM,
    CARLO,
    FLORA,
    HART,
    PETRA,
    SERVICE,
    WEDDING,
    Person,
    behind,
)
from wedsync.conversations import participants, scheduled, thread_acts, threads
from wedsync.conversations.events import Committed
from wedsync.conversations.message_models import LaterMessage
from wedsync.conversations.models import AddedParticipant, ThreadQuery
from wedsync.conversations.thread_models import ThreadEdit
from wedsync.identity import directory_sql
from wedsync.identity.directory_models import WeddingMember
from wedsync.notifications import devices
from wedsync.notifications.devices import NewDevice
from wedsync.platform import aws, db
from wedsync.platform.clock import now, rfc3339
from wedsync.platform.context import WORKER
from wedsync.platform.errors import NotFound, Unavailable
from wedsync.platform.ids import uuid7
from wedsync.trust import journal, restore

COORDINATOR = WeddingMember(role="coordinator", organization_id=HART)
PLANNER = WeddingMember(role="planner", organization_id=HART, lead=True)
VENDOR = WeddingMember(role="vendor", organization_id=BLOOM, service="flowers")


def done(act: Committed[Any]) -> None:
    """What the functions do with every act before they answer."""
    journal.keep(act.journal)


def log(backup: Backup, thread: UUID) -> list[tuple[str, UUID | None]]:
    rows = backup.stored(
        "select kind, user_id from wedsync.thread_events where thread_id = %(t)s order by seq", t=thread
    )
    return [(row["kind"], row["user_id"]) for row in rows]


def sees(who: Person, thread: UUID) -> bool:
    try:
        threads.get(who, thread)
    except NotFound:
        return False
    return True


def subscribe(who: Person) -> None:
    devices.register(who, NewDevice.model_validate(subscription()))


def plan(notifying: Notifying, thread: UUID) -> None:
    events: db.Statement = (
        "select app.plan_deliveries(array_agg(thread_id), array_agg(seq)) from outbox where thread_id = %(thread)s",
        {"thread": thread},
    )
    notifying.run(db.transaction, WORKER, events)


def channels(notifying: Notifying, backup: Backup, thread: UUID) -> list[str]:
    """By which a thread's people are told, once its events are planned in the restored database."""
    with backup.in_place():
        plan(notifying, thread)
    told = backup.stored(
        "select d.channel from wedsync.deliveries d join wedsync.thread_messages m on m.id = d.message_id "
        "where m.thread_id = %(t)s order by d.channel, m.seq",
        t=thread,
    )
    return [row["channel"] for row in told]


def test_nobody_is_answered_until_it_is_released_and_then_in_another_epoch(take_backup: TakeBackup) -> None:
    thread = make_thread()
    backup = take_backup()
    before = threads.get(ANA, thread)["epoch"]

    with backup.in_place():
        with pytest.raises(Unavailable) as refused:
            threads.page(ANA, ThreadQuery())
        released = backup.release()
        after = threads.get(ANA, thread)["epoch"]

    assert refused.value.headers["Retry-After"]
    assert after == released.epoch != before


def test_a_removal_after_the_backup_holds_after_the_restore_as_an_event_of_the_new_epoch(
    take_backup: TakeBackup,
) -> None:
    thread = make_thread(people=(FLORA, CARLO))
    backup = take_backup()
    done(participants.remove(ANA, thread, FLORA.user_id))

    released = backup.release()

    assert released.reapplied == 1
    assert log(backup, thread) == [("thread.created", None), ("participant.removed", FLORA.user_id)]
    with backup.in_place():
        assert (sees(FLORA, thread), sees(CARLO, thread)) == (False, True)


def test_hosts_who_lost_a_thread_do_not_see_it_again(take_backup: TakeBackup) -> None:
    narrowed, other = (make_thread(people=(FLORA,), visibility="hosts") for _ in range(2))
    backup = take_backup()
    done(participants.join_wedding(SERVICE, WEDDING, PETRA.user_id, COORDINATOR))
    done(thread_acts.edit(ANA, narrowed, 1, ThreadEdit(visibility="participants")))
    participants.join_wedding(SERVICE, WEDDING, PETRA.user_id, PLANNER)

    released = backup.release()

    assert released.reapplied == 2
    with backup.in_place():
        assert [sees(BEN, narrowed), sees(BEN, other)] == [False, True]
        assert [sees(PETRA, narrowed), sees(PETRA, other)] == [False, False]
        assert threads.get(ANA, narrowed)["version"] == 2
    assert log(backup, narrowed)[1:] == [("thread.updated", None)]


def test_what_the_backup_knows_is_not_done_again(take_backup: TakeBackup) -> None:
    thread = make_thread(people=(FLORA,))
    done(participants.remove(ANA, thread, FLORA.user_id))
    participants.add(ANA, thread, AddedParticipant(user_id=FLORA.user_id))
    backup = take_backup()

    released = backup.release()

    assert released.reapplied == 0
    with backup.in_place():
        assert sees(FLORA, thread)


def test_a_loss_in_what_the_restore_has_lost_altogether_is_passed_over(take_backup: TakeBackup) -> None:
    backup = take_backup()
    thread = make_thread(people=(FLORA,))
    done(participants.remove(ANA, thread, FLORA.user_id))

    assert backup.release().reapplied == 1

    assert log(backup, thread) == []


def test_a_host_who_went_to_an_organization_that_the_restore_has_lost_is_out(take_backup: TakeBackup) -> None:
    thread = make_thread(people=(PETRA,))
    backup = take_backup()
    agency = uuid7()
    stated = {"id": agency, "name": "Agency", "kind": "vendor", "verified": True}
    named = {"organization_id": agency, "user_id": PETRA.user_id, "role": "member"}
    db.transaction(
        SERVICE, (directory_sql.PUT_ORGANIZATION, stated), (directory_sql.PUT_ORGANIZATION_MEMBER, named)
    )
    hired = WeddingMember(role="vendor", organization_id=agency, service="music")
    done(participants.join_wedding(SERVICE, WEDDING, PETRA.user_id, hired))

    assert backup.release().reapplied == 1

    with backup.in_place():
        assert not sees(PETRA, thread)
    participants.join_wedding(SERVICE, WEDDING, PETRA.user_id, PLANNER)


def test_a_second_release_is_refused_and_changes_nothing(take_backup: TakeBackup) -> None:
    thread = make_thread(people=(FLORA,))
    backup = take_backup()
    done(participants.remove(ANA, thread, FLORA.user_id))
    released = backup.release()

    with pytest.raises(psycopg.Error) as refused:
        backup.release()

    assert refused.value.sqlstate == "WS409"
    assert log(backup, thread)[1:] == [("participant.removed", FLORA.user_id)]
    assert backup.stored("select epoch, identity from private.cluster") == [
        {"epoch": released.epoch, "identity": "restored"}
    ]


def test_of_two_releases_at_once_one_is_refused(take_backup: TakeBackup) -> None:
    thread = make_thread(people=(FLORA,))
    backup = take_backup()
    done(participants.remove(ANA, thread, FLORA.user_id))

    def release(_: int) -> str | None:
        try:
            backup.release()
        except psycopg.Error as refused:
            return refused.sqlstate
        return None

    with ThreadPoolExecutor() as pool:
        outcomes = sorted(pool.map(release, range(2)), key=str)

    assert outcomes == [None, "WS409"]
    assert log(backup, thread)[1:] == [("participant.removed", FLORA.user_id)]


def test_without_the_whole_journal_nothing_is_released(take_backup: TakeBackup) -> None:
    thread = make_thread(people=(FLORA,))
    backup = take_backup()
    done(participants.remove(ANA, thread, FLORA.user_id))
    backup.journal.down = True

    with pytest.raises(aws.AwsError):
        backup.release()

    backup.journal.down = False
    with backup.in_place(), pytest.raises(Unavailable):
        threads.page(ANA, ThreadQuery())


def test_a_database_that_was_not_restored_is_refused(wedding: Database, journal_table: object) -> None:
    before = behind(wedding, "select epoch, identity from private.cluster")

    with pytest.raises(psycopg.Error, match="was not restored"):
        restore.release(wedding.master.dsn, "")

    assert behind(wedding, "select epoch, identity from private.cluster") == before


def test_what_may_have_gone_out_is_asked_for_or_dropped_but_not_sent_again(
    notifying: Notifying, take_backup: TakeBackup
) -> None:
    thread = make_thread(people=(FLORA,))
    subscribe(FLORA)
    say(ANA, thread, priority_level="urgent")
    plan(notifying, thread)
    backup = take_backup()

    released = backup.release()

    found = backup.stored("select * from wedsync.deliveries where user_id = %(u)s", u=FLORA.user_id)
    assert {each["channel"]: (each["status"], each["reason"]) for each in found} == {
        "inbox": ("queued", None),
        "email": ("queued", None),
        "push": ("cancelled", "restored"),
        "sms": ("unknown", "restored"),
    }
    assert released.settled == 2
    [sms] = [each for each in found if each["channel"] == "sms"]
    assert sms["claim_token"] is not None
    assert sms["claimed_at"] == sms["created_at"]


def test_what_was_not_yet_planned_is_told_by_the_inbox_alone(
    notifying: Notifying, take_backup: TakeBackup
) -> None:
    thread = make_thread(people=(FLORA,))
    say(ANA, thread, priority_level="urgent")
    backup = take_backup()

    backup.release()

    assert channels(notifying, backup, thread) == ["inbox"]


def test_a_message_offered_again_is_told_by_the_inbox_alone_and_a_new_one_as_always(
    notifying: Notifying, take_backup: TakeBackup
) -> None:
    thread = make_thread(people=(FLORA,))
    backup = take_backup()
    lost = say(ANA, thread, "lost", priority_level="urgent")
    epoch = threads.get(ANA, thread)["epoch"]

    released = backup.release()
    with backup.in_place():
        again = say(
            ANA, thread, "lost", priority_level="urgent", client_msg_id=lost.client_msg_id, epoch=epoch
        )
        repeated = say(ANA, thread, "lost", priority_level="urgent", client_msg_id=lost.client_msg_id)
        first = channels(notifying, backup, thread)
        say(ANA, thread, "new", priority_level="urgent", epoch=released.epoch)

    assert (again.status, repeated.status) == ("ok", "duplicate")
    assert first == ["inbox"]
    assert {"inbox", "email", "sms"} <= set(channels(notifying, backup, thread))


def test_where_nothing_was_restored_an_epoch_silences_nothing(notifying: Notifying) -> None:
    thread = make_thread(people=(FLORA,))

    say(ANA, thread, priority_level="emergency", epoch="ffffffff")
    notifying.plan(thread)

    told = [each for each in notifying.deliveries(thread) if each["user_id"] == FLORA.user_id]
    assert {"inbox", "email", "sms"} <= {row["channel"] for row in told}


def test_the_author_of_a_message_that_was_due_is_asked(take_backup: TakeBackup) -> None:
    thread = make_thread()
    due, later = (
        scheduled.schedule(
            ANA, thread, LaterMessage.model_validate({"message": "x", "send_at": rfc3339(now() + wait)})
        )
        for wait in (timedelta(minutes=5), timedelta(days=1))
    )
    backup = take_backup()
    backup.stored("update private.clock set shifted = interval '1 hour'")

    backup.release()

    with backup.in_place():
        asked = scheduled.get(ANA, UUID(due["id"]))
        assert (asked["status"], asked["reason"]) == ("needs_attention", "restored")
        assert scheduled.get(ANA, UUID(later["id"]))["status"] == "waiting"


def test_whoever_left_the_wedding_or_his_organization_has_left_it_and_its_threads(
    take_backup: TakeBackup,
) -> None:
    thread = make_thread(people=(FLORA, CARLO))
    backup = take_backup()
    done(participants.leave_wedding(SERVICE, WEDDING, CARLO.user_id))
    done(participants.leave_organization(SERVICE, BLOOM, FLORA.user_id))

    backup.release()

    people = {"people": [FLORA.user_id, CARLO.user_id]}
    for table in ("wedding_members", "organization_members"):
        left = backup.stored(
            f"select user_id from wedsync.{table} where user_id = any (%(people)s)", **people
        )
        assert FLORA.user_id not in {row["user_id"] for row in left}
    assert sorted(log(backup, thread)[1:], key=str) == sorted(
        [("participant.removed", FLORA.user_id), ("participant.removed", CARLO.user_id)], key=str
    )
