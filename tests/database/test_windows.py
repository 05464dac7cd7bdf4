"""R6 on every door: a person finds what lies in his window, and no trace of the rest."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from tests.database.test_conversation import make_thread, say, texts
from tests.database.test_races import Sessions, wait_until_blocked
from tests.database.test_thread_acts import edit
from tests.fixtures.postgres import Database
from tests.fixtures.wedding import ANA, FLORA, PETRA, PHIL, new_id
from wedsync.conversations import cursors, message_acts, messages, participants, search, thread_acts, threads
from wedsync.conversations.message_models import EditedMessage
from wedsync.conversations.models import AddedParticipant, NewMessage, ThreadQuery
from wedsync.conversations.replay import replay
from wedsync.conversations.search import SearchQuery
from wedsync.platform.errors import Conflict, Forbidden, NotFound


def said(thread: UUID, text: str) -> UUID:
    return UUID(say(ANA, thread, text).resource()["id"])


@pytest.fixture
def thread(wedding: Database) -> UUID:
    """Ana's, with Flora in it."""
    del wedding
    return make_thread(people=(FLORA,))


@pytest.mark.parametrize(
    ("history", "first"), [("none", 7), ("all", 1), ({"from_seq": 4}, 4), ({"from_seq": 2}, 2)]
)
def test_history_is_what_was_granted_on_every_door(thread: UUID, history: Any, first: int) -> None:
    peonies, dahlias = said(thread, "peonies"), said(thread, "dahlias")
    message_acts.edit(ANA, peonies, EditedMessage(message="white peonies"))
    message_acts.pin(ANA, peonies, pinned=True)
    message_acts.pin(ANA, dahlias, pinned=True)
    epoch = threads.get(ANA, thread)["epoch"]

    participants.add(
        ANA, thread, AddedParticipant.model_validate({"user_id": PHIL.user_id, "history": history})
    )
    tulips = said(thread, "tulips")

    seqs = {"white peonies": 2, "dahlias": 3, "tulips": 8}
    visible = {text for text, seq in seqs.items() if seq >= first}
    assert set(texts(PHIL, thread)) == visible
    assert threads.get(PHIL, thread)["unread_count"] == len(visible)
    assert cursors.read(PHIL, thread, epoch, 0).answer["unread_count"] == len(visible)
    assert len(threads.page(PHIL, ThreadQuery(unread=True))["data"]) >= 1
    for word, text in (("peonies", "white peonies"), ("dahlias", "dahlias"), ("tulips", "tulips")):
        found = search.page(PHIL, SearchQuery(q=word, thread_id=thread))["data"]
        assert bool(found) == (text in visible)
    pinned = message_acts.pins(PHIL, thread)["data"]
    assert {each["message"] for each in pinned} == visible - {"tulips"}
    for message, text in ((peonies, "white peonies"), (dahlias, "dahlias"), (tulips, "tulips")):
        doors = (message_acts.get, message_acts.history)
        assert [seen(door, message) for door in doors] == [text in visible] * 2
    (log,) = replay(PHIL, None, {thread: (epoch, 0)}, 100).threads
    shown = {event["seq"] for event in log.events if event["kind"] != "void"}
    about = {4: 2, 5: 2, 6: 3}
    assert shown == {seq for seq in range(first, 9) if about.get(seq, seq) >= first}


def seen(door: Any, message: UUID) -> bool:
    try:
        door(PHIL, message)
    except NotFound:
        return False
    return True


def test_a_reply_to_what_lies_before_the_window_is_a_reply_to_nothing(thread: UUID) -> None:
    before = said(thread, "between us")
    participants.add(ANA, thread, AddedParticipant(user_id=PHIL.user_id))

    refused = say(PHIL, thread, "What?", parent_message_id=before)

    assert refused.status == "error"
    assert texts(PHIL, thread) == []


def test_a_message_that_meets_the_closing_of_its_thread_is_refused(
    thread: UUID, wedding: Database, sessions: Sessions
) -> None:
    closing = sessions(ANA)
    closing.run("select app.set_thread_status(%(t)s, 'closed', null)", t=thread)

    with ThreadPoolExecutor() as pool:
        sending = pool.submit(messages.send, FLORA, thread, [NewMessage(message="!", client_msg_id=new_id())])
        wait_until_blocked(wedding)
        closing.commit()
        (result,) = sending.result(5).answer.results

    assert isinstance(result.problem, Conflict)
    assert texts(ANA, thread) == []


def test_a_message_that_meets_a_demotion_is_refused(
    thread: UUID, wedding: Database, sessions: Sessions
) -> None:
    demoting = sessions(ANA)
    demoting.run(
        "select app.change_participant(%(t)s, %(u)s, 1, 'observer', null)", t=thread, u=FLORA.user_id
    )

    with ThreadPoolExecutor() as pool:
        sending = pool.submit(messages.send, FLORA, thread, [NewMessage(message="!", client_msg_id=new_id())])
        wait_until_blocked(wedding)
        demoting.commit()
        (result,) = sending.result(5).answer.results

    assert isinstance(result.problem, Forbidden)
    assert texts(ANA, thread) == []


def test_of_two_owners_who_step_down_at_once_one_stays(
    thread: UUID, wedding: Database, sessions: Sessions
) -> None:
    participants.add(ANA, thread, AddedParticipant(user_id=PETRA.user_id, role="owner"))
    leaving = sessions(ANA)
    leaving.run("select app.remove_participant(%(t)s, %(u)s)", t=thread, u=ANA.user_id)

    with ThreadPoolExecutor() as pool:
        second = pool.submit(participants.remove, PETRA, thread, PETRA.user_id)
        wait_until_blocked(wedding)
        leaving.commit()
        with pytest.raises(Conflict):
            second.result(5)

    assert {p["role"] for p in participants.everyone(PETRA, thread)["data"]} == {"owner", "participant"}


def test_a_thread_opened_and_shut_again_leaves_hosts_no_window(thread: UUID) -> None:
    edit(ANA, thread, 1, visibility="hosts")
    said(thread, "for hosts")
    edit(ANA, thread, 2, visibility="participants")
    said(thread, "not for hosts")
    edit(ANA, thread, 3, visibility="hosts")

    said(thread, "for hosts again")

    assert texts(PETRA, thread) == ["for hosts again"]
    assert thread_acts.set_status(PETRA, thread, "closed", None).answer is not None
