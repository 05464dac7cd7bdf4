"""The journal outside the database: whatever is taken from somebody is written there, in time and at least once."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.database.test_conversation import make_thread
from tests.fixtures.journal_table import JournalTable
from tests.fixtures.notifying import Notifying
from tests.fixtures.postgres import Database
from tests.fixtures.rest_api import Rest
from tests.fixtures.wedding import ANA, BLOOM, CARLO, FLORA, HART, PETRA, SERVICE, WEDDING, behind
from wedsync.conversations import participants, thread_acts, threads
from wedsync.conversations.models import AddedParticipant
from wedsync.conversations.thread_models import ThreadEdit
from wedsync.identity.directory_models import WeddingMember
from wedsync.platform.db import transaction
from wedsync.platform.errors import Forbidden
from wedsync.trust import journal


def unwritten(database: Database) -> int:
    return behind(database, "select count(*) from wedsync.journal where written_at is null")[0]["count"]


def lose(thread: UUID) -> tuple[journal.Entry, ...]:
    """Flora loses a thread, and gets it back."""
    removed = participants.remove(ANA, thread, FLORA.user_id).journal
    participants.add(ANA, thread, AddedParticipant(user_id=FLORA.user_id))
    return removed


@pytest.fixture(autouse=True)
def nothing_yet(wedding: Database) -> None:
    behind(wedding, "delete from wedsync.journal")


def test_a_removal_is_written_before_it_is_answered(
    rest: Rest, journal_table: JournalTable, wedding: Database
) -> None:
    thread = make_thread(people=(FLORA,))

    answered = rest("DELETE", f"/threads/{thread}/participants/{FLORA.user_id}", user_id=ANA.user_id)

    assert answered.status == 204
    assert journal_table.kinds() == ["participant_removed"]
    [item] = journal_table.items.values()
    assert set(item) == {"id", "kind", "subject", "at", "ttl"}
    assert unwritten(wedding) == 1


def test_what_the_table_does_not_take_is_answered_and_left_for_the_clockwork(
    notifying: Notifying, journal_table: JournalTable, wedding: Database
) -> None:
    thread = make_thread(people=(FLORA,))
    journal_table.down = True
    journal.keep(lose(thread))
    behind_at_first = notifying.run(journal.catch_up)
    journal_table.down = False

    caught_up = notifying.run(journal.catch_up)
    nothing_left = notifying.run(journal.catch_up)

    assert (behind_at_first, caught_up, nothing_left) == (0, 1, 0)
    assert journal_table.kinds() == ["participant_removed"]
    assert unwritten(wedding) == 0


def test_what_was_left_unprocessed_alone_comes_again(
    notifying: Notifying, journal_table: JournalTable, wedding: Database
) -> None:
    thread = make_thread(people=(FLORA,))
    losses = [*lose(thread), *lose(thread)]
    journal_table.refused = {str(losses[0].id)}

    assert notifying.run(journal.catch_up) == 1
    assert unwritten(wedding) == 1

    journal_table.refused = set()
    assert notifying.run(journal.catch_up) == 1
    assert {*journal_table.items} == {str(each.id) for each in losses}


def test_more_than_one_call_takes_is_written_in_several(journal_table: JournalTable) -> None:
    thread = make_thread(people=(FLORA,))
    (loss,) = lose(thread)
    many = [journal.Entry(UUID(int=number), loss.kind, loss.subject, loss.at) for number in range(60)]

    journal.keep(many)

    assert len(journal_table.items) == 60
    assert [UUID(each["id"]) for each in journal.everything()] == [each.id for each in many]


def test_what_is_as_old_as_no_backup_is_forgotten(
    notifying: Notifying, journal_table: JournalTable, wedding: Database
) -> None:
    thread = make_thread(people=(FLORA,))
    lose(thread)
    notifying.run(journal.catch_up)
    behind(wedding, "update wedsync.journal set written_at = written_at - interval '61 days'")
    lose(thread)

    notifying.run(journal.catch_up)

    assert behind(wedding, "select count(*) from wedsync.journal")[0]["count"] == 1


def test_who_is_no_worker_neither_reads_the_journal_nor_marks_it(
    notifying: Notifying, wedding: Database
) -> None:
    with pytest.raises(Forbidden):
        notifying.run(transaction, ANA, ("select * from app.unwritten_journal(10)", {}))
    with pytest.raises(Forbidden):
        notifying.run(transaction, ANA, ("select app.journal_written('{}')", {}))


def test_a_transaction_that_takes_nothing_states_nothing(wedding: Database) -> None:
    thread = make_thread(people=(FLORA,))
    lose(thread)

    (stated,) = transaction(ANA, journal.HERE)

    assert stated == []
    assert threads.get(ANA, thread)["visibility"] == "participants"


def test_every_loss_of_access_is_stated_once_by_the_act_itself(wedding: Database) -> None:
    thread = make_thread(people=(FLORA, CARLO), visibility="hosts")
    coordinator = WeddingMember(role="coordinator", organization_id=HART)
    planner = WeddingMember(role="planner", organization_id=HART, lead=True)

    acts = [
        participants.remove(ANA, thread, FLORA.user_id),
        thread_acts.edit(ANA, thread, 1, ThreadEdit(visibility="participants")),
        participants.join_wedding(SERVICE, WEDDING, PETRA.user_id, coordinator),
        participants.join_wedding(SERVICE, WEDDING, PETRA.user_id, planner),
        participants.leave_wedding(SERVICE, WEDDING, CARLO.user_id),
        participants.leave_organization(SERVICE, BLOOM, FLORA.user_id),
    ]

    stated = [[(each.kind, each.subject) for each in act.journal[:2]] for act in acts]
    wedding_id, flora, carlo = str(WEDDING), str(FLORA.user_id), str(CARLO.user_id)
    demoted = {"role": "coordinator", "organization_id": str(HART), "service": None, "lead": False}
    assert stated == [
        [("participant_removed", {"thread_id": str(thread), "user_id": flora})],
        [("thread_narrowed", {"id": str(thread)})],
        [("wedding_member_demoted", {"wedding_id": wedding_id, "user_id": str(PETRA.user_id), **demoted})],
        [],
        [
            ("wedding_member_removed", {"wedding_id": wedding_id, "user_id": carlo}),
            ("participant_removed", {"thread_id": str(thread), "user_id": carlo}),
        ],
        [
            ("organization_member_removed", {"organization_id": str(BLOOM), "user_id": flora}),
            ("wedding_member_removed", {"wedding_id": wedding_id, "user_id": flora}),
        ],
    ]
