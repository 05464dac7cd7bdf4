"""Roles and permissions of participants, and the hand-over of ownership."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.database.test_conversation import make_thread, say
from tests.database.test_thread_acts import kinds
from tests.database.test_thread_rules import may
from tests.fixtures.postgres import Database
from tests.fixtures.wedding import ANA, BEN, CARLO, FLORA, PETRA, STRANGER, Person
from wedsync.conversations import participants, threads
from wedsync.conversations.events import Change
from wedsync.conversations.models import AddedParticipant
from wedsync.conversations.replay import replay
from wedsync.conversations.resources import Participant
from wedsync.conversations.thread_models import ParticipantEdit
from wedsync.platform.errors import Conflict, Forbidden, Invalid, NotFound, PreconditionFailed


def change(by: Person, thread: UUID, person: Person, version: int = 1, **stated: Any) -> tuple[Change, ...]:
    edit = ParticipantEdit.model_validate(stated)
    return participants.change(by, thread, person.user_id, version, edit).changes


def of(person: Person, thread: UUID, seen_by: Person = ANA) -> Participant:
    return participants.one(seen_by, thread, person.user_id)


def test_a_role_is_changed_with_one_event(wedding: Database) -> None:
    thread = make_thread()
    since = replay(FLORA, None, {}, 10).since

    (told,) = change(ANA, thread, FLORA, role="observer")

    assert told.audience == {ANA.user_id, PETRA.user_id, FLORA.user_id}
    assert told.events[0]["kind"] == "participant.role_changed"
    assert told.events[0].get("participant") == {
        "user_id": str(FLORA.user_id),
        "role": "observer",
        "permissions": ["read"],
    }
    assert (of(FLORA, thread)["role"], of(FLORA, thread)["version"]) == ("observer", 2)
    assert isinstance(say(FLORA, thread).problem, Forbidden)
    assert threads.get(FLORA, thread)["me"]["permissions"] == ["read"]
    (changed,) = replay(FLORA, since, {}, 10).changed
    assert changed["me"]["role"] == "observer"


def test_permissions_are_given_and_taken_back(wedding: Database) -> None:
    thread = make_thread()

    change(ANA, thread, FLORA, permissions=["read", "invite"])
    change(ANA, thread, PETRA, permissions=["read"])

    assert of(FLORA, thread)["permissions"] == ["invite", "read"]
    assert may(FLORA, thread) == {"read", "invite"}
    with pytest.raises(Forbidden):
        participants.add(
            FLORA, thread, AddedParticipant(user_id=BEN.user_id)
        )  # who would post, as she may not
    participants.add(FLORA, thread, AddedParticipant(user_id=BEN.user_id, role="observer"))
    assert isinstance(say(PETRA, thread).problem, Forbidden)
    assert may(PETRA, thread) == {"read", "invite", "manage"}
    change(ANA, thread, FLORA, 2, permissions=None)
    assert may(FLORA, thread) == {"read", "post", "react", "pin"}


def test_a_new_role_comes_with_its_own_permissions(wedding: Database) -> None:
    thread = make_thread()
    change(ANA, thread, FLORA, permissions=["read"])

    change(ANA, thread, FLORA, 2, role="participant")

    assert of(FLORA, thread)["permissions"] == ["read", "post", "react", "pin"]


def test_what_changes_nothing_is_no_event(wedding: Database) -> None:
    thread = make_thread()

    assert change(ANA, thread, FLORA, role="participant") == ()

    assert of(FLORA, thread)["version"] == 1


def test_ownership_is_handed_over(wedding: Database) -> None:
    thread = make_thread()

    with pytest.raises(Conflict):
        change(ANA, thread, ANA, role="participant")
    change(ANA, thread, FLORA, role="owner")
    change(ANA, thread, ANA, role="participant")

    assert (of(FLORA, thread)["role"], of(ANA, thread)["role"]) == ("owner", "participant")
    with pytest.raises(Forbidden):
        change(ANA, thread, PETRA, role="observer")
    with pytest.raises(Conflict):
        participants.remove(FLORA, thread, FLORA.user_id)
    assert kinds(wedding, thread) == ["thread.created"] + 2 * ["participant.role_changed"]


def test_a_thread_is_handed_over_in_one_step(wedding: Database) -> None:
    thread = make_thread()

    changes = change(ANA, thread, FLORA, role="owner", hand_over=True)

    assert [event.get("participant") for told in changes for event in told.events] == [
        {"user_id": str(person.user_id), "role": role, "permissions": of(person, thread)["permissions"]}
        for person, role in ((FLORA, "owner"), (ANA, "participant"))
    ]
    assert (of(FLORA, thread)["role"], of(ANA, thread)["role"]) == ("owner", "participant")
    with pytest.raises(Forbidden):
        change(ANA, thread, FLORA, 2, role="participant")


def test_a_thread_is_handed_over_to_one_who_owns_it_too(wedding: Database) -> None:
    thread = make_thread()
    change(ANA, thread, FLORA, role="owner")

    (left,) = change(ANA, thread, FLORA, 2, role="owner", hand_over=True)

    assert (left.events[0]["kind"], of(ANA, thread)["role"]) == ("participant.role_changed", "participant")


@pytest.mark.parametrize(
    ("by", "to", "version", "refusal"),
    [
        (ANA, FLORA, 2, PreconditionFailed),
        (ANA, ANA, 1, Invalid),
        (ANA, CARLO, 1, NotFound),
        (PETRA, FLORA, 1, Forbidden),
        (FLORA, PETRA, 1, Forbidden),
        (CARLO, FLORA, 1, NotFound),
    ],
)
def test_a_hand_over_that_is_refused_changes_nobody(
    wedding: Database, by: Person, to: Person, version: int, refusal: type[Exception]
) -> None:
    thread = make_thread()

    with pytest.raises(refusal):
        change(by, thread, to, version, role="owner", hand_over=True)

    assert [of(person, thread)["role"] for person in (ANA, FLORA)] == ["owner", "participant"]
    assert threads.get(ANA, thread)["last_seq"] == 1


def test_nobody_hands_out_more_than_he_has(wedding: Database) -> None:
    thread = make_thread(people=(FLORA, BEN))
    change(ANA, thread, FLORA, permissions=["read", "post", "manage"])

    stated: tuple[dict[str, Any], ...] = (
        {"role": "owner"},
        {"permissions": ["read", "pin"]},
        {"permissions": ["read", "invite"]},
        {"role": "participant"},
    )
    for refused in stated:
        with pytest.raises(Forbidden):
            change(FLORA, thread, BEN, **refused)
    with pytest.raises(Forbidden):
        change(FLORA, thread, ANA, role="observer")
    with pytest.raises(Forbidden):
        participants.remove(FLORA, thread, ANA.user_id)

    assert of(BEN, thread)["version"] == of(ANA, thread)["version"] == 1
    change(FLORA, thread, BEN, permissions=["read", "post"])
    assert of(BEN, thread)["permissions"] == ["post", "read"]


def test_a_planner_who_reads_along_rearranges_roles(wedding: Database) -> None:
    thread = make_thread(by=FLORA, people=(ANA,), visibility="hosts")

    change(PETRA, thread, ANA, role="owner")

    assert of(ANA, thread)["role"] == "owner"
    with pytest.raises(Forbidden):
        change(BEN, thread, ANA, 2, role="observer")


def test_of_two_changes_of_one_version_one_is_refused(wedding: Database) -> None:
    thread = make_thread()
    change(ANA, thread, FLORA, role="observer")

    with pytest.raises(PreconditionFailed):
        change(PETRA, thread, FLORA, role="owner")

    assert of(FLORA, thread)["role"] == "observer"


def test_owners_have_all_permissions(wedding: Database) -> None:
    thread = make_thread()

    with pytest.raises(Invalid) as refused:
        change(ANA, thread, FLORA, role="owner", permissions=["read"])
    with pytest.raises(Invalid):
        change(ANA, thread, ANA, permissions=["read"])

    assert refused.value.errors[0].field == "permissions"
    assert of(FLORA, thread)["role"] == "participant"


@pytest.mark.parametrize(("by", "refusal"), [(FLORA, Forbidden), (CARLO, NotFound), (STRANGER, NotFound)])
def test_who_does_not_manage_changes_no_role(wedding: Database, by: Person, refusal: type[Exception]) -> None:
    thread = make_thread()

    with pytest.raises(refusal):
        change(by, thread, FLORA, role="owner")
    with pytest.raises(refusal):
        change(by, thread, PETRA, permissions=["read"])

    assert kinds(wedding, thread) == ["thread.created"]


def test_who_is_not_in_the_thread_has_no_role_to_change(wedding: Database) -> None:
    thread = make_thread()

    for person in (CARLO, STRANGER):
        with pytest.raises(NotFound):
            change(ANA, thread, person, role="observer")
        with pytest.raises(NotFound):
            of(person, thread)

    assert kinds(wedding, thread) == ["thread.created"]


def test_who_comes_back_has_the_permissions_of_his_role(wedding: Database) -> None:
    thread = make_thread()
    change(ANA, thread, FLORA, permissions=["read"])
    participants.remove(ANA, thread, FLORA.user_id)

    participants.add(ANA, thread, AddedParticipant(user_id=FLORA.user_id))

    assert of(FLORA, thread)["permissions"] == ["read", "post", "react", "pin"]
    assert of(FLORA, thread)["version"] == 3
