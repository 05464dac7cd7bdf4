"""Two at once at one message: the thread's lock decides, and whoever comes second sees what the first has done."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.database.test_conversation import make_thread, texts
from tests.database.test_message_acts import edit, log, sent
from tests.database.test_races import wait_until_blocked
from tests.fixtures.postgres import Database
from tests.fixtures.session import Session
from tests.fixtures.wedding import ANA, FLORA, PETRA, Person
from wedsync.conversations import message_acts, threads_sql
from wedsync.platform.errors import Conflict, NotFound

Sessions = Callable[[Person], Session]


def test_of_two_last_acknowledgements_one_is_the_last(wedding: Database, sessions: Sessions) -> None:
    thread = make_thread(people=(PETRA, FLORA))
    message = sent(ANA, thread, requires_ack=True)
    first = sessions(FLORA)
    first.run("select * from app.ack_message(%(m)s)", m=message)

    with ThreadPoolExecutor() as pool:
        second = pool.submit(message_acts.acknowledge, PETRA, message)
        wait_until_blocked(wedding)
        first.commit()
        changes = second.result(5).changes

    assert [change.events[0]["kind"] for change in changes] == ["message.acked"]
    assert log(wedding, thread) == [("created", None), ("acked", 2)]


def test_an_author_who_is_being_removed_edits_nothing_more(wedding: Database, sessions: Sessions) -> None:
    thread = make_thread(people=(FLORA,))
    message = sent(FLORA, thread, "As it was")
    removing = sessions(ANA)
    removing.run(threads_sql.REMOVE, thread_id=thread, user_id=FLORA.user_id)

    with ThreadPoolExecutor() as pool:
        late = pool.submit(edit, FLORA, message, "As I wish")
        wait_until_blocked(wedding)
        removing.commit()
        with pytest.raises(NotFound):
            late.result(5)

    assert texts(ANA, thread) == ["As it was"]


def test_what_is_being_deleted_is_not_edited_back(wedding: Database, sessions: Sessions) -> None:
    thread = make_thread()
    message = sent(ANA, thread, "Secret")
    deleting = sessions(ANA)
    deleting.run("select * from app.delete_message(%(m)s)", m=message)

    with ThreadPoolExecutor() as pool:
        late = pool.submit(edit, ANA, message, "Still here")
        wait_until_blocked(wedding)
        deleting.commit()
        with pytest.raises(Conflict):
            late.result(5)

    assert texts(FLORA, thread) == [""]
    assert log(wedding, thread) == [("created", None), ("deleted", 2)]


def test_two_reactions_at_once_are_both_there(wedding: Database, sessions: Sessions) -> None:
    thread = make_thread()
    message = sent(ANA, thread)
    first = sessions(FLORA)
    first.run("select * from app.react(%(m)s, '👍', true)", m=message)

    with ThreadPoolExecutor() as pool:
        second = pool.submit(message_acts.react, PETRA, message, "👍", present=True)
        wait_until_blocked(wedding)
        first.commit()
        answer = second.result(5).answer

    assert answer["reactions"] == {"👍": [str(FLORA.user_id), str(PETRA.user_id)]}
    assert log(wedding, thread) == [("created", None), ("reaction", 2)]
