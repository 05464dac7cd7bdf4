"""Contract and payment threads are chained: what is changed past the log is found, what is erased by it is not (R27)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest

from tests.database.test_conversation import make_thread, say
from tests.database.test_races import Sessions
from tests.fixtures.postgres import Database
from tests.fixtures.wedding import ANA, BEN, CARLO, FLORA, PETRA, STRANGER, Person, behind, new_id
from wedsync.conversations import message_acts, messages, participants
from wedsync.conversations.models import AddedParticipant, NewMessage
from wedsync.platform.errors import Invalid, NotFound
from wedsync.trust import chains
from wedsync.trust.chains import Verification, VerificationQuery


def verify(thread: UUID, who: Person = ANA, seq: int | None = None) -> Verification:
    return chains.verify(who, thread, VerificationQuery(seq=seq))


@pytest.fixture
def contract(wedding: Database) -> UUID:
    """seq 1 created, 2-4 said, 5 Ben added, 6 the message at 3 retracted."""
    thread = make_thread(thread_type="contract")
    say(ANA, thread, "We offer 4,000")
    taken_back = say(FLORA, thread, "Too little", metadata={"round": 1}).message
    say(ANA, thread, "5,000 then", mentions=[FLORA.user_id])
    participants.add(ANA, thread, AddedParticipant(user_id=BEN.user_id))
    assert taken_back
    message_acts.delete(FLORA, UUID(taken_back["id"]))
    return thread


def test_what_was_written_verifies(contract: UUID) -> None:
    found = verify(contract)

    assert (found["state"], found["head_seq"], found["broken_at"], found["erased"]) == ("intact", 6, None, [])
    assert found["link"] == verify(contract, FLORA, 6)["link"] != verify(contract, FLORA, 5)["link"]


def test_a_kept_link_stands_for_everything_before_it(contract: UUID) -> None:
    kept = verify(contract)["link"]

    say(ANA, contract, "Agreed")

    assert verify(contract, seq=6)["link"] == kept
    assert verify(contract)["link"] != kept


CHANGES: list[LiteralString] = [
    "update wedsync.thread_messages set message = 'We offer 9,000' where thread_id = %(t)s and seq = 2",
    "update wedsync.thread_messages set message_html = 'We offer 9,000' where thread_id = %(t)s and seq = 2",
    "update wedsync.thread_messages set sender_id = %(flora)s where thread_id = %(t)s and seq = 2",
    "update wedsync.thread_messages set priority_level = 'high' where thread_id = %(t)s and seq = 2",
    "update wedsync.thread_messages set message_type = 'offer' where thread_id = %(t)s and seq = 2",
    "update wedsync.thread_messages set requires_ack = not requires_ack where thread_id = %(t)s and seq = 2",
    "update wedsync.thread_messages set mentions = '{}' where thread_id = %(t)s and seq = 4",
    "update wedsync.thread_messages set metadata = '{\"round\": 2}' where thread_id = %(t)s and seq = 3",
    "update wedsync.thread_messages set wedding_context = '{\"a\": 1}' where thread_id = %(t)s and seq = 3",
    "update wedsync.thread_messages set message_type = 'offer', payload = '{}' where thread_id = %(t)s and seq = 2",
    "update wedsync.thread_messages set client_msg_id = gen_random_uuid() where thread_id = %(t)s and seq = 2",
    "update wedsync.thread_messages set fingerprint = sha256('x') where thread_id = %(t)s and seq = 2",
    "update wedsync.thread_messages set created_at = created_at - interval '1 day' where thread_id = %(t)s and seq = 2",
    "update wedsync.thread_messages set edited_at = created_at where thread_id = %(t)s and seq = 2",
    "update wedsync.thread_messages set retracted_at = created_at where thread_id = %(t)s and seq = 2",
    "update wedsync.thread_messages set retracted_at = null where thread_id = %(t)s and seq = 3",
    "update wedsync.thread_events set kind = 'thread.closed' where thread_id = %(t)s and seq = 1",
    "update wedsync.thread_events set at = at - interval '1 microsecond' where thread_id = %(t)s and seq = 2",
    "update wedsync.thread_events set actor_id = %(flora)s where thread_id = %(t)s and seq = 1",
    "update wedsync.thread_events set user_id = %(flora)s where thread_id = %(t)s and seq = 5",
    'update wedsync.thread_events set data = \'{"role": "owner"}\' where thread_id = %(t)s and seq = 5',
    "update wedsync.thread_events set about_seq = 2 where thread_id = %(t)s and seq = 6",
    "delete from wedsync.thread_events where thread_id = %(t)s and seq = 6",
    "delete from wedsync.thread_events where thread_id = %(t)s and seq = 5",
    "delete from wedsync.event_links where thread_id = %(t)s and seq = 4",
    "delete from wedsync.event_salts where thread_id = %(t)s and seq = 4",
    "update wedsync.event_links set mac = sha256('x') where thread_id = %(t)s and seq = 4",
    "update wedsync.event_links set link = sha256('x') where thread_id = %(t)s and seq = 4",
    "update wedsync.event_salts set salt = sha256('x') where thread_id = %(t)s and seq = 4",
    "update wedsync.communication_threads set last_seq = 7 where id = %(t)s",
    "insert into wedsync.thread_messages select (jsonb_populate_record(m, jsonb_build_object('id', gen_random_uuid(), 'seq', 7,"
    " 'client_msg_id', gen_random_uuid()))).* from wedsync.thread_messages m where thread_id = %(t)s and seq = 2",
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_changed_past_the_log_is_found(
    wedding: Database, contract: UUID, change: LiteralString
) -> None:
    behind(wedding, change, t=contract, flora=FLORA.user_id)

    found = verify(contract)

    assert found["state"] == "broken"
    assert found["broken_at"] is not None


def test_a_message_is_not_smuggled_in_with_its_event(wedding: Database, contract: UUID) -> None:
    behind(
        wedding,
        "alter table wedsync.thread_events disable trigger keep_chain;"
        "insert into wedsync.thread_events (thread_id, seq, kind, at, actor_id) "
        f"select '{contract}', 7, 'thread.closed', now(), '{ANA.user_id}';"  # pyright: ignore[reportArgumentType]
        "alter table wedsync.thread_events enable trigger keep_chain",
    )

    assert verify(contract)["broken_at"] == 7


def test_erasure_leaves_the_chain_whole(wedding: Database, contract: UUID) -> None:
    link = verify(contract)["link"]
    erase: list[LiteralString] = [
        "update wedsync.thread_messages set message = '', message_html = '', deleted_at = now() where thread_id = %(t)s and seq = 4",
        "delete from wedsync.event_salts where thread_id = %(t)s and seq = 4",
    ]
    for step in erase:
        behind(wedding, step, t=contract)
    assert verify(contract)["broken_at"] == 4

    behind(
        wedding,
        "with numbered as (update wedsync.communication_threads set last_seq = last_seq + 1 where id = %(t)s returning last_seq) "
        "insert into wedsync.thread_events (thread_id, seq, kind, at, actor_id, about_seq, message_id) "
        "select m.thread_id, numbered.last_seq, 'message.redacted', now(), m.sender_id, 4, m.id "
        "from wedsync.thread_messages m, numbered where m.thread_id = %(t)s and m.seq = 4",
        t=contract,
    )

    found = verify(contract)
    assert (found["state"], found["erased"], found["head_seq"]) == ("intact", [4], 7)
    assert verify(contract, BEN)["erased"] == []
    assert verify(contract, seq=6)["link"] == link


def test_every_writer_of_a_thread_finds_his_link(wedding: Database, sessions: Sessions) -> None:
    thread = make_thread(thread_type="payment")
    writers = [sessions(person) for person in (ANA, PETRA, FLORA, ANA)]

    def write(session: Any, who: Person) -> None:
        for n in range(8):
            session.begin(who)
            for text, values in messages.statements(
                thread, [NewMessage(message=f"{n}", client_msg_id=new_id())]
            ):
                session.run(text, **values)
            session.connection.execute("rollback" if n == 3 else "commit")

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, writers, [ANA, PETRA, FLORA, ANA]))

    assert (verify(thread)["state"], verify(thread)["head_seq"]) == ("intact", 4 * 7 + 1)


def test_a_long_log_is_verified_part_by_part(
    wedding: Database, contract: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chains, "AT_ONCE", 4)

    def part(after: int) -> tuple[str, int, int | None]:
        found = chains.verify(ANA, contract, VerificationQuery(after_seq=after))
        return found["state"], found["checked_to"], found["broken_at"]

    assert [part(after) for after in (0, 4, 6)] == [
        ("intact", 4, None),
        ("intact", 6, None),
        ("intact", 6, None),
    ]
    assert verify(contract)["link"] == verify(contract, seq=6)["link"]
    behind(wedding, CHANGES[24], t=contract)
    assert [part(after) for after in (0, 4)] == [("broken", 4, 4), ("broken", 6, 5)]


def test_other_threads_are_not_chained(wedding: Database) -> None:
    thread = make_thread()
    say(ANA, thread)

    assert (verify(thread)["state"], verify(thread)["link"]) == ("unchained", None)
    assert behind(wedding, "select from wedsync.event_links where thread_id = %(t)s", t=thread) == []


def test_who_does_not_see_a_thread_verifies_nothing(contract: UUID) -> None:
    for outsider in (CARLO, STRANGER):
        with pytest.raises(NotFound):
            verify(contract, outsider)
    with pytest.raises(Invalid):
        verify(contract, seq=7)


def test_operators_are_told_which_chains_are_broken(wedding: Database, contract: UUID) -> None:
    behind(wedding, CHANGES[0], t=contract)

    with psycopg.connect(wedding.master.dsn) as connection:
        connection.execute("set role wedsync_access")
        broken = connection.execute("select * from private.broken_chains()").fetchall()

    assert (contract, 2, "changed") in broken


@pytest.mark.parametrize(
    "statement", ["update wedsync.event_links set link = mac", "delete from wedsync.event_links"]
)
def test_nobody_rewrites_a_link(wedding: Database, statement: LiteralString) -> None:
    with psycopg.connect(wedding.master.dsn) as connection:
        connection.execute("set role wedsync_access")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
