"""Acts on a thread: editing, closing and reopening, natural keys; each refusal leaves everything as it was."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from tests.database.test_conversation import make_thread, say, texts
from tests.database.test_races import Sessions, wait_until_blocked
from tests.fixtures.postgres import Database
from tests.fixtures.wedding import (
    ANA,
    BEN,
    CARLO,
    DINA,
    FLORA,
    OTHER_WEDDING,
    PETRA,
    PHIL,
    STRANGER,
    WEDDING,
    Person,
    behind,
    new_id,
)
from wedsync.conversations import participants, thread_acts, threads
from wedsync.conversations.events import Change
from wedsync.conversations.models import AddedParticipant, NewThread
from wedsync.conversations.replay import replay
from wedsync.conversations.thread_models import ThreadEdit
from wedsync.platform.errors import Conflict, Forbidden, Invalid, NotFound, PreconditionFailed

SUPPORT = Person(new_id(), "support")


def edit(who: Person, thread: UUID, version: int = 1, **stated: Any) -> tuple[Change, ...]:
    return thread_acts.edit(who, thread, version, ThreadEdit(**stated)).changes


def kinds(database: Database, thread: UUID) -> list[str]:
    log = behind(
        database, "select kind from wedsync.thread_events where thread_id = %(t)s order by seq", t=thread
    )
    return [row["kind"] for row in log]


def stored(database: Database, thread: UUID) -> dict[str, Any]:
    (row,) = behind(database, "select * from wedsync.communication_threads where id = %(t)s", t=thread)
    return row


def test_an_edit_changes_what_it_states_and_is_one_event(wedding: Database) -> None:
    thread = make_thread(metadata={"a": 1}, priority_level="high")

    edited = thread_acts.edit(ANA, thread, 1, ThreadEdit(subject="Roses", metadata={}))

    assert edited.answer is not None
    shown = edited.answer
    assert (shown["subject"], shown["metadata"], shown["priority_level"]) == ("Roses", {}, "high")
    assert (shown["version"], shown["last_seq"]) == (2, 2)
    (change,) = edited.changes
    (event,) = change.events
    assert change.audience == {ANA.user_id, PETRA.user_id, FLORA.user_id}
    assert (event["kind"], event.get("fields")) == ("thread.updated", ["metadata", "subject"])
    assert event.get("thread") == {
        "subject": "Roses",
        "status": "active",
        "status_reason": None,
        "priority_level": "high",
        "visibility": "participants",
        "version": 2,
    }
    (logged,) = behind(
        wedding, "select data from wedsync.thread_events where thread_id = %(t)s and seq = 2", t=thread
    )
    assert logged == {"data": {"fields": ["metadata", "subject"]}}
    assert len(behind(wedding, "select 1 from wedsync.outbox where thread_id = %(t)s", t=thread)) == 2


def test_an_edit_that_says_nothing_new_is_no_event(wedding: Database) -> None:
    thread = make_thread()

    edited = thread_acts.edit(ANA, thread, 1, ThreadEdit(subject="Flowers"))

    assert edited.changes == ()
    assert edited.answer is not None
    assert (edited.answer["version"], edited.answer["last_seq"]) == (1, 1)


def test_of_two_edits_of_one_version_one_is_refused(wedding: Database) -> None:
    thread = make_thread()

    def attempt(subject: str) -> bool:
        try:
            return bool(edit(ANA, thread, 1, subject=subject))
        except PreconditionFailed:
            return False

    assert [attempt("Roses"), attempt("Tulips")] == [True, False]

    assert stored(wedding, thread)["subject"] == "Roses"
    assert kinds(wedding, thread) == ["thread.created", "thread.updated"]


def test_a_message_does_not_spoil_an_edit(wedding: Database) -> None:
    thread = make_thread()
    say(FLORA, thread)

    assert edit(ANA, thread, 1, subject="Roses")


@pytest.mark.parametrize(
    ("who", "refusal"), [(FLORA, Forbidden), (CARLO, NotFound), (STRANGER, NotFound), (SUPPORT, NotFound)]
)
def test_who_does_not_manage_a_thread_does_not_edit_it(
    wedding: Database, who: Person, refusal: type[Exception]
) -> None:
    thread = make_thread()

    with pytest.raises(refusal):
        edit(who, thread, 1, subject="Mine")

    assert stored(wedding, thread)["subject"] == "Flowers"
    assert kinds(wedding, thread) == ["thread.created"]


def test_hosts_see_a_thread_from_the_change_of_its_visibility_on(wedding: Database) -> None:
    thread = make_thread(people=(FLORA,))
    say(ANA, thread, "between us")

    (change,) = edit(ANA, thread, 1, visibility="hosts")

    say(ANA, thread, "for all hosts")
    assert PETRA.user_id not in change.audience
    assert texts(PETRA, thread) == ["for all hosts"]
    assert threads.get(BEN, thread)["me"]["windows"] == [(3, None)]
    assert str(thread) in {each["thread_id"] for each in replay(PETRA, None, {}, 10).changed}


def test_hosts_lose_a_thread_with_its_visibility_and_hear_so(wedding: Database) -> None:
    thread = make_thread(by=PETRA, people=(FLORA,), visibility="hosts")
    since = replay(ANA, None, {}, 10).since

    (change,) = edit(PETRA, thread, 1, visibility="participants")

    assert change.revoked == {ANA.user_id, BEN.user_id}
    with pytest.raises(NotFound):
        threads.get(ANA, thread)
    assert replay(ANA, since, {}, 10).gone == (thread,)


def test_a_planner_who_closes_the_door_is_outside(wedding: Database) -> None:
    thread = make_thread(by=FLORA, people=(), visibility="hosts")

    edited = thread_acts.edit(PETRA, thread, 1, ThreadEdit(visibility="participants"))

    assert edited.answer is None
    assert PETRA.user_id in edited.changes[0].revoked


def test_a_surprise_is_never_for_the_hosts_to_see(wedding: Database) -> None:
    thread = make_thread(by=PETRA, people=(FLORA,), surprise=True)

    with pytest.raises(Invalid) as refused:
        edit(PETRA, thread, 1, visibility="hosts")
    with pytest.raises(ValidationError):
        make_thread(by=PETRA, surprise=True, visibility="hosts")

    assert refused.value.errors[0].field == "visibility"
    with pytest.raises(NotFound):
        threads.get(ANA, thread)
    assert kinds(wedding, thread) == ["thread.created"]


def test_a_closed_thread_takes_no_messages_until_it_is_reopened(wedding: Database) -> None:
    thread = make_thread()

    closed = thread_acts.set_status(ANA, thread, "closed", "All is said")

    assert closed.answer is not None
    assert (closed.answer["status"], closed.answer["status_reason"]) == ("closed", "All is said")
    assert closed.changes[0].events[0]["kind"] == "thread.closed"
    assert isinstance(say(FLORA, thread).problem, Conflict)
    reopened = thread_acts.set_status(PETRA, thread, "active", None)
    assert reopened.answer is not None
    assert reopened.answer["status_reason"] is None
    assert say(FLORA, thread).status == "ok"
    assert kinds(wedding, thread) == ["thread.created", "thread.closed", "thread.reopened", "message.created"]


def test_closing_what_is_closed_changes_nothing(wedding: Database) -> None:
    thread = make_thread()
    thread_acts.set_status(ANA, thread, "closed", "First")

    again = thread_acts.set_status(ANA, thread, "closed", "Second")

    assert again.changes == ()
    assert again.answer is not None
    assert (again.answer["status_reason"], again.answer["last_seq"]) == ("First", 2)


def test_nothing_is_written_in_an_archived_thread(wedding: Database) -> None:
    thread = make_thread()
    thread_acts.set_status(ANA, thread, "archived", None)

    for act in (
        lambda: edit(ANA, thread, 1, subject="Roses"),
        lambda: participants.add(ANA, thread, AddedParticipant(user_id=BEN.user_id)),
        lambda: thread_acts.set_status(ANA, thread, "closed", None),
        lambda: say(ANA, thread).resource(),
    ):
        with pytest.raises(Conflict):
            act()

    assert kinds(wedding, thread) == ["thread.created", "thread.archived"]
    participants.remove(FLORA, thread, FLORA.user_id)
    assert "Flora" not in {p["display_name"] for p in participants.everyone(ANA, thread)["data"]}


def test_a_frozen_thread_thaws_for_planners_only(wedding: Database) -> None:
    thread = make_thread()

    with pytest.raises(Forbidden):
        thread_acts.set_status(ANA, thread, "frozen", None)
    thread_acts.set_status(PETRA, thread, "frozen", "A dispute")
    for act in (
        lambda: thread_acts.set_status(ANA, thread, "active", None),
        lambda: thread_acts.set_status(ANA, thread, "archived", None),
    ):
        with pytest.raises(Forbidden):
            act()
    with pytest.raises(Conflict):
        thread_acts.set_status(PETRA, thread, "closed", None)

    assert isinstance(say(ANA, thread).problem, Conflict)
    assert stored(wedding, thread)["status"] == "frozen"
    thread_acts.set_status(PETRA, thread, "active", None)
    assert kinds(wedding, thread) == ["thread.created", "thread.frozen", "thread.reopened"]


def test_the_support_freezes_a_thread_it_does_not_see(wedding: Database) -> None:
    thread = make_thread()

    frozen = thread_acts.set_status(SUPPORT, thread, "frozen", None)

    assert frozen.answer is None
    assert frozen.changes[0].audience == {ANA.user_id, PETRA.user_id, FLORA.user_id}
    with pytest.raises(NotFound):
        threads.get(SUPPORT, thread)
    thread_acts.set_status(SUPPORT, thread, "active", None)
    with pytest.raises(NotFound):  # as if it were not there
        thread_acts.set_status(SUPPORT, thread, "closed", None)
    with pytest.raises(NotFound):
        thread_acts.set_status(SUPPORT, new_id(), "frozen", None)
    assert kinds(wedding, thread) == ["thread.created", "thread.frozen", "thread.reopened"]


@pytest.mark.parametrize("status", ["closed", "archived", "frozen", "active"])
def test_outsiders_cannot_tell_a_thread_by_its_status(wedding: Database, status: Any) -> None:
    thread = make_thread()

    for who in (CARLO, DINA, STRANGER):
        with pytest.raises(NotFound) as hidden:
            thread_acts.set_status(who, thread, status, None)
        with pytest.raises(NotFound) as missing:
            thread_acts.set_status(who, new_id(), status, None)
        assert hidden.value.detail == missing.value.detail

    assert kinds(wedding, thread) == ["thread.created"]


def keyed(
    by: Person, people: tuple[Person, ...] = (), key: str = "order-17", **stated: Any
) -> tuple[UUID, bool]:
    """The thread of a natural key, and whether it was made for this."""
    new = NewThread.model_validate(
        {
            "wedding_id": WEDDING,
            "subject": "Order",
            "natural_key": key,
            "participants": [{"user_id": person.user_id} for person in people],
            **stated,
        }
    )
    created = threads.create(by, new)
    return UUID(created.answer["id"]), bool(created.changes)


def test_creating_by_key_finds_what_is_there(wedding: Database) -> None:
    first, made = keyed(FLORA, (ANA,), message={"message": "Hello", "client_msg_id": str(new_id())})

    again, made_again = keyed(ANA, (PETRA,), message={"message": "Hi", "client_msg_id": str(new_id())})

    assert (made, made_again) == (True, False)
    assert again == first
    assert texts(ANA, first) == ["Hello"]
    with pytest.raises(NotFound):
        threads.get(PETRA, first)


def test_a_key_says_nothing_of_threads_one_does_not_see(wedding: Database) -> None:
    hidden, _ = keyed(FLORA, (ANA,), key="hidden")

    own, made = keyed(PHIL, (PETRA,), key="hidden")
    elsewhere, made_elsewhere = keyed(PHIL, wedding_id=OTHER_WEDDING, key="hidden")

    assert (made, made_elsewhere) == (True, True)
    assert len({hidden, own, elsewhere}) == 3
    assert keyed(PETRA, key="hidden") == (own, False)


def test_a_key_asked_for_twice_at_once_makes_one_thread(wedding: Database, sessions: Sessions) -> None:
    first = sessions(ANA)
    first.run(
        "select app.create_thread(%(id)s, %(w)s, 'rush', 'Order', 'general', 'normal', 'participants', false, '{}', '{}', '{}', '{}')",
        id=new_id(),
        w=WEDDING,
    )

    with ThreadPoolExecutor() as pool:
        second = pool.submit(keyed, ANA, (), "rush")
        wait_until_blocked(wedding)
        first.commit()
        found, made = second.result(5)

    assert not made
    assert stored(wedding, found)["natural_key"] == "rush"


def test_an_edit_waits_for_the_one_before_and_is_refused_then(wedding: Database, sessions: Sessions) -> None:
    thread = make_thread()
    first = sessions(ANA)
    first.run('select app.edit_thread(%(t)s, 1, \'{"subject": "Roses"}\')', t=thread)

    with ThreadPoolExecutor() as pool:
        second = pool.submit(edit, PETRA, thread, 1, subject="Tulips")
        wait_until_blocked(wedding)
        first.commit()
        with pytest.raises(PreconditionFailed):
            second.result(5)

    assert stored(wedding, thread)["subject"] == "Roses"


@pytest.mark.parametrize(
    ("by", "thread_type"), [(FLORA, "timeline"), (FLORA, "announcement"), (DINA, "contract")]
)
def test_a_type_is_created_by_those_it_is_for(wedding: Database, by: Person, thread_type: str) -> None:
    before = behind(wedding, "select count(*) from wedsync.communication_threads")

    with pytest.raises((Forbidden, Invalid)) as refused:
        make_thread(by=by, people=(), thread_type=thread_type)

    assert isinstance(refused.value, Forbidden) == (by is FLORA)
    assert behind(wedding, "select count(*) from wedsync.communication_threads") == before


def test_changes_of_a_thread_are_replayed_with_the_thread_as_it_is(wedding: Database) -> None:
    thread = make_thread()
    epoch = threads.get(ANA, thread)["epoch"]
    edit(ANA, thread, 1, subject="Roses")
    thread_acts.set_status(ANA, thread, "closed", None)

    (missed,) = replay(FLORA, None, {thread: (epoch, 1)}, 10).threads

    assert [event["kind"] for event in missed.events] == ["thread.updated", "thread.closed"]
    assert [event.get("thread", {}).get("status") for event in missed.events] == ["closed", "closed"]
    assert missed.events[0].get("fields") == ["subject"]
