"""Messages that ask to be acknowledged: by whom, what the log hears, and what it ends."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.database.test_conversation import make_thread
from tests.database.test_message_acts import log, sent
from tests.fixtures.notifying import Notifying
from tests.fixtures.postgres import Database
from tests.fixtures.wedding import ANA, BEN, FLORA, PETRA, Person, behind
from wedsync.conversations import cursors, message_acts, participants, threads
from wedsync.conversations.message_models import EditedMessage
from wedsync.conversations.models import AddedParticipant
from wedsync.notifications import receipts
from wedsync.platform.errors import Conflict, Forbidden


def receipt(who: Person, message: UUID, of: Person) -> receipts.Receipt:
    (found,) = [
        each for each in receipts.of_message(who, message)["data"] if each["user_id"] == str(of.user_id)
    ]
    return found


def test_the_log_hears_of_the_last_acknowledgement_only(wedding: Database) -> None:
    thread = make_thread(people=(PETRA, FLORA))
    message = sent(ANA, thread, "16:30, not 16:00", requires_ack=True)
    assert message_acts.get(FLORA, message).get("my_ack") == "waiting"

    first = message_acts.acknowledge(FLORA, message)
    again = message_acts.acknowledge(FLORA, message)
    last = message_acts.acknowledge(PETRA, message)

    assert (first.changes, again.changes, len(last.changes)) == ((), (), 1)
    assert (first.answer["acked_at"], first.answer.get("my_ack")) == (None, "given")
    assert last.changes[0].events[0]["kind"] == "message.acked"
    assert last.answer["acked_at"]
    assert message_acts.acknowledge(FLORA, message).changes == ()
    assert log(wedding, thread) == [("created", None), ("acked", 2)]


def test_its_author_sees_who_has_acknowledged(wedding: Database) -> None:
    thread = make_thread(people=(PETRA, FLORA))
    message = sent(ANA, thread, requires_ack=True)
    message_acts.acknowledge(FLORA, message)

    given, waiting = receipt(ANA, message, FLORA), receipt(ANA, message, PETRA)

    assert (given["ack_asked"], waiting["ack_asked"]) == (True, True)
    assert given["acked_at"]
    assert waiting["acked_at"] is None
    with pytest.raises(Forbidden):
        receipts.of_message(FLORA, message)


def test_a_timeline_asks_for_acknowledgement_unasked(wedding: Database) -> None:
    thread = make_thread(thread_type="timeline")

    message = sent(ANA, thread, "Dinner at 19:00")

    assert message_acts.get(FLORA, message)["requires_ack"]
    assert cursors.unread(FLORA)["acknowledgements"] >= 1


def test_who_is_not_asked_is_refused(wedding: Database) -> None:
    thread = make_thread(people=(FLORA,))
    participants.add(ANA, thread, AddedParticipant(user_id=BEN.user_id, role="observer", history="all"))
    message = sent(ANA, thread, requires_ack=True)
    plain = sent(ANA, thread)
    participants.add(ANA, thread, AddedParticipant(user_id=PETRA.user_id, history="all"))

    for who in (ANA, BEN, PETRA):
        with pytest.raises(Forbidden):
            message_acts.acknowledge(who, message)
    with pytest.raises(Conflict):
        message_acts.acknowledge(FLORA, plain)

    assert message_acts.get(FLORA, message)["acked_at"] is None
    assert message_acts.get(PETRA, message).get("my_ack") is None


@pytest.mark.parametrize("status", ["archived", "frozen"])
def test_nothing_is_acknowledged_where_nothing_is_written(wedding: Database, status: str) -> None:
    thread = make_thread(people=(FLORA,))
    message = sent(ANA, thread, requires_ack=True)
    set_status = "update wedsync.communication_threads set status = %(s)s where id = %(t)s"
    behind(wedding, set_status, s=status, t=thread)

    with pytest.raises(Conflict):
        message_acts.acknowledge(FLORA, message)
    behind(wedding, set_status, s="closed", t=thread)

    assert message_acts.get(FLORA, message).get("my_ack") == "waiting"
    assert len(message_acts.acknowledge(FLORA, message).changes) == 1


def test_who_leaves_is_waited_for_no_more(wedding: Database) -> None:
    thread = make_thread(people=(PETRA, FLORA))
    message = sent(ANA, thread, requires_ack=True)
    message_acts.acknowledge(PETRA, message)

    participants.remove(ANA, thread, FLORA.user_id)

    assert message_acts.get(ANA, message)["acked_at"]
    assert log(wedding, thread) == [("created", None), ("acked", 2), ("participant.removed", None)]


def test_nobody_acknowledged_what_everybody_left(wedding: Database) -> None:
    thread = make_thread(people=(FLORA,))
    message = sent(ANA, thread, requires_ack=True)

    participants.remove(ANA, thread, FLORA.user_id)

    assert message_acts.get(ANA, message)["acked_at"] is None


def test_reading_does_not_end_the_notifications_of_what_must_be_acknowledged(notifying: Notifying) -> None:
    thread = make_thread(people=(FLORA, PETRA))
    message = sent(ANA, thread, requires_ack=True)
    epoch = threads.get(ANA, thread)["epoch"]
    cursors.read(FLORA, thread, epoch, 2)
    notifying.plan(thread)
    assert notifying.delivery(thread, FLORA.user_id)["status"] == "queued"

    message_acts.acknowledge(FLORA, message)

    cancelled = notifying.delivery(thread, FLORA.user_id)
    assert (cancelled["status"], cancelled["reason"]) == ("cancelled", "acknowledged")
    assert notifying.delivery(thread, PETRA.user_id)["status"] == "queued"


def test_who_acknowledged_before_the_planner_came_is_not_told(notifying: Notifying) -> None:
    thread = make_thread(people=(FLORA,))
    message_acts.acknowledge(FLORA, sent(ANA, thread, requires_ack=True))

    notifying.plan(thread)

    assert notifying.deliveries(thread) == []


def test_an_edit_tells_the_newly_mentioned_and_nobody_twice(notifying: Notifying) -> None:
    thread = make_thread(people=(FLORA, PETRA))
    mute = "update wedsync.thread_participants set muted_until = now() + %(i)s::interval where thread_id = %(t)s and user_id = %(u)s"
    notifying.stored(mute, t=thread, u=FLORA.user_id, i="1 hour")
    message = sent(ANA, thread, "Who?")
    notifying.plan(thread)
    notifying.stored(mute, t=thread, u=FLORA.user_id, i="-1 hour")

    for people in ([], [str(PETRA.user_id)], [str(PETRA.user_id), str(FLORA.user_id)]):
        message_acts.edit(
            ANA, message, EditedMessage.model_validate({"message": f"{len(people)}", "mentions": people})
        )
    notifying.plan(thread)

    told = sorted(d["user_id"] for d in notifying.deliveries(thread) if d["channel"] == "inbox")
    assert told == sorted([PETRA.user_id, FLORA.user_id])


def test_what_was_taken_back_is_not_told(notifying: Notifying) -> None:
    thread = make_thread(people=(FLORA,), thread_type="contract")
    message_acts.delete(ANA, sent(ANA, thread))

    notifying.plan(thread)

    assert notifying.deliveries(thread) == []
