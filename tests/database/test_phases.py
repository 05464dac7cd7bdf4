"""The phase of a wedding follows from its date, time zone and hours; who has nothing left after a removal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import LiteralString

import pytest

from tests.database.test_conversation import make_thread
from tests.fixtures.postgres import Database
from tests.fixtures.session import Session
from tests.fixtures.wedding import (
    ANA,
    BLOOM,
    DINA,
    FLORA,
    PETRA,
    PHIL,
    SERVICE,
    WEDDING,
    Person,
    behind,
)
from wedsync.conversations import participants
from wedsync.conversations.replay import replay

Sessions = Callable[[Person], Session]

AT: LiteralString = "update private.clock set shifted = %(now)s::timestamptz - clock_timestamp()"
STATE: LiteralString = (
    "update wedsync.weddings set wedding_date = '2027-06-12', time_zone = %(zone)s, starts_at = %(starts)s, "
    "ends_at = %(ends)s, status = %(status)s where id = %(id)s"
)


@pytest.fixture(autouse=True)
def restored(wedding: Database) -> Iterator[None]:
    yield
    behind(wedding, "update private.clock set shifted = '0'")


def phase(
    wedding: Database,
    sessions: Sessions,
    now: str,
    zone: str = "Europe/London",
    starts: str | None = None,
    ends: str | None = None,
    status: str = "planned",
) -> str:
    behind(wedding, STATE, zone=zone, starts=starts, ends=ends, status=status, id=WEDDING)
    behind(wedding, AT, now=now)
    (row,) = sessions(ANA).run("select app.wedding_phase(w) as phase from weddings w")
    return row["phase"]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2027-06-04 23:59:00+01", "planning"),
        ("2027-06-05 00:01:00+01", "final_week"),
        ("2027-06-11 23:59:00+01", "final_week"),
        ("2027-06-12 00:01:00+01", "day_of"),
        ("2027-06-13 03:59:00+01", "day_of"),
        ("2027-06-13 04:01:00+01", "wrap_up"),
        ("2027-06-27 03:59:00+01", "wrap_up"),
        ("2027-06-27 04:01:00+01", "closed"),
    ],
)
def test_without_hours_the_day_is_the_whole_day_and_its_night(
    wedding: Database, sessions: Sessions, now: str, expected: str
) -> None:
    assert phase(wedding, sessions, now) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2027-06-11 22:59:00+01", "final_week"),
        ("2027-06-11 23:01:00+01", "day_of"),
        ("2027-06-13 07:59:00+01", "day_of"),
        ("2027-06-13 08:01:00+01", "wrap_up"),
    ],
)
def test_hours_that_reach_beyond_the_day_move_its_ends(
    wedding: Database, sessions: Sessions, now: str, expected: str
) -> None:
    hours = {"starts": "2027-06-12 05:00:00+01", "ends": "2027-06-13 05:00:00+01"}

    assert phase(wedding, sessions, now, **hours) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2027-06-10 23:59:00+01", "final_week"),
        ("2027-06-11 00:01:00+01", "day_of"),
        ("2027-06-16 03:59:00+01", "day_of"),
        ("2027-06-16 04:01:00+01", "wrap_up"),
    ],
)
def test_hours_that_were_stated_for_another_date_move_its_ends_a_little_only(
    wedding: Database, sessions: Sessions, now: str, expected: str
) -> None:
    hours = {"starts": "2026-06-12 12:00:00+01", "ends": "2028-06-12 12:00:00+01"}

    assert phase(wedding, sessions, now, **hours) == expected


@pytest.mark.parametrize(
    ("zone", "expected"), [("Pacific/Auckland", "day_of"), ("America/Los_Angeles", "final_week")]
)
def test_the_day_is_that_of_the_place(
    wedding: Database, sessions: Sessions, zone: str, expected: str
) -> None:
    assert phase(wedding, sessions, "2027-06-11 14:00:00+00", zone) == expected


@pytest.mark.parametrize(
    ("status", "now", "expected"),
    [
        ("postponed", "2027-06-12 12:00:00+01", "planning"),
        ("cancelled", "2027-06-12 12:00:00+01", "closed"),
        ("completed", "2027-06-12 22:00:00+01", "wrap_up"),
        ("completed", "2027-07-12 22:00:00+01", "closed"),
    ],
)
def test_a_wedding_that_does_not_take_place_as_planned_has_no_day(
    wedding: Database, sessions: Sessions, status: str, now: str, expected: str
) -> None:
    assert phase(wedding, sessions, now, status=status) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2027-06-04 12:00:00+01", []),
        ("2027-06-06 12:00:00+01", ["final_week"]),
        ("2027-06-12 12:00:00+01", ["day_of"]),
        ("2027-06-26 12:00:00+01", ["wrap_up"]),
        ("2027-07-01 12:00:00+01", []),
    ],
)
def test_a_sync_names_the_weddings_that_are_near_to_their_members_only(
    wedding: Database, sessions: Sessions, now: str, expected: list[str]
) -> None:
    phase(wedding, sessions, now)
    behind(wedding, "update wedsync.weddings set wedding_date = '2028-06-12' where id <> %(id)s", id=WEDDING)

    seen = {who: replay(who, None, {}, 1).phases for who in (ANA, DINA)}

    assert seen == {ANA: tuple((WEDDING, each) for each in expected), DINA: ()}


def test_who_belongs_elsewhere_is_not_dismissed_and_who_belongs_nowhere_is(wedding: Database) -> None:
    thread = make_thread(people=(FLORA, PETRA))

    still_employed = participants.leave_wedding(SERVICE, WEDDING, FLORA.user_id)
    gone = participants.leave_organization(SERVICE, BLOOM, FLORA.user_id)

    assert thread in {change.thread_id for change in still_employed.changes}
    assert still_employed.dismissed == frozenset()
    assert gone.dismissed == {FLORA.user_id}


def test_only_a_service_may_ask_what_is_left_to_somebody(wedding: Database, sessions: Sessions) -> None:
    for person in (ANA, PHIL):
        with pytest.raises(Exception, match="service"):
            sessions(person).run("select app.has_nothing_left(%(id)s)", id=PETRA.user_id)
