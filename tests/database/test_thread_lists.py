"""GET /threads: every filter, both orders, page after page, in one round trip whatever it returns."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.database.test_conversation import make_thread, say
from tests.database.test_thread_rules import may
from tests.fixtures.postgres import Database
from tests.fixtures.wedding import (
    ANA,
    CARLO,
    DINA,
    FLORA,
    OTHER_WEDDING,
    PETRA,
    PHIL,
    WEDDING,
    Person,
    behind,
)
from wedsync.conversations import cursors, participants, thread_acts, threads
from wedsync.conversations.models import ThreadQuery
from wedsync.conversations.resources import Thread
from wedsync.platform.errors import Invalid


@pytest.fixture(scope="module")
def lively(wedding: Database) -> Database:
    """Threads of every kind at two weddings, as Petra, who plans both, finds them."""
    types = ["general", "timeline", "contract", "emergency"]
    for number in range(24):
        here = number % 3 != 0
        thread = make_thread(
            by=PETRA,
            people=((FLORA, ANA) if number % 2 else (FLORA,)) if here else (DINA,),
            wedding_id=WEDDING if here else OTHER_WEDDING,
            subject=f"{number}",
            thread_type=types[number % 4],
            priority_level=["low", "normal", "urgent"][number % 3],
        )
        if number % 4 == 1:
            say(FLORA if here else DINA, thread)
        if number % 5 in (1, 2, 3):
            status: Any = {1: "closed", 2: "archived", 3: "frozen"}[number % 5]
            thread_acts.set_status(PETRA, thread, status, None)
    return wedding


@dataclass(frozen=True)
class Facts:
    """What a list does not tell: who is in each thread, and when the weddings are."""

    people: dict[str, set[UUID]]
    days: dict[str, date]


@pytest.fixture(scope="module")
def facts(lively: Database) -> Facts:
    people: dict[str, set[UUID]] = defaultdict(set)
    for row in behind(
        lively, "select thread_id, user_id from wedsync.thread_participants where left_at is null"
    ):
        people[str(row["thread_id"])].add(row["user_id"])
    return Facts(people, {str(wedding): day_of(wedding, lively) for wedding in (WEDDING, OTHER_WEDDING)})


def listed(who: Person, **filters: Any) -> list[Thread]:
    """Everything that the filters find, in pages of `limit`."""
    found: list[Thread] = []
    cursor = None
    while True:
        page = threads.page(who, ThreadQuery.model_validate({**filters, "cursor": cursor}))
        found += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def subjects(who: Person, **filters: Any) -> set[str]:
    return {thread["subject"] for thread in listed(who, **filters)}


def day_of(wedding: UUID, database: Database) -> date:
    (row,) = behind(database, "select wedding_date from wedsync.weddings where id = %(w)s", w=wedding)
    return row["wedding_date"]


def test_archived_threads_are_listed_only_when_they_are_asked_for(lively: Database) -> None:
    everything = listed(PETRA, status="all")

    assert {thread["status"] for thread in everything} == {"active", "closed", "archived", "frozen"}
    assert {thread["status"] for thread in listed(PETRA)} == {"active", "closed", "frozen"}
    assert {thread["status"] for thread in listed(PETRA, status="archived")} == {"archived"}
    assert len(everything) == 24


def test_the_unread_filter_follows_the_cursor(lively: Database) -> None:
    unread = listed(PETRA, unread=True, status="all")

    assert {thread["id"] for thread in unread} == {
        thread["id"] for thread in listed(PETRA, status="all") if thread["unread_count"]
    }
    assert len(unread) == 6
    cursors.read(PETRA, UUID(unread[0]["id"]), unread[0]["epoch"], unread[0]["last_seq"])
    assert len(listed(PETRA, unread=True, status="all")) == 5


def test_a_participant_filter_knows_who_left(lively: Database) -> None:
    thread = make_thread(by=PETRA, people=(CARLO,))

    assert [each["id"] for each in listed(PETRA, participant=CARLO.user_id)] == [str(thread)]
    assert listed(FLORA, participant=CARLO.user_id) == []
    participants.remove(PETRA, thread, CARLO.user_id)
    assert listed(PETRA, participant=CARLO.user_id) == []


def test_weddings_are_found_by_their_dates(lively: Database) -> None:
    here, there = day_of(WEDDING, lively), day_of(OTHER_WEDDING, lively)
    first, last = min(here, there), max(here, there)

    def weddings(**filters: Any) -> set[str]:
        return {thread["wedding_id"] for thread in listed(PETRA, **filters)}

    assert first < last
    assert weddings(wedding_from=f"{first}", wedding_to=f"{last}") == {str(WEDDING), str(OTHER_WEDDING)}
    assert weddings(wedding_from=f"{last}") == {str(WEDDING if here == last else OTHER_WEDDING)}
    assert weddings(wedding_to=f"{first}") == {str(WEDDING if here == first else OTHER_WEDDING)}
    assert weddings(wedding_from=f"{last}", wedding_to=f"{first}") == set()


FILTERS = st.fixed_dictionaries(
    {"sort": st.sampled_from(["-last_activity", "wedding_date"]), "limit": st.integers(1, 9)},
    optional={
        "wedding_id": st.sampled_from([WEDDING, OTHER_WEDDING]),
        "thread_type": st.sampled_from(["general", "timeline", "contract", "emergency", "payment"]),
        "status": st.sampled_from(["active", "closed", "archived", "frozen", "all"]),
        "priority_level": st.sampled_from(["low", "normal", "urgent", "high"]),
        "participant": st.sampled_from([FLORA.user_id, ANA.user_id, DINA.user_id]),
    },
)


def expected(everything: list[Thread], facts: Facts, asked: Any) -> list[str]:
    """What a list must be: filtered one by one, sorted as a whole."""
    kept = [
        thread
        for thread in everything
        if all(
            thread[name] == str(asked[name])
            for name in ("wedding_id", "thread_type", "priority_level")
            if name in asked
        )
        and (thread["status"] == asked["status"] if asked.get("status", "all") != "all" else True)
        and ("status" in asked or thread["status"] != "archived")
        and ("participant" not in asked or asked["participant"] in facts.people.get(thread["id"], set()))
    ]
    if asked["sort"] == "wedding_date":
        return [each["id"] for each in sorted(kept, key=lambda t: (facts.days[t["wedding_id"]], t["id"]))]
    return [each["id"] for each in sorted(kept, key=lambda t: (t["last_activity_at"], t["id"]), reverse=True)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=FILTERS, who=st.sampled_from([PETRA, FLORA, DINA, PHIL]))
def test_any_filters_in_any_order_page_by_page(facts: Facts, asked: dict[str, Any], who: Person) -> None:
    everything = listed(who, status="all")
    found = [thread["id"] for thread in listed(who, **asked)]

    assert found == expected(everything, facts, asked)


MANY = """
    with made as (
        insert into wedsync.communication_threads (id, wedding_id, subject, thread_type, status, priority_level, visibility, created_by,
                                                   created_at, updated_at, last_activity_at, changed_xid)
        select gen_random_uuid(), %(w)s, n::text, 'general', case n %% 9 when 0 then 'archived' else 'active' end, 'normal', 'participants', %(u)s,
               now(), now(), now() - make_interval(mins => (n * 37) %% 500), 1
          from generate_series(1, 620) n
        returning id
    ), peopled as (
        insert into wedsync.thread_participants (thread_id, user_id, role, added_by, added_at, changed_xid)
        select id, %(u)s, 'owner', %(u)s, now(), 1 from made
    )
    insert into wedsync.participation_windows (thread_id, user_id, from_seq) select id, %(u)s, 1 from made
"""


def test_who_has_very_many_threads_is_shown_them_in_the_same_order(lively: Database) -> None:
    behind(lively, MANY, w=WEDDING, u=CARLO.user_id)

    sizes: list[tuple[dict[str, Any], int]] = [({}, 551), ({"status": "all"}, 620), ({"q": "1"}, 90)]
    for narrowed, least in sizes:
        found = listed(CARLO, limit=100, **narrowed)
        as_if_few = listed(CARLO, limit=100, wedding_from="1950-01-01", **narrowed)

        order = [(thread["last_activity_at"], thread["id"]) for thread in found]
        assert order == sorted(order, reverse=True)
        assert found == as_if_few
        assert len(found) >= least
    assert {thread["status"] for thread in listed(CARLO)} == {"active"}


@pytest.mark.parametrize(
    "other",
    [
        {"sort": "wedding_date"},
        {"status": "all"},
        {"wedding_id": WEDDING},
        {"unread": True},
        {"participant": FLORA.user_id},
    ],
)
def test_a_cursor_belongs_to_its_list(lively: Database, other: dict[str, Any]) -> None:
    cursor = threads.page(PETRA, ThreadQuery(limit=2))["next_cursor"]

    with pytest.raises(Invalid) as refused:
        threads.page(PETRA, ThreadQuery.model_validate({"limit": 2, "cursor": cursor, **other}))

    assert refused.value.errors[0].field == "cursor"


def test_a_list_is_one_round_trip_whatever_it_returns(
    lively: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    execute = psycopg.Connection.execute

    def recording(connection: psycopg.Connection, query: str, *rest: object, **options: object) -> object:
        statements.append(query)
        return execute(connection, query, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(psycopg.Connection, "execute", recording)
    counts: set[int] = set()
    for query in (
        ThreadQuery(limit=1),
        ThreadQuery(limit=100, status="all"),
        ThreadQuery(unread=True, participant=FLORA.user_id, sort="wedding_date"),
    ):
        statements.clear()
        threads.page(PETRA, query)
        counts.add(len(statements))

    assert counts == {4}


def test_what_a_person_may_do_is_told_as_the_database_decides_it(lively: Database) -> None:
    kinds_of_thread = [
        make_thread(by=PETRA, people=(FLORA, ANA), thread_type="announcement"),
        make_thread(by=FLORA, people=(), visibility="hosts"),
        make_thread(by=FLORA, people=(ANA,), thread_type="contract", visibility="hosts"),
    ]

    for thread in kinds_of_thread:
        for who in (PETRA, FLORA, ANA):
            told = {each["id"]: set(each["me"]["permissions"]) for each in listed(who, status="all")}.get(
                str(thread), set()
            )
            assert told == may(who, thread)
