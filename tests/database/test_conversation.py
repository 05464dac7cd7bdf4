"""A conversation in the database: what each person is answered, and what is stored."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.fixtures.postgres import Database
from tests.fixtures.wedding import (
    ANA,
    BEN,
    CARLO,
    FLORA,
    OTHER_WEDDING,
    PETRA,
    PHIL,
    SERVICE,
    STRANGER,
    WEDDING,
    Person,
    behind,
    new_id,
)
from wedsync.conversations import cursors, messages, participants, threads
from wedsync.conversations.models import AddedParticipant, MessageQuery, NewMessage, NewThread, ThreadQuery
from wedsync.conversations.replay import replay
from wedsync.platform.errors import Conflict, Forbidden, Invalid, NotFound


def make_thread(by: Person = ANA, people: tuple[Person, ...] = (PETRA, FLORA), **stated: Any) -> UUID:
    new = NewThread.model_validate(
        {
            "wedding_id": WEDDING,
            "subject": "Flowers",
            "participants": [{"user_id": person.user_id} for person in people],
            **stated,
        }
    )
    return UUID(threads.create(by, new).answer["id"])


def say(who: Person, thread: UUID, text: str = "Hello", **stated: Any) -> messages.Result:
    message = NewMessage.model_validate({"message": text, "client_msg_id": new_id(), **stated})
    return messages.send(who, thread, [message]).answer.results[0]


def texts(who: Person, thread: UUID, **query: Any) -> list[str]:
    return [m["message"] for m in messages.page(who, thread, MessageQuery(**query))["data"]]


def test_a_thread_begins_with_its_creation_at_seq_one(wedding: Database) -> None:
    thread = make_thread(message={"message": "Peonies?", "client_msg_id": str(new_id())})

    seen = threads.get(FLORA, thread)

    assert seen["last_seq"] == 2
    assert seen["unread_count"] == 1
    assert seen["me"] == {
        "role": "participant",
        "permissions": ["read", "post", "react", "pin"],
        "read_seq": 0,
        "delivered_seq": 0,
        "windows": [(1, None)],
        "muted_until": None,
        "snoozed_until": None,
        "pinned_at": None,
        "marked_unread": False,
    }
    assert threads.get(ANA, thread)["me"]["role"] == "owner"
    logged = behind(
        wedding, "select seq, kind from wedsync.thread_events where thread_id = %(t)s order by seq", t=thread
    )
    assert logged == [{"seq": 1, "kind": "thread.created"}, {"seq": 2, "kind": "message.created"}]
    assert len(behind(wedding, "select seq from wedsync.outbox where thread_id = %(t)s", t=thread)) == 2


def test_a_message_reaches_participants_and_nobody_else(wedding: Database) -> None:
    thread = make_thread()
    message = NewMessage(message="On my way", client_msg_id=new_id())

    sent = messages.send(FLORA, thread, [message])

    assert sent.answer.results[0].status == "ok"
    (change,) = sent.changes
    assert change.audience == {ANA.user_id, PETRA.user_id, FLORA.user_id}
    assert change.events[0]["seq"] == change.head_seq == 2
    assert texts(ANA, thread) == texts(PETRA, thread) == ["On my way"]
    for outsider in (CARLO, PHIL, BEN, STRANGER):
        with pytest.raises(NotFound):
            messages.page(outsider, thread, MessageQuery())
        with pytest.raises(NotFound):
            say(outsider, thread)


def test_the_same_message_again_is_the_same_message(wedding: Database) -> None:
    thread = make_thread()
    message = NewMessage(message="Once", client_msg_id=new_id())

    first = messages.send(ANA, thread, [message]).answer.results[0]
    again = messages.send(ANA, thread, [message])
    reused = say(ANA, thread, "Twice", client_msg_id=message.client_msg_id)

    assert again.answer.results[0].status == "duplicate"
    assert again.answer.results[0].message == first.message
    assert again.changes == ()
    assert isinstance(reused.problem, Conflict)
    assert threads.get(ANA, thread)["last_seq"] == 2


def test_a_batch_answers_each_message(wedding: Database) -> None:
    thread = make_thread()
    batch = [NewMessage(message=f"{n}", client_msg_id=new_id()) for n in range(3)]
    bad = NewMessage(message="?", client_msg_id=new_id(), parent_message_id=new_id())

    sent = messages.send(ANA, thread, [batch[0], bad, batch[1], batch[0], batch[2]])

    assert [r.status for r in sent.answer.results] == ["ok", "error", "ok", "duplicate", "ok"]
    assert texts(FLORA, thread) == ["0", "1", "2"]
    assert [e["seq"] for e in sent.changes[0].events] == [2, 3, 4]


def test_an_observer_reads_and_does_not_post(wedding: Database) -> None:
    thread = make_thread(people=())
    participants.add(ANA, thread, AddedParticipant(user_id=FLORA.user_id, role="observer", history="all"))

    refused = say(FLORA, thread)

    assert isinstance(refused.problem, Forbidden)
    assert threads.get(FLORA, thread)["last_seq"] == 2


def test_only_couple_and_planners_send_emergencies(wedding: Database) -> None:
    thread = make_thread()

    assert isinstance(say(FLORA, thread, priority_level="emergency").problem, Forbidden)
    assert say(PETRA, thread, priority_level="emergency").status == "ok"
    lanes = behind(wedding, "select lane from wedsync.outbox where thread_id = %(t)s order by seq", t=thread)
    assert [row["lane"] for row in lanes] == ["ordinary", "emergency"]


def test_an_emergency_too_large_for_an_event_keeps_its_lane(wedding: Database) -> None:
    thread = make_thread()
    large = NewMessage(message="\U0001f338" * 8_000, client_msg_id=new_id(), priority_level="emergency")
    small = NewMessage(message="Hello", client_msg_id=new_id())

    (change,) = messages.send(PETRA, thread, [small, large]).changes

    assert ["truncated" in event for event in change.events] == [False, True]
    assert change.emergencies == {3}


def test_a_refused_first_message_creates_no_thread(wedding: Database) -> None:
    before = len(threads.page(FLORA, ThreadQuery())["data"])

    with pytest.raises(Forbidden):
        make_thread(
            by=FLORA,
            people=(ANA,),
            message={"message": "!", "client_msg_id": str(new_id()), "priority_level": "emergency"},
        )

    assert len(threads.page(FLORA, ThreadQuery())["data"]) == before


def test_mentions_name_participants(wedding: Database) -> None:
    thread = make_thread()

    assert say(ANA, thread, mentions=[FLORA.user_id]).status == "ok"
    assert isinstance(say(ANA, thread, mentions=[CARLO.user_id]).problem, Invalid)


def test_a_new_participant_sees_the_history_he_was_given(wedding: Database) -> None:
    thread = make_thread(people=(FLORA,))
    for n in range(2, 5):
        say(ANA, thread, f"{n}")

    participants.add(ANA, thread, AddedParticipant(user_id=PETRA.user_id))
    participants.add(ANA, thread, AddedParticipant(user_id=BEN.user_id, history="all"))
    participants.add(
        ANA, thread, AddedParticipant.model_validate({"user_id": PHIL.user_id, "history": {"from_seq": 4}})
    )
    say(ANA, thread, "now")

    assert texts(PETRA, thread) == ["now"]
    assert texts(BEN, thread) == ["2", "3", "4", "now"]
    assert texts(PHIL, thread) == ["4", "now"]
    assert threads.get(PETRA, thread)["unread_count"] == 1
    assert threads.get(PETRA, thread)["me"]["windows"] == [(5, None)]


def test_nobody_grants_history_below_his_own(wedding: Database) -> None:
    thread = make_thread(by=FLORA, people=(PETRA,))
    say(FLORA, thread)
    participants.add(FLORA, thread, AddedParticipant(user_id=ANA.user_id, role="owner"))

    with pytest.raises(Forbidden):
        participants.add(ANA, thread, AddedParticipant(user_id=BEN.user_id, history="all"))

    present = {p["user_id"] for p in participants.everyone(ANA, thread)["data"]}
    assert present == {str(person.user_id) for person in (FLORA, PETRA, ANA)}


def test_a_vendor_cannot_tell_other_vendors_from_unknown_people(wedding: Database) -> None:
    thread = make_thread(by=FLORA, people=(ANA,))

    with pytest.raises(Invalid) as hidden:
        participants.add(FLORA, thread, AddedParticipant(user_id=CARLO.user_id))
    with pytest.raises(Invalid) as missing:
        participants.add(FLORA, thread, AddedParticipant(user_id=new_id()))
    with pytest.raises(Invalid) as at_creation:
        make_thread(by=FLORA, people=(ANA, CARLO))

    assert (hidden.value.detail, hidden.value.errors) == (missing.value.detail, missing.value.errors)
    assert at_creation.value.errors[0].field == "participants.1.user_id"


def test_a_removed_vendor_sees_nothing_more(wedding: Database) -> None:
    thread = make_thread()
    say(ANA, thread)

    removed = participants.remove(ANA, thread, FLORA.user_id)

    (change,) = removed.changes
    assert change.audience == {ANA.user_id, PETRA.user_id}
    assert change.revoked == {FLORA.user_id}
    assert change.events[0]["kind"] == "participant.removed"
    for act in (threads.get, lambda who, t: texts(who, t), lambda who, t: say(who, t), participants.everyone):
        with pytest.raises(NotFound):
            act(FLORA, thread)
    assert say(ANA, thread).status == "ok"


def test_a_returning_participant_gets_a_new_window(wedding: Database) -> None:
    thread = make_thread()
    old = NewMessage(message="mine, from before", client_msg_id=new_id())
    messages.send(FLORA, thread, [old])
    participants.remove(FLORA, thread, FLORA.user_id)
    say(ANA, thread, "while away")

    participants.add(ANA, thread, AddedParticipant(user_id=FLORA.user_id))
    say(ANA, thread, "welcome back")

    assert texts(FLORA, thread) == ["welcome back"]
    assert messages.send(FLORA, thread, [old]).answer.results[0].status == "duplicate"


def test_the_last_owner_stays(wedding: Database) -> None:
    thread = make_thread()

    with pytest.raises(Conflict):
        participants.remove(ANA, thread, ANA.user_id)
    with pytest.raises(Forbidden):
        participants.remove(FLORA, thread, PETRA.user_id)

    assert len(participants.everyone(ANA, thread)["data"]) == 3


def test_hosts_read_along_without_taking_part(wedding: Database) -> None:
    thread = make_thread(by=PETRA, people=(FLORA,), visibility="hosts")
    sent = messages.send(FLORA, thread, [NewMessage(message="hi", client_msg_id=new_id())])

    assert texts(ANA, thread) == ["hi"]
    assert threads.get(ANA, thread)["me"]["role"] is None
    assert threads.get(ANA, thread)["unread_count"] == 0
    assert ANA.user_id not in sent.changes[0].audience
    assert isinstance(say(ANA, thread).problem, Forbidden)
    with pytest.raises(Forbidden):
        cursors.read(ANA, thread, sent.answer.epoch, 1)
    with pytest.raises(NotFound):
        texts(CARLO, thread)


def test_cursors_only_rise_and_only_in_their_epoch(wedding: Database) -> None:
    thread = make_thread()
    for _ in range(3):
        say(ANA, thread)
    epoch = threads.get(FLORA, thread)["epoch"]

    assert cursors.read(FLORA, thread, epoch, 3).answer["unread_count"] == 1
    assert cursors.read(FLORA, thread, epoch, 2).answer["read_seq"] == 3
    assert cursors.read(FLORA, thread, "another", 4).answer["read_seq"] == 3
    assert cursors.delivered(FLORA, thread, epoch, 99).answer["delivered_seq"] == 4
    assert cursors.read(FLORA, thread, epoch, 99).answer["unread_count"] == 0


def test_pages_of_messages_walk_both_ways(wedding: Database) -> None:
    thread = make_thread()
    for n in range(2, 9):
        say(ANA, thread, f"{n}")

    newest = messages.page(FLORA, thread, MessageQuery(limit=3))
    older = messages.page(FLORA, thread, MessageQuery(limit=3, cursor=newest["next_cursor"]))
    newer = messages.page(FLORA, thread, MessageQuery(after_seq=2, limit=2))
    newer_still = messages.page(FLORA, thread, MessageQuery(limit=9, cursor=newer["next_cursor"]))

    assert [m["message"] for m in newest["data"]] == ["6", "7", "8"]
    assert [m["message"] for m in older["data"]] == ["3", "4", "5"]
    assert [m["message"] for m in newer["data"]] == ["3", "4"]
    assert [m["message"] for m in newer_still["data"]] == ["5", "6", "7", "8"]
    assert newer_still["next_cursor"] is None
    assert newest["head_seq"] == 8
    with pytest.raises(Invalid):
        messages.page(FLORA, make_thread(), MessageQuery(cursor=newest["next_cursor"]))


def test_threads_are_listed_by_activity_and_page_by_page(wedding: Database) -> None:
    mine = [make_thread(by=PHIL, people=(), subject=f"{n}") for n in range(5)]
    say(PHIL, mine[1])

    first = threads.page(PHIL, ThreadQuery(limit=3, wedding_id=WEDDING))
    second = threads.page(PHIL, ThreadQuery(limit=100, wedding_id=WEDDING, cursor=first["next_cursor"]))

    listed = [UUID(t["id"]) for t in first["data"] + second["data"]]
    assert listed[:5] == [mine[1], mine[4], mine[3], mine[2], mine[0]]
    assert threads.page(PHIL, ThreadQuery(thread_type="payment"))["data"] == []


def test_catching_up_replays_what_was_missed_and_nothing_else(wedding: Database) -> None:
    thread = make_thread(people=(FLORA,))
    start = replay(FLORA, None, {}, 300)
    epoch = threads.get(ANA, thread)["epoch"]
    for n in range(2, 6):
        say(ANA, thread, f"{n}")
    participants.add(ANA, thread, AddedParticipant(user_id=PETRA.user_id))

    missed = replay(FLORA, start.since, {thread: (epoch, 2)}, 2)
    rest = replay(FLORA, start.since, {thread: (epoch, 4)}, 2)
    late = replay(PETRA, None, {thread: (epoch, 0)}, 300)

    assert [e["seq"] for e in missed.threads[0].events] == [3, 4]
    assert missed.threads[0].more
    assert [e["kind"] for e in rest.threads[0].events] == ["message.created", "participant.added"]
    assert [t["thread_id"] for t in missed.changed] == [str(thread)]
    assert [(e["seq"], e.get("to_seq"), e["kind"]) for e in late.threads[0].events] == [
        (1, 5, "void"),
        (6, None, "participant.added"),
    ]
    assert replay(FLORA, None, {thread: ("old", 2)}, 9).threads[0].resync == "epoch_changed"
    assert replay(FLORA, None, {thread: (epoch, 77)}, 9).threads[0].resync == "unknown_cursor"
    participants.remove(FLORA, thread, FLORA.user_id)
    assert replay(FLORA, missed.since, {}, 9).gone == (thread,)


def test_leaving_the_wedding_is_leaving_its_threads(wedding: Database) -> None:
    thread = make_thread(people=(CARLO, PETRA))

    with pytest.raises(Forbidden):
        participants.leave_wedding(ANA, WEDDING, CARLO.user_id)
    left = participants.leave_wedding(SERVICE, WEDDING, CARLO.user_id)

    assert {c.thread_id: c.revoked for c in left.changes}[thread] == {CARLO.user_id}
    with pytest.raises(NotFound):
        texts(CARLO, thread)


def test_lists_are_filtered_by_wedding_type_and_status(wedding: Database) -> None:
    here = make_thread(by=PHIL, people=(), thread_type="contract")
    there = make_thread(by=PHIL, people=(), wedding_id=OTHER_WEDDING)
    closed = make_thread(by=PHIL, people=(), wedding_id=OTHER_WEDDING)
    with psycopg.connect(wedding.superuser.dsn) as connection:
        connection.execute(
            "update wedsync.communication_threads set status = 'closed' where id = %s", [closed]
        )

    def listed(**filters: Any) -> set[UUID]:
        return {UUID(t["id"]) for t in threads.page(PHIL, ThreadQuery(limit=100, **filters))["data"]} & {
            here,
            there,
            closed,
        }

    assert listed() == {here, there, closed}
    assert listed(wedding_id=WEDDING) == {here}
    assert listed(wedding_id=OTHER_WEDDING) == {there, closed}
    assert listed(thread_type="contract") == {here}
    assert listed(status="closed") == {closed}
    assert listed(wedding_id=OTHER_WEDDING, status="active") == {there}


def test_a_thread_that_is_not_active_takes_no_messages_but_known_ones(wedding: Database) -> None:
    thread = make_thread()
    known = NewMessage(message="before", client_msg_id=new_id())
    messages.send(FLORA, thread, [known])
    with psycopg.connect(wedding.superuser.dsn) as connection:
        connection.execute(
            "update wedsync.communication_threads set status = 'closed' where id = %s", [thread]
        )

    assert isinstance(say(FLORA, thread).problem, Conflict)
    assert messages.send(FLORA, thread, [known]).answer.results[0].status == "duplicate"
    assert threads.get(FLORA, thread)["last_seq"] == 2


def test_a_host_may_take_part_by_adding_himself(wedding: Database) -> None:
    thread = make_thread(by=PETRA, people=(FLORA,), visibility="hosts")
    say(FLORA, thread, "before")

    with pytest.raises(Forbidden):
        participants.add(ANA, thread, AddedParticipant(user_id=ANA.user_id, role="owner"))
    with pytest.raises(Forbidden):
        participants.add(ANA, thread, AddedParticipant(user_id=BEN.user_id))
    participants.add(ANA, thread, AddedParticipant(user_id=ANA.user_id, history="all"))

    assert say(ANA, thread).status == "ok"
    assert texts(ANA, thread)[0] == "before"


def test_a_message_is_known_by_the_same_print_for_ever(wedding: Database) -> None:
    thread = make_thread()
    say(ANA, thread, "Peonies", metadata={"a": 1}, priority_level="high")

    (row,) = behind(
        wedding,
        "select encode(fingerprint, 'hex') as print from wedsync.thread_messages where thread_id = %(t)s",
        t=thread,
    )

    # New fields of a message must not change it: every repetition from before would be refused.
    assert row["print"] == "507e54f61ac7e11c659f824f7a6bfa05a1ec36c60d43b69d6988d17aa098f264"
