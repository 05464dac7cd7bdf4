"""Drafts: a person's own, one per thread, and gone with the thread."""

from __future__ import annotations

import psycopg
import pytest

from tests.database.test_conversation import make_thread
from tests.fixtures.postgres import Database
from tests.fixtures.wedding import ANA, CARLO, FLORA, STRANGER, behind, new_id
from wedsync.conversations import drafts, participants
from wedsync.conversations.message_models import Draft
from wedsync.platform import db
from wedsync.platform.errors import NotFound


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
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.transaction(
            FLORA,
            ("insert into drafts values (%(t)s, %(u)s, 'x', null, now())", {"t": thread, "u": CARLO.user_id}),
        )


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
