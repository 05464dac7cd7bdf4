"""Drafts: a person's own, one per thread, and gone with the thread."""

from __future__ import annotations

import psycopg
import pytest

from tests.database.test_conversation import make_thread
from tests.fixtures.postgres import Database
from tests.fixtures.wedding import ANA, BEN, CARLO, FLORA, STRANGER, behind, new_id
from wedsync.conversations import drafts, participants, thread_acts
from wedsync.conversations.message_models import Draft
from wedsync.platform import db
from wedsync.platform.errors import Forbidden, NotFound


def test_the_last_draft_is_kept(wedding: Database) -> None:
    thread, parent = make_thread(), new_id()

    drafts.put(ANA, thread, Draft(message="Dear"))
    drafts.put(ANA, thread, Draft(message="Dear Flora", parent_message_id=parent))

    kept = drafts.get(ANA, thread)
    assert (kept["message"], kept["parent_message_id"]) == ("Dear Flora", str(parent))
    drafts.delete(ANA, thread)
    drafts.delete(ANA, thread)
    with pytest.raises(NotFound):
        drafts.get(ANA, thread)


def test_a_draft_is_nobody_elses(wedding: Database) -> None:
    thread = make_thread()
    drafts.put(ANA, thread, Draft(message="Ana's"))

    with pytest.raises(NotFound):
        drafts.get(FLORA, thread)
    drafts.put(FLORA, thread, Draft(message="Flora's"))
    drafts.delete(FLORA, thread)

    assert drafts.get(ANA, thread)["message"] == "Ana's"
    (rows,) = db.transaction(FLORA, ("select * from drafts where thread_id = %(t)s", {"t": thread}))
    assert rows == []
    for written in (
        "insert into drafts values (%(t)s, %(u)s, 'x', null, now())",
        "update drafts set message = 'x' where thread_id = %(t)s",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.transaction(FLORA, (written, {"t": thread, "u": FLORA.user_id}))


def test_who_may_not_post_keeps_no_draft(wedding: Database) -> None:
    read_along = make_thread(visibility="hosts", people=(FLORA,))
    observed = make_thread(participants=[{"user_id": FLORA.user_id, "role": "observer"}])

    for who, thread in ((BEN, read_along), (FLORA, observed)):
        with pytest.raises(Forbidden):
            drafts.put(who, thread, Draft(message="May I?"))
        with pytest.raises(NotFound):
            drafts.get(who, thread)


def test_a_closed_thread_takes_drafts_for_the_day_it_is_opened_again(wedding: Database) -> None:
    thread = make_thread()
    thread_acts.set_status(ANA, thread, "closed", None)

    assert drafts.put(ANA, thread, Draft(message="One more thing"))["message"] == "One more thing"


def test_there_is_no_draft_in_a_thread_one_does_not_see(wedding: Database) -> None:
    thread = make_thread(people=(FLORA,))
    drafts.put(FLORA, thread, Draft(message="Half a"))
    participants.remove(ANA, thread, FLORA.user_id)

    for who in (FLORA, CARLO, STRANGER):
        with pytest.raises(NotFound):
            drafts.get(who, thread)
        with pytest.raises(NotFound):
            drafts.put(who, thread, Draft(message="Hello?"))
        with pytest.raises(NotFound):
            drafts.delete(who, thread)

    left = behind(wedding, "select user_id from wedsync.drafts where thread_id = %(t)s", t=thread)
    assert [row["user_id"] for row in left] == [FLORA.user_id]
