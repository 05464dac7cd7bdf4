"""Every statement that leaves the client, against what RDS Proxy pins a connection for (aws.md 9)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from tests.database.test_conversation import make_thread, say
from tests.database.test_message_acts import sent
from tests.fixtures.postgres import Database
from tests.fixtures.wedding import ANA, CARLO, FLORA, PHIL, SERVICE, WEDDING, new_id
from wedsync.conversations import cursors, drafts, message_acts, messages, participants, scheduled, threads
from wedsync.conversations.message_models import Draft, EditedMessage, LaterMessage
from wedsync.conversations.models import AddedParticipant, MessageQuery, NewMessage, ThreadQuery
from wedsync.conversations.replay import replay
from wedsync.conversations.scheduled import ScheduledQuery
from wedsync.platform import db
from wedsync.platform.errors import NotFound

PINS = re.compile(
    r"(?i)\b(set|set_config|prepare|execute|discard|deallocate|declare|fetch|listen|notify|nextval|setval|lock\s+table"
    r"|pg_advisory\w*|pg_notify|create\s+temp\w*|temporary)\b"
)
ALLOWED = re.compile(r"(?i)\bupdate\b.*?\bset\b|\bdo update set\b", re.S)


@pytest.fixture
def said(wedding: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What psycopg was asked to execute."""
    statements: list[str] = []
    execute = psycopg.Connection.execute

    def recording(connection: psycopg.Connection, query: str, *rest: object, **options: object) -> object:
        statements.append(query)
        return execute(connection, query, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(psycopg.Connection, "execute", recording)
    yield statements
    monkeypatch.undo()


def everything_once() -> None:
    thread = make_thread(message={"message": "hello", "client_msg_id": str(new_id())})
    say(FLORA, thread)
    epoch = threads.get(ANA, thread)["epoch"]
    threads.page(ANA, ThreadQuery())
    participants.everyone(ANA, thread)
    participants.add(ANA, thread, AddedParticipant(user_id=PHIL.user_id))
    participants.remove(ANA, thread, PHIL.user_id)
    messages.page(ANA, thread, MessageQuery())
    messages.page(ANA, thread, MessageQuery(after_seq=1))
    cursors.read(ANA, thread, epoch, 2)
    cursors.delivered(ANA, thread, epoch, 3)
    cursors.acknowledge(ANA, epoch, {thread: 3})
    cursors.mark_unread(ANA, thread)
    cursors.unread(ANA)
    everything_with_a_message(thread)
    replay(ANA, replay(ANA, None, {}, 10).since, {thread: (epoch, 1)}, 10)
    participants.leave_wedding(SERVICE, WEDDING, CARLO.user_id)


def everything_with_a_message(thread: UUID) -> None:
    message = sent(ANA, thread, requires_ack=True)
    message_acts.edit(ANA, message, EditedMessage(message="Edited"))
    message_acts.react(FLORA, message, "👍", present=True)
    message_acts.pin(FLORA, message, pinned=True)
    message_acts.acknowledge(FLORA, message)
    message_acts.pins(ANA, thread)
    message_acts.history(ANA, message)
    message_acts.delete(ANA, message)
    for anchor in ({"around_seq": 2}, {"from": "first_unread"}):
        messages.page(FLORA, thread, MessageQuery.model_validate(anchor))
    drafts.put(ANA, thread, Draft(message="Dear"))
    drafts.get(ANA, thread)
    drafts.delete(ANA, thread)
    later = scheduled.schedule(ANA, thread, LaterMessage(message="Soon", relative="P-1D", at="09:00"))
    scheduled.page(ANA, ScheduledQuery())
    scheduled.delete(ANA, UUID(later["id"]))


def test_nothing_that_leaves_the_client_pins_a_connection(said: list[str]) -> None:
    everything_once()

    assert len(said) > 40
    assert max(len(statement.encode()) for statement in said) < 16 * 1024
    assert [found for statement in said for found in PINS.findall(ALLOWED.sub("", statement))] == []


def test_nothing_is_prepared_on_the_server(wedding: Database) -> None:
    thread = make_thread()
    for _ in range(10):
        say(ANA, thread)

    (rows,) = db.transaction(ANA, ("select count(*) as prepared from pg_prepared_statements", {}))

    assert rows == [{"prepared": 0}]


def test_a_send_is_one_transaction_of_one_round_trip(
    wedding: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = make_thread()
    say(ANA, thread)
    syncs: list[None] = []
    sync = psycopg.Pipeline.sync
    monkeypatch.setattr(psycopg.Pipeline, "sync", lambda pipeline: (syncs.append(None), sync(pipeline))[1])

    messages.send(ANA, thread, [NewMessage(message=f"{n}", client_msg_id=new_id()) for n in range(3)])

    assert len(syncs) <= 1


def test_without_pipelining_it_is_the_same_conversation(
    wedding: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_PIPELINE", "false")

    thread = make_thread()
    sent = say(FLORA, thread)

    assert sent.status == "ok"
    with pytest.raises(NotFound):
        threads.get(PHIL, thread)
    assert messages.page(ANA, thread, MessageQuery())["head_seq"] == 2
