"""Two at once: what R9 promises when access changes while somebody writes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from uuid import UUID

import psycopg
import pytest

from tests.database.test_conversation import make_thread, say
from tests.fixtures.postgres import Database
from tests.fixtures.session import Session
from tests.fixtures.wedding import ANA, BEN, CARLO, FLORA, PETRA, SERVICE, WEDDING, Person, behind, new_id
from wedsync.conversations import messages, messages_sql, participants, threads_sql
from wedsync.conversations.models import AddedParticipant, NewMessage
from wedsync.platform.errors import Invalid, NotFound

Sessions = Callable[[Person], Session]


def wait_until_blocked(database: Database, many: int = 1) -> None:
    """Until so many wait for a lock in this database."""
    for _ in range(400):
        waiting = behind(
            database,
            "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
        )
        if len(waiting) >= many:
            return
        time.sleep(0.005)
    raise AssertionError("nobody waits")


def test_nobody_posts_after_his_removal(wedding: Database, sessions: Sessions) -> None:
    thread = make_thread()
    removing = sessions(ANA)
    removing.run(threads_sql.REMOVE, thread_id=thread, user_id=FLORA.user_id)

    with ThreadPoolExecutor() as pool:
        late: Future[messages.Result] = pool.submit(say, FLORA, thread, "too late")
        wait_until_blocked(wedding)
        removing.commit()
        with pytest.raises(NotFound):
            late.result(5)

    stored = behind(wedding, "select seq from wedsync.thread_messages where thread_id = %(t)s", t=thread)
    assert stored == []


def test_an_add_that_meets_a_removal_from_the_wedding_is_refused(
    wedding: Database, sessions: Sessions
) -> None:
    thread = make_thread()
    leaving = sessions(SERVICE)
    leaving.run(threads_sql.LEAVE_WEDDING, wedding_id=WEDDING, user_id=BEN.user_id)

    with ThreadPoolExecutor() as pool:
        adding = pool.submit(participants.add, ANA, thread, AddedParticipant(user_id=BEN.user_id))
        wait_until_blocked(wedding)
        leaving.commit()
        with pytest.raises(Invalid):
            adding.result(5)

    assert str(BEN.user_id) not in {p["user_id"] for p in participants.everyone(ANA, thread)["data"]}


def test_a_removal_from_the_wedding_that_meets_an_add_takes_the_thread_too(
    wedding: Database, sessions: Sessions
) -> None:
    thread = make_thread()
    adding = sessions(ANA)
    adding.run(
        threads_sql.ADD,
        thread_id=thread,
        user_id=CARLO.user_id,
        role="participant",
        history="all",
        from_seq=None,
    )

    with ThreadPoolExecutor() as pool:
        leaving = pool.submit(participants.leave_wedding, SERVICE, WEDDING, CARLO.user_id)
        wait_until_blocked(wedding)
        adding.commit()
        told = leaving.result(5)

    assert thread in {change.thread_id for change in told.changes}
    access = behind(
        wedding,
        "select 1 from wedsync.thread_access where thread_id = %(t)s and user_id = %(u)s",
        t=thread,
        u=CARLO.user_id,
    )
    assert access == []


def test_many_writers_of_one_thread_number_it_without_gaps(wedding: Database, sessions: Sessions) -> None:
    thread = make_thread()
    writers = [sessions(random.choice([ANA, PETRA, FLORA])) for _ in range(8)]  # noqa: S311

    def write(session: Session, who: Person) -> None:
        for n in range(10):
            session.begin(who)
            message = NewMessage(message=f"{n}", client_msg_id=new_id())
            for text, values in messages.statements(thread, [message]):
                session.run(text, **values)
            session.connection.execute("rollback" if n == 5 else "commit")

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, writers, [ANA, PETRA, FLORA, ANA, PETRA, FLORA, ANA, PETRA]))

    log = behind(
        wedding,
        "select seq, at from wedsync.thread_events where thread_id = %(t)s order by seq",
        t=thread,
    )
    assert [row["seq"] for row in log] == list(range(1, 8 * 9 + 2))
    assert [row["at"] for row in log] == sorted(row["at"] for row in log)


def watched(wedding: Database, thread: UUID, until: Event) -> list[list[int]]:
    """What was committed, again and again: in the order of seq, so it has no hole at any time."""
    seen: list[list[int]] = []
    while not until.is_set():
        rows = behind(
            wedding,
            "select seq from wedsync.thread_events where thread_id = %(t)s order by seq",
            t=thread,
        )
        seen.append([row["seq"] for row in rows])
    return seen


def test_fifty_senders_at_once_lose_nothing(wedding: Database, sessions: Sessions) -> None:
    thread = make_thread()
    people = [ANA, PETRA, FLORA] * 17
    writers = [(sessions(who), who) for who in people[:50]]

    def write(number: int) -> int:
        session, who = writers[number]
        session.begin(who)
        message = NewMessage(message=f"from {number}", client_msg_id=new_id())
        seq = 0
        for text, values in messages.statements(thread, [message]):
            seq = max((row.get("seq") or 0 for row in session.run(text, **values)), default=0)
        session.commit()
        return seq

    written = Event()

    with ThreadPoolExecutor(51) as pool:
        watching = pool.submit(watched, wedding, thread, written)
        try:
            answered = dict(enumerate(pool.map(write, range(50))))
        finally:
            written.set()

    looks = watching.result()
    assert looks
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in looks)
    stored = behind(
        wedding,
        "select seq, message, created_at from wedsync.thread_messages where thread_id = %(t)s order by seq",
        t=thread,
    )
    assert [row["seq"] for row in stored] == list(range(2, 52))
    assert {row["message"]: row["seq"] for row in stored} == {f"from {n}": seq for n, seq in answered.items()}
    assert [row["created_at"] for row in stored] == sorted(row["created_at"] for row in stored)


def test_the_same_message_from_two_sockets_is_one_message(wedding: Database, sessions: Sessions) -> None:
    thread = make_thread()
    message = NewMessage(message="twice", client_msg_id=new_id())
    first = sessions(FLORA)
    for text, values in messages.statements(thread, [message]):
        first.run(text, **values)

    with ThreadPoolExecutor() as pool:
        second = pool.submit(messages.send, FLORA, thread, [message])
        wait_until_blocked(wedding)
        first.commit()
        assert second.result(5).answer.results[0].status == "duplicate"

    assert (
        len(behind(wedding, "select 1 from wedsync.thread_messages where thread_id = %(t)s", t=thread)) == 1
    )


def test_a_lock_that_does_not_come_is_a_passing_trouble(wedding: Database, sessions: Sessions) -> None:
    thread = make_thread()
    holding = sessions(ANA)
    holding.run(messages_sql.LOCK, thread_id=thread)
    waiting = sessions(FLORA)
    waiting.run("select 1")

    with pytest.raises(psycopg.errors.LockNotAvailable):
        waiting.run(messages_sql.LOCK, thread_id=thread)
