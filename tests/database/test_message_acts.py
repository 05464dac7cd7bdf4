"""What is done with a message that is there: what each person is answered, what the log says, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.database.test_conversation import make_thread, say, texts
from tests.fixtures.notifying import Notifying
from tests.fixtures.postgres import Database
from tests.fixtures.wedding import ANA, BEN, CARLO, FLORA, PETRA, PHIL, STRANGER, Person, behind
from wedsync.conversations import due, message_acts, participants
from wedsync.conversations.events import Change
from wedsync.conversations.message_models import EditedMessage
from wedsync.conversations.models import AddedParticipant
from wedsync.conversations.replay import replay
from wedsync.platform import db
from wedsync.platform.errors import Conflict, Forbidden, Invalid, NotFound

Act = Callable[[Person, UUID], Any]

ACTS: dict[str, Act] = {
    "edit": lambda who, m: message_acts.edit(who, m, EditedMessage(message="Changed")),
    "delete": message_acts.delete,
    "react": lambda who, m: message_acts.react(who, m, "👍", present=True),
    "take back": lambda who, m: message_acts.react(who, m, "👍", present=False),
    "pin": lambda who, m: message_acts.pin(who, m, pinned=True),
    "ack": message_acts.acknowledge,
}


def sent(who: Person, thread: UUID, text: str = "Hello", **stated: Any) -> UUID:
    message = say(who, thread, text, **stated).message
    assert message
    return UUID(message["id"])


def edit(who: Person, message: UUID, text: str, **stated: Any) -> tuple[Change, ...]:
    return message_acts.edit(who, message, EditedMessage.model_validate({"message": text, **stated})).changes


def log(database: Database, thread: UUID) -> list[tuple[str, int | None]]:
    """Kinds after the creation of the thread, and what each is about."""
    rows = behind(
        database,
        "select kind, about_seq from wedsync.thread_events where thread_id = %(t)s and seq > 1 order by seq",
        t=thread,
    )
    return [(row["kind"].removeprefix("message."), row["about_seq"]) for row in rows]


@pytest.fixture
def shift(wedding: Database) -> Iterator[Callable[[str], None]]:
    """`shift("16 minutes")` moves the clock of the database on."""

    def move(by: str) -> None:
        behind(wedding, "update private.clock set shifted = %(by)s::interval", by=by)

    yield move
    move("0")


def test_an_edit_keeps_the_seq_and_the_history(wedding: Database) -> None:
    thread = make_thread()
    message = sent(ANA, thread, "Peonies <3", mentions=[str(FLORA.user_id)])

    (change,) = edit(ANA, message, "Roses <3")

    shown = message_acts.get(FLORA, message)
    assert (shown["message"], shown["message_html"], shown["seq"]) == ("Roses <3", "Roses &lt;3", 2)
    assert shown["mentions"] == [str(FLORA.user_id)]
    assert shown["edited_at"]
    told = change.events[0]
    assert (told["kind"], told["seq"], told.get("message", shown)["message"]) == (
        "message.edited",
        3,
        "Roses <3",
    )
    assert change.audience == {ANA.user_id, PETRA.user_id, FLORA.user_id}
    (before,) = message_acts.history(FLORA, message)["data"]
    assert (before["number"], before["message"], before["edited_by"]) == (1, "Peonies <3", str(ANA.user_id))
    assert log(wedding, thread) == [("created", None), ("edited", 2)]
    (later,) = replay(FLORA, None, {thread: (change.epoch, 2)}, 10).threads
    assert later.events == change.events


def test_an_edit_that_changes_nothing_leaves_no_event(wedding: Database) -> None:
    thread = make_thread()
    message = sent(ANA, thread, "Same")

    assert edit(ANA, message, "Same") == ()

    assert message_acts.get(ANA, message)["edited_at"] is None
    assert message_acts.history(ANA, message)["data"] == []


def test_only_the_author_edits_and_only_for_a_quarter_of_an_hour(
    wedding: Database, shift: Callable[[str], None]
) -> None:
    thread = make_thread()
    message = sent(ANA, thread, "Mine")

    with pytest.raises(Forbidden):
        edit(PETRA, message, "Yours")
    shift("14 minutes 59 seconds")
    edit(ANA, message, "Still mine")
    shift("15 minutes 1 second")
    with pytest.raises(Conflict):
        edit(ANA, message, "Too late")

    assert texts(FLORA, thread) == ["Still mine"]
    assert log(wedding, thread) == [("created", None), ("edited", 2)]


def test_an_edit_mentions_participants_only(wedding: Database) -> None:
    thread = make_thread()
    message = sent(ANA, thread, "Who?")

    with pytest.raises(Invalid) as refused:
        edit(ANA, message, "Carlo!", mentions=[str(CARLO.user_id)])
    edit(ANA, message, "Flora!", mentions=[str(FLORA.user_id)])
    edit(ANA, message, "Nobody", mentions=[])

    assert refused.value.errors[0].field == "mentions"
    assert message_acts.get(ANA, message)["mentions"] == []
    data = behind(
        wedding,
        "select data from wedsync.thread_events where message_id = %(m)s and kind = 'message.edited' order by seq",
        m=message,
    )
    assert [row["data"] for row in data] == [{"mentioned": [str(FLORA.user_id)]}, {"mentioned": []}]


def test_a_deleted_message_is_a_tombstone_without_a_past(wedding: Database) -> None:
    thread = make_thread()
    message = sent(ANA, thread, "Secret", metadata={"secret": True})
    edit(ANA, message, "Secret, edited")
    message_acts.react(FLORA, message, "👍", present=True)
    message_acts.pin(PETRA, message, pinned=True)

    (change,) = message_acts.delete(ANA, message).changes

    shown = message_acts.get(FLORA, message)
    assert shown["deleted_at"]
    assert (shown["message"], shown["message_html"], shown["metadata"]) == ("", "", {})
    assert (shown["reactions"], shown["pinned_at"]) == ({}, None)
    assert message_acts.history(FLORA, message)["data"] == []
    assert message_acts.pins(FLORA, thread)["data"] == []
    assert change.events[0]["kind"] == "message.deleted"
    replayed = replay(FLORA, None, {thread: (change.epoch, 1)}, 50).threads[0].events
    assert {event.get("message", shown)["message"] for event in replayed} == {""}
    assert message_acts.delete(ANA, message).changes == ()


def test_an_author_deletes_his_own_and_who_manages_deletes_any(wedding: Database) -> None:
    thread = make_thread(by=FLORA, people=(ANA, PETRA, BEN))
    first, second, third = (sent(BEN, thread, text) for text in "123")

    with pytest.raises(Forbidden):
        message_acts.delete(ANA, first)
    for who, message in ((BEN, first), (FLORA, second), (PETRA, third)):
        assert len(message_acts.delete(who, message).changes) == 1

    assert texts(ANA, thread) == ["", "", ""]


@pytest.mark.parametrize("thread_type", ["contract", "payment"])
def test_where_the_log_is_append_only_a_deletion_is_a_visible_retraction(
    wedding: Database, thread_type: str
) -> None:
    thread = make_thread(thread_type=thread_type)
    message = sent(ANA, thread, "We pay 500")

    with pytest.raises(Conflict):
        edit(ANA, message, "We pay 50")
    (change,) = message_acts.delete(ANA, message).changes

    shown = message_acts.get(FLORA, message)
    assert (shown["message"], shown["deleted_at"]) == ("We pay 500", None)
    assert shown["retracted_at"]
    assert change.events[0]["kind"] == "message.deleted"
    assert message_acts.delete(ANA, message).changes == ()
    with pytest.raises(Conflict, match="retracted"):
        message_acts.react(FLORA, message, "👍", present=True)


@pytest.mark.parametrize(
    ("thread_type", "act"), [("timeline", "edit"), ("emergency", "edit"), ("emergency", "delete")]
)
def test_a_thread_types_rules_hold(wedding: Database, thread_type: str, act: str) -> None:
    thread = make_thread(thread_type=thread_type)
    message = sent(ANA, thread, "As it was")

    with pytest.raises(Conflict):
        ACTS[act](ANA, message)

    assert texts(FLORA, thread) == ["As it was"]


@pytest.mark.parametrize("act", ACTS)
def test_a_message_outside_ones_window_is_not_there(wedding: Database, act: str) -> None:
    thread = make_thread(people=(FLORA,))
    message = sent(ANA, thread, requires_ack=True)
    participants.add(ANA, thread, AddedParticipant(user_id=CARLO.user_id))
    before = log(wedding, thread)

    for outsider in (CARLO, PHIL, STRANGER):
        with pytest.raises(NotFound):
            ACTS[act](outsider, message)
        with pytest.raises(NotFound):
            message_acts.get(outsider, message)
        with pytest.raises(NotFound):
            message_acts.history(outsider, message)

    assert log(wedding, thread) == before


@pytest.mark.parametrize(
    ("status", "refused"), [("closed", {"edit", "ack"}), ("archived", {*ACTS}), ("frozen", {*ACTS})]
)
def test_what_a_threads_status_forbids(wedding: Database, status: str, refused: set[str]) -> None:
    thread = make_thread()
    message = sent(ANA, thread)
    behind(
        wedding,
        "update wedsync.communication_threads set status = %(s)s where id = %(t)s",
        s=status,
        t=thread,
    )
    found: set[str] = set()

    for name, act in ACTS.items():
        try:
            act(ANA, message)
        except Conflict:
            found.add(name)
        if name == "delete" and status == "closed":
            message = sent_in_a_closed_thread(wedding, thread)

    assert found == refused


def sent_in_a_closed_thread(database: Database, thread: UUID) -> UUID:
    set_status = "update wedsync.communication_threads set status = %(s)s where id = %(t)s"
    behind(database, set_status, s="active", t=thread)
    message = sent(ANA, thread)
    behind(database, set_status, s="closed", t=thread)
    return message


def test_an_observer_neither_reacts_nor_pins(wedding: Database) -> None:
    thread = make_thread(people=())
    participants.add(ANA, thread, AddedParticipant(user_id=FLORA.user_id, role="observer", history="all"))
    message = sent(ANA, thread)

    for act in ("react", "pin"):
        with pytest.raises(Forbidden):
            ACTS[act](FLORA, message)

    assert log(wedding, thread)[-1] == ("created", None)


def test_reactions_are_a_state_told_at_most_every_two_seconds(
    wedding: Database, shift: Callable[[str], None]
) -> None:
    thread = make_thread()
    message = sent(ANA, thread)
    ana, flora = str(ANA.user_id), str(FLORA.user_id)

    first = message_acts.react(FLORA, message, "👍", present=True)
    again = message_acts.react(FLORA, message, "👍", present=True)
    soon = message_acts.react(ANA, message, "👍", present=True)
    shift("3 seconds")
    later = message_acts.react(FLORA, message, "❤", present=True)

    assert [len(act.changes) for act in (first, again, soon, later)] == [1, 0, 0, 1]
    assert soon.answer["reactions"] == {"👍": [flora, ana]}
    told = later.changes[0].events[0]
    assert told["kind"] == "message.reaction"
    assert told.get("message", soon.answer)["reactions"] == {"👍": [flora, ana], "❤️": [flora]}
    assert log(wedding, thread) == [("created", None), ("reaction", 2), ("reaction", 2)]
    assert (
        behind(wedding, "select * from wedsync.pending_reactions where message_id = %(m)s", m=message) == []
    )


def test_the_last_reaction_is_told_though_no_other_follows(
    notifying: Notifying, shift: Callable[[str], None]
) -> None:
    thread = make_thread()
    message = sent(ANA, thread)
    for who in (FLORA, ANA, PETRA):
        message_acts.react(who, message, "👍", present=True)
    due_now = partial(notifying.run, lambda: [c for told in due.reactions_due() for c in told.changes])
    due_now()

    assert log(notifying.database, thread) == [("created", None), ("reaction", 2)]
    shift("3 seconds")
    (change,) = [change for change in due_now() if change.thread_id == thread]
    assert due_now() == []

    (told,) = change.events
    assert (told["kind"], told.get("actor_id")) == ("message.reaction", str(PETRA.user_id))
    assert told.get("message", {})["reactions"] == {"👍": [str(who.user_id) for who in (FLORA, ANA, PETRA)]}
    assert change.audience == {ANA.user_id, PETRA.user_id, FLORA.user_id}
    assert log(notifying.database, thread) == [("created", None), ("reaction", 2), ("reaction", 2)]


def test_whichever_reactions_waited_longest_are_told_first(
    notifying: Notifying, shift: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    behind(notifying.database, "delete from wedsync.pending_reactions")
    earlier, later = make_thread(), make_thread()
    for thread in (later, earlier):
        message = sent(ANA, thread)
        for who in (FLORA, ANA):
            message_acts.react(who, message, "👍", present=True)
    shift("3 seconds")
    monkeypatch.setattr(due, "AT_ONCE", 1)
    once = partial(notifying.run, lambda: [c.thread_id for told in due.reactions_due() for c in told.changes])

    assert [once(), once(), once()] == [[later], [earlier], []]


def test_a_reaction_is_taken_back(wedding: Database, shift: Callable[[str], None]) -> None:
    thread = make_thread()
    message = sent(ANA, thread)
    message_acts.react(FLORA, message, "👍", present=True)
    shift("3 seconds")

    taken = message_acts.react(FLORA, message, "👍", present=False)
    again = message_acts.react(FLORA, message, "👍", present=False)

    assert (taken.answer["reactions"], len(taken.changes)) == ({}, 1)
    assert again.changes == ()


def test_a_message_bears_twenty_different_reactions(wedding: Database) -> None:
    thread = make_thread()
    message = sent(ANA, thread)
    for number in range(20):
        message_acts.react(ANA, message, chr(0x1F600 + number), present=True)

    with pytest.raises(Conflict):
        message_acts.react(ANA, message, chr(0x1F600 + 20), present=True)
    message_acts.react(FLORA, message, chr(0x1F600), present=True)

    assert len(message_acts.get(ANA, message)["reactions"]) == 20


def test_pins_are_everybodys(wedding: Database) -> None:
    thread = make_thread()
    first, second = sent(ANA, thread, "First"), sent(FLORA, thread, "Second")

    changed = message_acts.pin(FLORA, first, pinned=True).changes
    again = message_acts.pin(ANA, first, pinned=True).changes
    message_acts.pin(PETRA, second, pinned=True)

    assert (len(changed), again) == (1, ())
    assert [m["message"] for m in message_acts.pins(PETRA, thread)["data"]] == ["Second", "First"]
    message_acts.pin(ANA, first, pinned=False)
    assert [m["message"] for m in message_acts.pins(FLORA, thread)["data"]] == ["Second"]
    assert [kind for kind, _ in log(wedding, thread)][2:] == ["pinned"] * 3
    with pytest.raises(NotFound):
        message_acts.pins(CARLO, thread)


def test_the_fifty_first_pin_is_refused(wedding: Database) -> None:
    thread = make_thread()
    messages = [sent(ANA, thread, str(number)) for number in range(51)]
    for message in messages[:50]:
        message_acts.pin(ANA, message, pinned=True)

    with pytest.raises(Conflict):
        message_acts.pin(ANA, messages[50], pinned=True)

    assert len(message_acts.pins(FLORA, thread)["data"]) == 50


def test_an_event_about_a_message_outside_the_window_is_void_and_no_hole(wedding: Database) -> None:
    thread = make_thread(people=(FLORA,))
    early = sent(ANA, thread, "Before Carlo")
    participants.add(ANA, thread, AddedParticipant(user_id=CARLO.user_id))
    sent(ANA, thread, "With Carlo")

    (change,) = message_acts.pin(ANA, early, pinned=True).changes
    sent(FLORA, thread, "After")

    assert change.audience == {ANA.user_id, FLORA.user_id}
    events = replay(CARLO, None, {thread: (change.epoch, 0)}, 50).threads[0].events
    assert [(event["seq"], event["kind"]) for event in events] == [
        (1, "void"),
        (3, "participant.added"),
        (4, "message.created"),
        (5, "void"),
        (6, "message.created"),
    ]


def test_the_history_and_the_rows_behind_acts_are_out_of_reach(wedding: Database) -> None:
    thread = make_thread(people=(FLORA,))
    message = sent(ANA, thread, "One", requires_ack=True)
    edit(ANA, message, "Two")

    for table in ("message_reactions", "pending_reactions"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.transaction(ANA, (f"select * from {table}", {}))  # type: ignore[arg-type]
    for who, seen in ((FLORA, 1), (ANA, 0), (CARLO, 0)):
        (acks,) = db.transaction(who, ("select * from message_acks where message_id = %(m)s", {"m": message}))
        assert len(acks) == seen
    for who, seen in ((FLORA, 1), (ANA, 1), (CARLO, 0)):
        (rows,) = db.transaction(
            who, ("select * from message_edits where message_id = %(m)s", {"m": message})
        )
        assert len(rows) == seen
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.transaction(
            ANA, ("update message_edits set message = 'x' where message_id = %(m)s", {"m": message})
        )
