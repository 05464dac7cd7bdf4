"""Roles, statuses and visibility in any order, by anybody: every refusal and every sight is that of a model.

test_conversation_model.py does the same for many threads at once, with paging and search.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.database.test_conversation import make_thread, say
from tests.fixtures.postgres import Database
from tests.fixtures.thread_model import AT_THE_WEDDING, PERMISSIONS, ModelThread
from tests.fixtures.wedding import ANA, BEN, CARLO, DINA, FLORA, PETRA, PHIL, STRANGER, Person
from wedsync.conversations import cursors, message_acts, messages, participants, thread_acts, threads
from wedsync.conversations.message_models import EditedMessage
from wedsync.conversations.models import AddedParticipant, MessageQuery, ThreadQuery
from wedsync.conversations.replay import replay
from wedsync.conversations.thread_models import ParticipantEdit, ThreadEdit
from wedsync.platform.errors import NotFound, Problem

EVERYBODY = [*AT_THE_WEDDING, DINA, STRANGER]
# Those who are likely to be in the thread act most, and most of what they do is talking.
actors = st.sampled_from([ANA, ANA, PETRA, PETRA, FLORA, FLORA, FLORA, CARLO, CARLO, BEN, PHIL, DINA])
members = st.sampled_from([ANA, PETRA, FLORA, CARLO, BEN, PHIL])
people = st.sampled_from([ANA, PETRA, FLORA, CARLO, BEN, PHIL, DINA])
roles = st.sampled_from(list(PERMISSIONS))
numbers = st.integers(1, 12)
texts = st.sampled_from(["Peonies", "Roses", "Tulips"])
statuses = st.sampled_from(["active", "active", "closed", "closed", "archived", "frozen"])
ACTS = st.one_of(
    st.tuples(st.just("send"), actors, texts),
    st.tuples(st.just("send"), actors, texts),
    st.tuples(st.just("edit"), actors, numbers, texts),
    st.tuples(st.just("delete"), actors, numbers),
    st.tuples(st.just("react"), actors, numbers, st.sampled_from(["👍", "❤️"]), st.booleans()),
    st.tuples(st.just("move"), actors, numbers),
    st.tuples(st.just("add"), members, people, roles, numbers),
    st.tuples(st.just("add"), members, people, roles, numbers),
    st.tuples(st.just("remove"), members, people),
    st.tuples(st.just("change"), members, people, roles),
    st.tuples(st.just("change"), members, people, roles),
    st.tuples(st.just("set_status"), members, statuses),
    st.tuples(st.just("show"), members, st.sampled_from(["hosts", "participants"])),
)
BEGINNINGS = st.fixed_dictionaries(
    {
        "by": st.sampled_from([ANA, PETRA]),
        "people": st.sets(st.sampled_from([FLORA, CARLO]), max_size=2),
        "kind": st.sampled_from(["general", "general", "announcement", "contract"]),
        "visibility": st.sampled_from(["participants", "participants", "hosts"]),
    }
)


class Conversation:
    """One thread in both worlds."""

    def __init__(self, begun: dict[str, Any]) -> None:
        self.model = ModelThread(
            begun["kind"],
            {begun["by"]: "owner", **dict.fromkeys(begun["people"], "participant")},
            begun["visibility"],
        )
        self.thread = make_thread(
            begun["by"], tuple(begun["people"]), thread_type=begun["kind"], visibility=begun["visibility"]
        )
        self.epoch = threads.get(begun["by"], self.thread)["epoch"]
        self.messages: dict[int, UUID] = {}

    def do(self, act: str, who: Person, *stated: Any) -> None:
        """The act in both worlds; the database answers as the model does."""
        if act in ("edit", "delete", "react"):
            if not self.messages:
                return
            seqs = sorted(self.messages)
            stated = (seqs[stated[0] % len(seqs)], *stated[1:])
        expected = outcome(lambda: getattr(self.model, act)(who, *stated))
        assert outcome(lambda: getattr(self, act)(who, *stated)) is expected, (act, who, stated)

    def send(self, who: Person, text: str) -> None:
        sent = say(who, self.thread, text).resource()
        self.messages[sent["seq"]] = UUID(sent["id"])

    def edit(self, who: Person, seq: int, text: str) -> None:
        message_acts.edit(who, self.messages[seq], EditedMessage(message=text))

    def delete(self, who: Person, seq: int) -> None:
        message_acts.delete(who, self.messages[seq])

    def react(self, who: Person, seq: int, emoji: str, present: bool) -> None:
        if message_acts.react(who, self.messages[seq], emoji, present=present).changes:
            self.model.event("message.reaction", seq)

    def move(self, who: Person, seq: int) -> None:
        cursors.read(who, self.thread, self.epoch, seq)

    def add(self, who: Person, person: Person, role: str, start: int) -> None:
        stated = {"user_id": person.user_id, "role": role, "history": {"from_seq": start}}
        participants.add(who, self.thread, AddedParticipant.model_validate(stated))

    def remove(self, who: Person, person: Person) -> None:
        participants.remove(who, self.thread, person.user_id)

    def change(self, who: Person, person: Person, role: Any) -> None:
        try:
            version = participants.one(who, self.thread, person.user_id)["version"]
        except NotFound:
            version = 1
        participants.change(who, self.thread, person.user_id, version, ParticipantEdit(role=role))

    def set_status(self, who: Person, status: Any) -> None:
        thread_acts.set_status(who, self.thread, status, None)

    def show(self, who: Person, visibility: Any) -> None:
        try:
            version = threads.get(who, self.thread)["version"]
        except NotFound:
            version = 1
        thread_acts.edit(who, self.thread, version, ThreadEdit(visibility=visibility))

    def compare(self, who: Person) -> None:
        """What he sees, through every door."""
        (log,) = replay(who, None, {self.thread: (self.epoch, 0)}, 300).threads or (None,)
        unread = threads.page(who, ThreadQuery(unread=True, status="all", limit=100))["data"]
        assert (str(self.thread) in {each["id"] for each in unread}) == (self.model.unread(who) > 0)
        start = self.model.start(who)
        if start is None:
            assert log is None
            for door in (threads.get, participants.everyone):
                with pytest.raises(NotFound):
                    door(who, self.thread)
            return
        assert log is not None
        assert {e["seq"]: e["kind"] for e in log.events if e["kind"] != "void"} == {
            seq: kind
            for seq, (kind, about) in enumerate(self.model.log, 1)
            if self.model.sees(who, seq) and (about is None or self.model.sees(who, about))
        }
        self.compare_thread(who, start)

    def compare_thread(self, who: Person, start: int) -> None:
        shown = threads.get(who, self.thread)
        assert (shown["last_seq"], shown["status"], shown["unread_count"]) == (
            len(self.model.log),
            self.model.status,
            self.model.unread(who),
        )
        assert shown["me"]["role"] == self.model.roles.get(who)
        assert shown["me"]["windows"] == [(start, None)]
        assert set(shown["me"]["permissions"]) == {
            act for act in PERMISSIONS["owner"] if self.model.may(who, act)
        }
        read = messages.page(who, self.thread, MessageQuery(limit=100))["data"]
        assert [
            (m["seq"], m["message"], m["deleted_at"] is not None, m["retracted_at"] is not None) for m in read
        ] == [
            (seq, said.text, said.gone, said.retracted)
            for seq, said in sorted(self.model.said.items())
            if self.model.sees(who, seq)
        ]
        assert [{emoji: set(reacted) for emoji, reacted in m["reactions"].items()} for m in read] == [
            {emoji: {str(person.user_id) for person in reacted} for emoji, reacted in said.reactions.items()}
            for seq, said in sorted(self.model.said.items())
            if self.model.sees(who, seq)
        ]
        present = participants.everyone(who, self.thread)["data"]
        assert {p["user_id"]: p["role"] for p in present} == {
            str(person.user_id): role for person, role in self.model.roles.items()
        }


def outcome(act: Callable[[], object]) -> type[Problem] | None:
    """What an act was refused with; None if it was done."""
    try:
        act()
    except Problem as refusal:
        return type(refusal)
    return None


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(begun=BEGINNINGS, acts=st.lists(ACTS, min_size=25, max_size=40))
def test_a_conversation_is_what_its_model_says(
    wedding: Database, begun: dict[str, Any], acts: list[tuple[Any, ...]]
) -> None:
    conversation = Conversation(begun)

    for act, who, *stated in acts:
        conversation.do(act, who, *stated)

    for who in EVERYBODY:
        conversation.compare(who)
