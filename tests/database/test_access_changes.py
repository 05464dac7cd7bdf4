"""When access changes by the way: what sync, sockets and other transactions get to know of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import psycopg
import pytest

from tests.database.test_conversation import make_thread, say
from tests.database.test_races import wait_until_blocked
from tests.fixtures.postgres import Database
from tests.fixtures.session import Session
from tests.fixtures.wedding import (
    ANA,
    BLOOM,
    CARLO,
    FLORA,
    HART,
    OTHER_WEDDING,
    PETRA,
    SERVICE,
    STRANGER,
    WEDDING,
    Person,
    behind,
    hang_up,
)
from wedsync.conversations import cursors, messages_sql, participants, replay, threads, threads_sql
from wedsync.conversations.events import Event
from wedsync.conversations.models import ThreadQuery
from wedsync.identity.directory_models import WeddingMember
from wedsync.platform import db
from wedsync.platform.errors import Internal, Unavailable

Sessions = Callable[[Person], Session]
PLANNER = WeddingMember(role="planner", organization_id=HART)
COORDINATOR = WeddingMember(role="coordinator", organization_id=HART)


def test_a_new_host_learns_of_his_threads_by_sync_and_a_former_one_that_they_are_gone(
    wedding: Database,
) -> None:
    thread = make_thread(by=ANA, people=(FLORA,), visibility="hosts")
    participants.join_wedding(SERVICE, WEDDING, PETRA.user_id, COORDINATOR)
    before = replay.replay(PETRA, None, {}, 10)

    joined = participants.join_wedding(SERVICE, WEDDING, PETRA.user_id, PLANNER)
    after = replay.replay(PETRA, before.since, {}, 10)
    demoted = participants.join_wedding(SERVICE, WEDDING, PETRA.user_id, COORDINATOR)
    last = replay.replay(PETRA, after.since, {}, 10)
    participants.join_wedding(SERVICE, WEDDING, PETRA.user_id, PLANNER)

    assert thread not in {UUID(each["thread_id"]) for each in before.changed}
    assert thread in {UUID(each["thread_id"]) for each in after.changed}
    assert joined.changes == ()
    assert thread in {change.thread_id for change in demoted.changes}
    assert {person for change in demoted.changes for person in change.revoked} == {PETRA.user_id}
    assert thread in last.gone


def test_joining_for_an_organization_that_one_is_leaving_is_refused(
    wedding: Database, sessions: Sessions
) -> None:
    leaving = sessions(SERVICE)
    leaving.run(threads_sql.LEAVE_ORGANIZATION, organization_id=BLOOM, user_id=FLORA.user_id)
    vendor = WeddingMember(role="vendor", organization_id=BLOOM, service="flowers")

    with ThreadPoolExecutor() as pool:
        joining = pool.submit(participants.join_wedding, SERVICE, OTHER_WEDDING, FLORA.user_id, vendor)
        wait_until_blocked(wedding)
        leaving.connection.execute("rollback")
        joining.result(5)

    leaving.begin(SERVICE)
    left = leaving.run(threads_sql.LEAVE_ORGANIZATION, organization_id=BLOOM, user_id=FLORA.user_id)
    leaving.connection.execute("rollback")
    members = behind(
        wedding, "select wedding_id from wedsync.wedding_members where user_id = %(u)s", u=FLORA.user_id
    )
    assert {row["wedding_id"] for row in members} == {WEDDING, OTHER_WEDDING}
    assert left is not None


def test_nobody_learns_who_is_in_a_thread_that_he_does_not_see(wedding: Database, sessions: Sessions) -> None:
    thread = make_thread()

    for outsider in (STRANGER, CARLO):
        assert sessions(outsider).run("select app.audience(%(t)s, 1) as told", t=thread) == [{"told": None}]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            sessions(outsider).run("select private.sees(%(a)s, %(t)s, 1)", a=ANA.user_id, t=thread)
    assert sessions(FLORA).run("select cardinality(app.audience(%(t)s, 1)) as told", t=thread) == [
        {"told": 3}
    ]


def test_two_devices_that_name_their_threads_in_other_orders_do_not_block_each_other(
    wedding: Database, sessions: Sessions
) -> None:
    made = sorted(make_thread() for _ in range(4))
    for thread in made:
        say(ANA, thread)
    epoch = threads.page(FLORA, ThreadQuery(limit=1))["data"][0]["epoch"]
    other = sessions(FLORA)
    other.run(messages_sql.DELIVERED, epoch=epoch, thread_ids=made[::-1], seqs=[2] * 4)

    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(cursors.acknowledge, FLORA, epoch, dict.fromkeys(made, 2))
        wait_until_blocked(wedding)
        holds = other.run(
            "select thread_id from thread_participants where user_id = %(u)s and thread_id = any(%(t)s) for no key update nowait",
            u=FLORA.user_id,
            t=made,
        )
        other.commit()
        waiting.result(5)

    assert len(holds) == 4
    assert {threads.get(FLORA, thread)["me"]["delivered_seq"] for thread in made} == {2}


def test_a_gap_is_not_recovered_in_part_and_an_old_token_counts_as_none(
    wedding: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = make_thread()
    for _ in range(4):
        say(ANA, thread)
    epoch = threads.get(FLORA, thread)["epoch"]
    monkeypatch.setattr(replay, "GAP", 3)

    (far,) = replay.replay(FLORA, None, {thread: (epoch, 1)}, 10).threads
    (near,) = replay.replay(FLORA, None, {thread: (epoch, 2)}, 10).threads
    old = replay.replay(FLORA, replay.signed.encode("since", ["0ld", 2**40]), {}, 10)

    assert (far.resync, far.events, far.head_seq) == ("gap_too_large", (), 5)
    assert [event["seq"] for event in near.events] == [3, 4, 5]
    assert thread in {UUID(each["thread_id"]) for each in old.changed}


def test_many_threads_share_what_one_answer_holds(wedding: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [make_thread(), make_thread()]
    for thread in both:
        for _ in range(3):
            say(ANA, thread)
    epoch = threads.get(FLORA, both[0])["epoch"]
    monkeypatch.setattr(replay, "TOTAL", 4)

    found = replay.replay(FLORA, None, dict.fromkeys(both, (epoch, 0)), 300).threads

    assert [(len(each.events), each.more) for each in found] == [(2, True), (2, True)]


def test_a_hole_in_the_log_is_an_error_and_not_a_void(wedding: Database) -> None:
    thread = make_thread()
    for _ in range(3):
        say(ANA, thread)
    epoch = threads.get(FLORA, thread)["epoch"]
    with psycopg.connect(wedding.superuser.dsn) as connection:
        connection.execute("delete from wedsync.thread_events where thread_id = %s and seq = 3", [thread])

    with pytest.raises(Internal):
        replay.replay(FLORA, None, {thread: (epoch, 1)}, 10)
    events: tuple[Event, ...] = replay.replay(FLORA, None, {thread: (epoch, 3)}, 10).threads[0].events

    assert [event["seq"] for event in events] == [4]


def test_a_connection_that_failed_before_its_check_is_not_kept(
    wedding: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang_up()
    with monkeypatch.context() as patch:
        patch.setattr(db, "_BEGIN", ("select pg_terminate_backend(pg_backend_pid()), no_such_thing()", {}))
        with pytest.raises((psycopg.Error, Unavailable)):
            threads.page(ANA, ThreadQuery())
    with psycopg.connect(wedding.superuser.dsn, autocommit=True) as connection:
        connection.execute("update private.cluster set identity = '1/1'")
        with pytest.raises(Unavailable):
            threads.page(ANA, ThreadQuery())
        connection.execute("update private.cluster set identity = private.cluster_identity()")

    assert threads.page(ANA, ThreadQuery())["data"]
