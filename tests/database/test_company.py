"""Who hears hints about people: how far somebody has got, that he types, that he is here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from tests.database.test_conversation import make_thread, say
from tests.fixtures.postgres import Database
from tests.fixtures.rest_api import Rest
from tests.fixtures.wedding import (
    ANA,
    CARLO,
    FLORA,
    PETRA,
    PHIL,
    STRANGER,
    WEDDING,
    Person,
    behind,
    new_id,
)
from wedsync.conversations import company, cursors, participants, thread_acts, threads
from wedsync.conversations.models import AddedParticipant
from wedsync.realtime import hints, receipts

pytestmark = pytest.mark.usefixtures("wedding")


def names(*people: Person) -> frozenset[UUID]:
    return frozenset(each.user_id for each in people)


def of(who: Person, thread: UUID) -> frozenset[UUID]:
    return company.of(who, [thread])[thread]


def told(moved: cursors.Moved[Any]) -> frozenset[UUID] | None:
    (receipt,) = moved.receipts
    return receipt.people


def crowd(wedding: Database, thread: UUID) -> None:
    """Twenty more people take part."""
    behind(
        wedding,
        "with people as ("
        "    insert into wedsync.users (id, display_name, locale, time_zone, created_at, updated_at)"
        "    select gen_random_uuid(), 'Guest ' || n, 'en', 'UTC', now(), now() from generate_series(1, 20) n returning id"
        "), members as ("
        "    insert into wedsync.wedding_members (wedding_id, user_id, role, created_at, updated_at)"
        "    select %(wedding)s, id, 'coordinator', now(), now() from people returning user_id"
        "), joined as ("
        "    insert into wedsync.thread_participants (thread_id, user_id, role, added_by, added_at, changed_xid)"
        "    select %(thread)s, user_id, 'participant', %(by)s, now(), 1 from members returning thread_id, user_id"
        ") insert into wedsync.participation_windows (thread_id, user_id, from_seq) select thread_id, user_id, 1 from joined",
        wedding=WEDDING,
        thread=thread,
        by=ANA.user_id,
    )


def a_second_passes(wedding: Database) -> None:
    behind(wedding, "update wedsync.thread_participants set receipt_at = receipt_at - interval '1.1 seconds'")


def epoch(thread: UUID) -> str:
    return threads.get(ANA, thread)["epoch"]


def test_company_is_everybody_who_hears_what_comes_next() -> None:
    thread = make_thread()

    assert of(ANA, thread) == of(FLORA, thread) == names(ANA, PETRA, FLORA)


@pytest.mark.parametrize("who", [CARLO, STRANGER])
def test_who_does_not_see_a_thread_has_no_company_there(who: Person) -> None:
    thread = make_thread()

    assert of(who, thread) == company.of_writer(who, thread) == frozenset()


def test_who_was_removed_is_no_company_and_has_none() -> None:
    thread = make_thread()

    participants.remove(ANA, thread, FLORA.user_id)

    assert of(FLORA, thread) == frozenset()
    assert of(ANA, thread) == names(ANA, PETRA)


def test_hosts_who_read_along_are_nobodys_company() -> None:
    thread = make_thread(by=PETRA, people=(FLORA,), visibility="hosts")

    assert of(FLORA, thread) == names(PETRA, FLORA)
    assert company.of_writer(ANA, thread) == frozenset()


def test_only_who_may_write_now_is_heard_typing() -> None:
    thread = make_thread()
    participants.add(ANA, thread, AddedParticipant(user_id=PHIL.user_id, role="observer"))

    assert company.of_writer(FLORA, thread) == names(ANA, PETRA, FLORA, PHIL)
    assert company.of_writer(PHIL, thread) == frozenset()

    thread_acts.set_status(ANA, thread, "closed", None)
    assert company.of_writer(FLORA, thread) == frozenset()


def test_on_the_day_of_the_wedding_nobody_is_heard_typing(wedding: Database) -> None:
    thread = make_thread()
    planned = "update wedsync.weddings set wedding_date = %(date)s, time_zone = %(zone)s where id = %(id)s"
    (before,) = behind(
        wedding,
        "select wedding_date as date, time_zone as zone from wedsync.weddings where id = %(id)s",
        id=WEDDING,
    )

    behind(wedding, planned, date=datetime.now(UTC).date(), zone="UTC", id=WEDDING)
    on_the_day = company.of_writer(FLORA, thread)
    behind(wedding, planned, **before, id=WEDDING)

    assert (on_the_day, company.of_writer(FLORA, thread)) == (frozenset(), names(ANA, PETRA, FLORA))
    assert of(FLORA, thread) == names(ANA, PETRA, FLORA)


def test_a_large_thread_is_no_company(wedding: Database) -> None:
    thread = make_thread()

    crowd(wedding, thread)

    assert of(ANA, thread) == company.of_writer(ANA, thread) == frozenset()


def test_others_hear_how_far_somebody_has_got_and_his_devices_what_he_read() -> None:
    thread = make_thread()
    say(ANA, thread)

    stored = cursors.acknowledge(FLORA, epoch(thread), {thread: 2})
    read = cursors.read(PETRA, thread, epoch(thread), 2)

    assert told(stored) == names(ANA, PETRA)
    assert told(read) == names(ANA, PETRA, FLORA)
    assert [(each.read_seq, each.delivered_seq) for each in (*stored.receipts, *read.receipts)] == [
        (0, 2),
        (2, 2),
    ]


def test_others_hear_so_once_a_second_and_the_rest_when_asked(wedding: Database) -> None:
    thread = make_thread()
    for _ in range(3):
        say(ANA, thread)
    cursors.acknowledge(FLORA, epoch(thread), {thread: 2})

    too_soon = [cursors.read(FLORA, thread, epoch(thread), 3), cursors.receipt(FLORA, thread)]
    a_second_passes(wedding)
    asked = cursors.receipt(FLORA, thread)
    a_second_passes(wedding)
    later = cursors.read(FLORA, thread, epoch(thread), 4)

    assert [told(each) for each in too_soon] == [None, None]
    assert told(asked) == told(later) == names(ANA, PETRA, FLORA)
    assert [each.receipts[0].read_seq for each in (*too_soon, asked, later)] == [3, 3, 3, 4]


def test_what_moves_nothing_tells_nobody() -> None:
    thread = make_thread()
    say(ANA, thread)
    cursors.read(FLORA, thread, epoch(thread), 2)

    again = cursors.read(FLORA, thread, epoch(thread), 2)
    foreign = cursors.acknowledge(FLORA, "another", {thread: 2})
    elsewhere = cursors.acknowledge(CARLO, epoch(thread), {thread: 2})

    assert [*again.receipts, *foreign.receipts, *elsewhere.receipts] == []
    assert cursors.receipt(CARLO, thread).receipts == ()


def test_in_a_large_thread_only_the_authors_hear_it(wedding: Database) -> None:
    thread = make_thread()
    say(PETRA, thread)
    say(ANA, thread)
    cursors.read(FLORA, thread, epoch(thread), 2)
    crowd(wedding, thread)
    behind(wedding, "update wedsync.thread_participants set receipt_at = null")

    moved = cursors.read(FLORA, thread, epoch(thread), 3)

    a_second_passes(wedding)
    assert told(moved) == names(ANA, FLORA)
    assert told(cursors.receipt(FLORA, thread)) == names(PETRA, ANA, FLORA)


def test_no_author_hears_it_who_has_left(wedding: Database) -> None:
    thread = make_thread()
    say(PETRA, thread)
    crowd(wedding, thread)
    participants.remove(ANA, thread, PETRA.user_id)

    assert told(cursors.acknowledge(FLORA, epoch(thread), {thread: 2})) == frozenset()


def test_no_author_hears_it_who_only_reads_along_by_now(wedding: Database) -> None:
    thread = make_thread(visibility="hosts")
    say(PETRA, thread)
    participants.remove(PETRA, thread, PETRA.user_id)
    crowd(wedding, thread)

    assert threads.get(PETRA, thread)["me"]["role"] is None
    assert told(cursors.acknowledge(FLORA, epoch(thread), {thread: 2})) == frozenset()


def test_unknown_threads_have_nobody() -> None:
    assert of(ANA, new_id()) == company.of_writer(ANA, new_id()) == frozenset()


@pytest.mark.parametrize("path", ["mute", "snooze", "pin", "unread", "draft"])
def test_a_persons_devices_hear_of_what_he_changes_for_himself(
    rest: Rest, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    thread = make_thread()
    heard: list[tuple[object, ...]] = []
    monkeypatch.setattr(hints, "tell_devices", lambda *told: heard.append(told))
    body = {"draft": {"message": "Dear"}, "snooze": {"until": "2100-01-01T00:00:00Z"}}.get(path)

    rest("PUT", f"/threads/{thread}/{path}", body, user_id=CARLO.user_id)
    assert heard == []
    rest("PUT", f"/threads/{thread}/{path}", body, user_id=FLORA.user_id)
    rest("DELETE", f"/threads/{thread}/{path}", user_id=FLORA.user_id)

    told = (FLORA.user_id, thread, "draft" if path == "draft" else "place")
    assert heard == [told] * (1 if path == "unread" else 2)


@pytest.mark.parametrize("cursor", ["read", "delivered"])
def test_what_is_read_over_rest_is_told_as_well(
    rest: Rest, monkeypatch: pytest.MonkeyPatch, cursor: str
) -> None:
    thread = make_thread()
    heard: list[cursors.Receipt] = []
    monkeypatch.setattr(receipts, "tell", heard.extend)

    rest("PUT", f"/threads/{thread}/{cursor}", {"epoch": epoch(thread), "seq": 1}, user_id=FLORA.user_id)

    assert [(each.thread_id, each.delivered_seq) for each in heard] == [(thread, 1)]
