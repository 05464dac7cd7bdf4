"""How often the database is asked: once for a list, whatever it holds, and once for a send."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID

import psycopg
import pytest

from tests.database.test_conversation import make_thread, say
from tests.fixtures.postgres import Database
from tests.fixtures.wedding import ANA, FLORA, new_id
from wedsync.conversations import cursors, message_acts, messages, participants, scheduled, search, threads
from wedsync.conversations.message_models import LaterMessage
from wedsync.conversations.models import MessageQuery, NewMessage, ThreadQuery
from wedsync.conversations.replay import has_changed, replay
from wedsync.conversations.scheduled import ScheduledQuery
from wedsync.conversations.search import SearchQuery
from wedsync.notifications import inbox
from wedsync.notifications.inbox import NotificationQuery

LISTS: dict[str, Callable[[], object]] = {
    "GET /threads": lambda: threads.page(ANA, ThreadQuery()),
    "GET /threads?q=": lambda: threads.page(ANA, ThreadQuery(q="hello")),
    "GET /threads?unread=true": lambda: threads.page(ANA, ThreadQuery(unread=True)),
    "GET /notifications": lambda: inbox.page(ANA, NotificationQuery()),
    "GET /search": lambda: search.page(ANA, SearchQuery(q="hello")),
    "GET /me/unread": lambda: cursors.unread(ANA),
    "sync": lambda: replay(ANA, None, {}, 100),
}


@pytest.fixture
def asked(wedding: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements that leave the client."""
    statements: list[str] = []
    execute = psycopg.Connection.execute

    def recording(connection: psycopg.Connection, query: str, *rest: object, **options: object) -> object:
        statements.append(query)
        return execute(connection, query, *rest, **options)  # type: ignore[arg-type]

    threads.page(ANA, ThreadQuery())  # connected
    monkeypatch.setattr(psycopg.Connection, "execute", recording)
    yield statements
    monkeypatch.undo()


def count(asked: list[str], act: Callable[[], object]) -> int:
    asked.clear()
    act()
    return len(asked)


def test_a_list_asks_the_same_number_of_times_whatever_it_returns(asked: list[str]) -> None:
    thread = make_thread(message={"message": "hello", "client_msg_id": str(new_id())})
    of_thread: dict[str, Callable[[], object]] = {
        "GET /threads/{id}/messages": lambda: messages.page(ANA, thread, MessageQuery()),
        "GET /threads/{id}/participants": lambda: participants.everyone(ANA, thread),
        "GET /threads/{id}/pins": lambda: message_acts.pins(ANA, thread),
        "GET /threads/{id}/scheduled-messages": lambda: scheduled.page_of_thread(
            ANA, thread, ScheduledQuery()
        ),
        "GET /scheduled-messages": lambda: scheduled.page(ANA, ScheduledQuery()),
    }
    lists = LISTS | of_thread
    few = {name: count(asked, ask) for name, ask in lists.items()}

    for _ in range(6):
        say(FLORA, make_thread(), "hello again")
        said = say(FLORA, thread, "hello").resource()
        message_acts.pin(ANA, UUID(said["id"]), pinned=True)
        scheduled.schedule(ANA, thread, LaterMessage(message="Later", relative="P-1D", at="09:00"))

    assert {name: count(asked, ask) for name, ask in lists.items()} == few
    assert max(few.values()) <= 9  # begin, who asks, at most six questions, commit


def test_who_waits_for_news_asks_one_thing_at_a_time(asked: list[str]) -> None:
    make_thread()
    known = replay(ANA, None, {}, 100)

    assert count(asked, lambda: has_changed(ANA, known)) == 4  # begin, who asks, the question, commit


def test_a_send_is_a_lock_and_a_statement_for_each_message(asked: list[str]) -> None:
    thread = make_thread()

    for n in (1, 3):
        batch = [NewMessage(message=f"{each}", client_msg_id=new_id()) for each in range(n)]
        assert count(asked, lambda batch=batch: messages.send(ANA, thread, batch)) == 3 + 1 + n
