"""Pages of messages: every anchor, both directions, one snapshot."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.database.test_conversation import make_thread, say
from tests.fixtures.postgres import Database
from tests.fixtures.wedding import ANA, CARLO, FLORA, PETRA, Person
from wedsync.conversations import cursors, message_acts, messages, participants, threads
from wedsync.conversations.messages import MessagePage
from wedsync.conversations.models import AddedParticipant, MessageQuery
from wedsync.platform.errors import Invalid, NotFound


@pytest.fixture(scope="module")
def ten(wedding: Database) -> UUID:
    """A thread with ten messages of Ana, m2 to m11 by their seq."""
    thread = make_thread(people=(PETRA, FLORA))
    for number in range(2, 12):
        say(ANA, thread, f"m{number}")
    return thread


def page(who: Person, thread: UUID, **stated: object) -> MessagePage:
    return messages.page(who, thread, MessageQuery.model_validate(stated))


def seqs(found: MessagePage) -> list[int]:
    return [message["seq"] for message in found["data"]]


def walk(who: Person, thread: UUID, **stated: object) -> list[list[int]]:
    """Every page from an anchor on."""
    found = page(who, thread, **stated)
    pages = [seqs(found)]
    while found["next_cursor"]:
        found = page(who, thread, limit=stated["limit"], cursor=found["next_cursor"])
        pages.append(seqs(found))
    return pages


def test_without_an_anchor_it_is_the_newest_page_and_goes_back(ten: UUID) -> None:
    assert walk(FLORA, ten, limit=4) == [[8, 9, 10, 11], [4, 5, 6, 7], [2, 3]]


def test_before_and_after_a_seq(ten: UUID) -> None:
    assert walk(FLORA, ten, before_seq=8, limit=3) == [[5, 6, 7], [2, 3, 4]]
    assert walk(FLORA, ten, after_seq=5, limit=4) == [[6, 7, 8, 9], [10, 11]]
    assert walk(FLORA, ten, after_seq=11, limit=4) == [[]]


def test_around_a_seq_has_as_many_before_as_from_it_on(ten: UUID) -> None:
    assert walk(FLORA, ten, around_seq=6, limit=4) == [[4, 5, 6, 7], [8, 9, 10, 11]]
    assert walk(FLORA, ten, around_seq=2, limit=4) == [[2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert walk(FLORA, ten, around_seq=11, limit=6) == [[8, 9, 10, 11]]
    assert walk(FLORA, ten, around_seq=6, limit=1) == [[6], [7], [8], [9], [10], [11]]


def test_from_the_first_unread(ten: UUID) -> None:
    epoch = threads.get(FLORA, ten)["epoch"]
    cursors.read(FLORA, ten, epoch, 7)

    unread = page(FLORA, ten, limit=3, **{"from": "first_unread"})

    assert seqs(unread) == [8, 9, 10]
    assert [message.get("is_read") for message in unread["data"]] == [False, False, False]
    assert seqs(page(FLORA, ten, cursor=unread["next_cursor"])) == [11]
    assert walk(ANA, ten, limit=4, **{"from": "first_unread"}) == [[8, 9, 10, 11]]


def test_is_read_is_the_callers(ten: UUID) -> None:
    epoch = threads.get(PETRA, ten)["epoch"]
    cursors.read(PETRA, ten, epoch, 9)

    shown = page(PETRA, ten, after_seq=7)["data"]

    assert [message.get("is_read") for message in shown] == [True, True, False, False]
    assert all(message.get("is_read") for message in page(ANA, ten)["data"])
    assert message_acts.get(PETRA, UUID(shown[-1]["id"])).get("is_read") is False


def test_a_page_without_messages_still_tells_the_head(wedding: Database) -> None:
    thread = make_thread()

    empty = page(FLORA, thread)

    assert (empty["data"], empty["next_cursor"], empty["head_seq"]) == ([], None, 1)
    assert empty["epoch"]


def test_pages_end_at_the_window(ten: UUID) -> None:
    participants.add(
        ANA, ten, AddedParticipant.model_validate({"user_id": CARLO.user_id, "history": {"from_seq": 9}})
    )

    assert seqs(page(CARLO, ten)) == [9, 10, 11]
    assert seqs(page(CARLO, ten, around_seq=9, limit=4)) == [9, 10]
    assert seqs(page(CARLO, ten, **{"from": "first_unread"})) == [9, 10, 11]
    participants.remove(ANA, ten, CARLO.user_id)
    with pytest.raises(NotFound):
        page(CARLO, ten)


def test_a_cursor_is_good_for_its_thread_only(ten: UUID, wedding: Database) -> None:
    cursor = page(FLORA, ten, limit=2)["next_cursor"]

    with pytest.raises(Invalid):
        page(FLORA, make_thread(), cursor=cursor)


def test_an_answer_to_a_message_outside_the_window_names_it(wedding: Database) -> None:
    thread = make_thread(people=(FLORA,))
    early = say(ANA, thread, "Before").message
    assert early
    participants.add(ANA, thread, AddedParticipant(user_id=CARLO.user_id))

    say(FLORA, thread, "After", parent_message_id=early["id"])

    (seen,) = page(CARLO, thread)["data"]
    assert seen["parent_message_id"] == early["id"]
    with pytest.raises(NotFound):
        message_acts.get(CARLO, UUID(early["id"]))
    assert isinstance(say(CARLO, thread, "Me too", parent_message_id=early["id"]).problem, Invalid)


def test_a_thread_marked_unread_is_unread_until_it_is_read(wedding: Database) -> None:
    thread = make_thread(people=(FLORA,))
    say(ANA, thread)
    epoch = threads.get(FLORA, thread)["epoch"]
    cursors.read(FLORA, thread, epoch, 2)
    before = cursors.unread(FLORA)

    marked = cursors.mark_unread(FLORA, thread)
    cursors.mark_unread(FLORA, thread)

    assert (marked["marked_unread"], marked["read_seq"], marked["unread_count"]) == (True, 2, 0)
    assert cursors.unread(FLORA)["threads"] == before["threads"] + 1
    assert threads.get(FLORA, thread)["me"]["marked_unread"]
    assert not cursors.read(FLORA, thread, epoch, 2).answer["marked_unread"]
    assert cursors.unread(FLORA) == before
    with pytest.raises(NotFound):
        cursors.mark_unread(CARLO, thread)
