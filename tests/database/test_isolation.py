"""Who sees what, asked of every table directly as the application role: handlers are not trusted to filter."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import LiteralString
from uuid import UUID

import psycopg
import pytest

from tests.database.test_conversation import make_thread, say
from tests.fixtures.postgres import Database
from tests.fixtures.session import Session
from tests.fixtures.wedding import (
    ANA,
    BEN,
    CARLO,
    DINA,
    FLORA,
    OTHER_WEDDING,
    PETRA,
    PHIL,
    SAM,
    SERVICE,
    STRANGER,
    WEDDING,
    Person,
    behind,
    new_id,
)
from wedsync.conversations import participants, threads
from wedsync.conversations.models import AddedParticipant, ThreadQuery

Sessions = Callable[[Person], Session]

PEOPLE = {
    "Ana": ANA,
    "Ben": BEN,
    "Petra": PETRA,
    "Flora": FLORA,
    "Carlo": CARLO,
    "Phil": PHIL,
    "Dina": DINA,
    "Sam": SAM,
    "a stranger": STRANGER,
    "the service": SERVICE,
}

# Thread by name: who takes part with a window from which seq, and who reads along.
SEES: dict[str, dict[str, int]] = {
    "flowers": {"Ana": 1, "Petra": 1, "Flora": 1},
    "catering": {"Ana": 1, "Carlo": 1},
    "late photographer": {"Ana": 1, "Phil": 4},
    "open to hosts": {"Petra": 1, "Flora": 1, "Ana": 1, "Ben": 1},
    "flora was removed": {"Ana": 1, "Petra": 1},
    "the other wedding": {"Dina": 1, "Phil": 1},
}


@pytest.fixture(scope="module")
def scene(wedding: Database) -> dict[str, UUID]:
    """Six threads, each with a message at seq 2 and one at its head."""
    made = {
        "flowers": make_thread(ANA, (PETRA, FLORA)),
        "catering": make_thread(ANA, (CARLO,)),
        "late photographer": make_thread(ANA, ()),
        "open to hosts": make_thread(PETRA, (FLORA,), visibility="hosts"),
        "flora was removed": make_thread(ANA, (PETRA, FLORA)),
        "the other wedding": make_thread(DINA, (PHIL,), wedding_id=OTHER_WEDDING),
    }
    authors = {"the other wedding": DINA, "open to hosts": PETRA}
    for name, thread in made.items():
        say(authors.get(name, ANA), thread, "first")
        say(authors.get(name, ANA), thread, "second")
    participants.add(ANA, made["late photographer"], AddedParticipant(user_id=PHIL.user_id))
    participants.remove(ANA, made["flora was removed"], FLORA.user_id)
    for name, thread in made.items():
        say(authors.get(name, ANA), thread, "last")
    return made


@pytest.mark.parametrize(("name", "person"), list(product(SEES, PEOPLE)))
def test_each_person_sees_his_windows_and_nothing_else(
    scene: dict[str, UUID], sessions: Sessions, name: str, person: str
) -> None:
    thread, first = scene[name], SEES[name].get(person)
    head = {"late photographer": 5, "flora was removed": 5}.get(name, 4)
    expected = [] if first is None else list(range(first, head + 1))
    session = sessions(PEOPLE[person])

    events = session.run("select seq from thread_events where thread_id = %(t)s order by seq", t=thread)
    messages = session.run("select seq from thread_messages where thread_id = %(t)s order by seq", t=thread)
    counts = [
        len(session.run(query, t=thread))
        for query in (
            "select id from communication_threads where id = %(t)s",
            "select user_id from thread_participants where thread_id = %(t)s limit 1",
            "select user_id from app.participants(%(t)s) limit 1",
        )
    ]

    not_messages = {1, 4} if name in ("late photographer", "flora was removed") else {1}
    assert [row["seq"] for row in events] == expected
    assert [row["seq"] for row in messages] == [seq for seq in expected if seq not in not_messages]
    assert counts == ([0, 0, 0] if first is None else [1, 1, 1])


@pytest.mark.parametrize("person", PEOPLE)
def test_a_list_holds_what_one_sees(scene: dict[str, UUID], person: str) -> None:
    listed = {t["id"] for t in threads.page(PEOPLE[person], ThreadQuery(limit=100))["data"]}

    for name, thread in scene.items():
        assert (str(thread) in listed) == (person in SEES[name]), name


@pytest.mark.parametrize("person", PEOPLE)
def test_of_the_directory_one_sees_oneself(wedding: Database, sessions: Sessions, person: str) -> None:
    session, me = sessions(PEOPLE[person]), PEOPLE[person].user_id

    assert {row["id"] for row in session.run("select id from users")} <= {me}
    for table in (
        "contact_points",
        "organization_members",
        "wedding_members",
        "thread_access",
        "thread_revocations",
    ):
        rows = session.run(f"select user_id from {table}")  # type: ignore[arg-type]
        assert {row["user_id"] for row in rows} <= {me}, table


FORBIDDEN: dict[str, LiteralString] = {
    "read the audit log": "select * from audit_log",
    "read windows": "select * from participation_windows",
    "read the outbox": "select * from outbox",
    "open a window": "insert into participation_windows values (%(t)s, %(me)s, 1)",
    "grant access": "insert into thread_access (user_id, thread_id, source, from_seq) values (%(me)s, %(t)s, 'participant', 1)",
    "become a participant": "insert into thread_participants (thread_id, user_id, role, added_by, added_at, changed_xid) "
    "values (%(t)s, %(me)s, 'owner', %(me)s, now(), 1)",
    "become an owner": "update thread_participants set role = 'owner' where user_id = %(me)s",
    "come back": "update thread_participants set left_at = null where user_id = %(me)s",
    "join a wedding": "insert into wedding_members (wedding_id, user_id, role, created_at, updated_at) "
    "values (%(w)s, %(me)s, 'couple', now(), now())",
    "rewrite a message": "update thread_messages set message = 'x' where thread_id = %(t)s",
    "delete a message": "delete from thread_messages where thread_id = %(t)s",
    "rewrite the log": "update thread_events set kind = 'thread.created' where thread_id = %(t)s",
    "empty a table": "truncate thread_messages",
    "reopen a thread": "update communication_threads set status = 'active' where id = %(t)s",
    "turn a policy off": "alter table communication_threads disable row level security",
    "speak as another": "insert into thread_messages (id, thread_id, seq, sender_id, message, message_html, message_type, priority_level, "
    "client_msg_id, fingerprint, created_at) values (gen_random_uuid(), %(t)s, 99, %(other)s, 'x', 'x', 'text', 'normal', "
    "gen_random_uuid(), sha256('x'), now())",
    "write into a foreign thread": "insert into thread_messages (id, thread_id, seq, sender_id, message, message_html, message_type, "
    "priority_level, client_msg_id, fingerprint, created_at) values (gen_random_uuid(), %(foreign)s, 99, %(me)s, 'x', 'x', 'text', "
    "'normal', gen_random_uuid(), sha256('x'), now())",
    "forge a removal": "insert into thread_events (thread_id, seq, kind, at, actor_id, user_id) "
    "values (%(t)s, 99, 'participant.removed', now(), %(me)s, %(other)s)",
    "log as another": "insert into thread_events (thread_id, seq, kind, at, actor_id, message_id) select thread_id, 99, "
    "'message.created', now(), %(other)s, id from thread_messages where thread_id = %(t)s limit 1",
    "put a user": "select app.put_user(%(me)s, 'x', 'x@example.com', null, 'en', 'UTC')",
    "verify an organization": "select app.put_organization(gen_random_uuid(), 'x', 'vendor', true)",
    "remove a member": "select app.delete_wedding_member(%(w)s, %(other)s)",
    "rebuild access": "select private.refresh_access(array[%(t)s]::uuid[], null)",
}


@pytest.mark.parametrize("act", FORBIDDEN)
def test_what_injected_sql_of_a_participant_cannot_do(
    wedding: Database, scene: dict[str, UUID], sessions: Sessions, act: str
) -> None:
    before = behind(wedding, "select sum(last_seq) as seqs from wedsync.communication_threads")
    session = sessions(FLORA)
    named = {
        "t": scene["flowers"],
        "foreign": scene["catering"],
        "me": FLORA.user_id,
        "other": ANA.user_id,
        "w": WEDDING,
    }

    with pytest.raises(psycopg.Error) as refused:
        session.run(FORBIDDEN[act], **named)

    assert refused.value.sqlstate in ("42501", "WS403")
    assert behind(wedding, "select sum(last_seq) as seqs from wedsync.communication_threads") == before


def test_the_functions_refuse_what_is_hidden_as_they_refuse_what_is_missing(
    scene: dict[str, UUID], sessions: Sessions
) -> None:
    answers: list[tuple[str | None, str | None]] = []
    for thread in (scene["catering"], new_id()):
        for call in (
            "select app.remove_participant(%(t)s, %(me)s)",
            "select app.add_participant(%(t)s, %(me)s, 'owner', 'all', null)",
        ):
            with pytest.raises(psycopg.Error) as refused:
                sessions(FLORA).run(call, t=thread, me=FLORA.user_id)  # type: ignore[arg-type]
            answers.append((refused.value.sqlstate, refused.value.diag.message_primary))

    assert set(answers) == {("WS404", "no such thread")}


def test_the_worker_sees_the_outbox_and_without_a_recipient_no_text(
    wedding: Database, scene: dict[str, UUID]
) -> None:
    with psycopg.connect(wedding.worker.dsn, autocommit=True) as connection:
        assert connection.execute("select count(*) > 0 from outbox").fetchone() == (True,)
        assert connection.execute("select id from thread_messages").fetchall() == []


def test_stored_access_is_what_it_would_be_computed_to_be(wedding: Database, scene: dict[str, UUID]) -> None:
    participants.leave_organization(SERVICE, UUID("0190a000-0000-7000-8000-000000000004"), PHIL.user_id)

    difference = behind(
        wedding,
        "(select user_id, thread_id, source, from_seq, to_seq from wedsync.thread_access except all select * from private.computed_access) "
        "union all "
        "(select * from private.computed_access except all select user_id, thread_id, source, from_seq, to_seq from wedsync.thread_access)",
    )

    assert difference == []
    assert behind(wedding, "select 1 from wedsync.thread_access where user_id = %(u)s", u=PHIL.user_id) == []
