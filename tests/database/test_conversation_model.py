"""Random conversations against a small model of them in memory: every answer to everybody is the model's.

The model knows windows, cursors and texts, and nothing of SQL. After each step one person is asked for everything he
can ask: his threads, pages, unread counts, replays and searches.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.fixtures.postgres import Database
from tests.fixtures.wedding import ANA, BEN, CARLO, FLORA, PETRA, WEDDING, Person, behind, new_id
from wedsync.conversations import cursors, message_acts, messages, participants, search, threads
from wedsync.conversations.message_models import EditedMessage
from wedsync.conversations.models import AddedParticipant, MessageQuery, NewMessage, NewThread, ThreadQuery
from wedsync.conversations.replay import replay
from wedsync.conversations.search import SearchQuery
from wedsync.platform.errors import Conflict, Forbidden, Invalid, NotFound, Problem

PEOPLE = (ANA, BEN, PETRA, FLORA, CARLO)  # couple, couple, planner, two vendors
HOSTS = (ANA, BEN, PETRA)
FLOWERS = ("lilac", "peony", "tulip", "aster")


@dataclass
class Said:
    """A message as everybody who sees it sees it."""

    id: UUID
    seq: int
    sender: Person
    text: str
    deleted: bool = False


@dataclass
class Talk:
    """A thread: its log, who takes part as what, from which seq on, and how far he has read."""

    id: UUID
    kinds: list[str]
    roles: dict[Person, str]
    start: dict[Person, int]
    read: dict[Person, int] = field(default_factory=dict[Person, int])
    said: dict[int, Said] = field(default_factory=dict[int, Said])
    about: dict[int, int] = field(default_factory=dict[int, int])

    @property
    def head(self) -> int:
        return len(self.kinds)

    def log(self, kind: str, about: int | None = None) -> int:
        self.kinds.append(kind)
        if about is not None:
            self.about[self.head] = about
        return self.head

    def seen(self, who: Person) -> list[Said]:
        return [m for m in self.said.values() if who in self.start and m.seq >= self.start[who]]

    def events(self, who: Person) -> list[tuple[int, str]]:
        start = self.start[who]
        return [
            (seq, kind)
            for seq, kind in enumerate(self.kinds, 1)
            if seq >= start and self.about.get(seq, seq) >= start
        ]

    def unread(self, who: Person) -> int:
        mine = self.read.get(who, 0)
        return sum(m.seq > mine and m.sender != who and not m.deleted for m in self.seen(who))


def outcome(problem: type[Problem] | None, act: object) -> None:
    """`act` is refused with this problem, or not at all."""
    assert callable(act)
    if problem is None:
        act()
    else:
        with pytest.raises(problem):
            act()


class Conversations(RuleBasedStateMachine):
    """What people do in a few threads, each thing done to the database and to the model."""

    people = st.sampled_from(PEOPLE)
    which = st.integers(0, 20)

    @initialize()
    def begin(self) -> None:
        self.talks: list[Talk] = []
        self.word = f"garden{new_id().hex[-12:]}"  # tells this run's messages from those of others
        self.asked = 0
        self.create(ANA, {PETRA, BEN})
        self.add(0, ANA, FLORA, "none", "participant")
        for by, flower in ((FLORA, "lilac"), (ANA, "peony"), (PETRA, "lilac"), (FLORA, "aster")):
            self.send(0, by, flower)

    def talk(self, which: int) -> Talk:
        return self.talks[which % len(self.talks)]

    @precondition(lambda self: len(self.talks) < 3)
    @rule(by=people, others=st.sets(st.sampled_from(HOSTS), max_size=2))
    def create(self, by: Person, others: set[Person]) -> None:
        people = others - {by}
        new = NewThread.model_validate(
            {
                "wedding_id": WEDDING,
                "subject": "Flowers",
                "participants": [{"user_id": p.user_id} for p in people],
            }
        )
        made = threads.create(by, new).answer
        roles = {by: "owner", **dict.fromkeys(people, "participant")}
        self.talks.append(Talk(UUID(made["id"]), ["thread.created"], roles, dict.fromkeys(roles, 1)))
        self.epoch = made["epoch"]

    @rule(
        which=which,
        by=people,
        person=people,
        history=st.sampled_from(["none", "all"]),
        role=st.sampled_from(["participant", "observer"]),
    )
    def add(self, which: int, by: Person, person: Person, history: str, role: str) -> None:
        talk = self.talk(which)
        start = 1 if history == "all" else talk.head + 1
        problem: type[Problem] | None = None
        if by not in talk.start:
            problem = NotFound
        elif talk.roles[by] != "owner" and by != PETRA and person != by:
            problem = Forbidden
        elif by not in HOSTS and person in (FLORA, CARLO) and person != by:
            problem = Invalid
        elif person in talk.start:
            problem = Conflict
        elif start < talk.start[by]:
            problem = Forbidden
        stated = AddedParticipant.model_validate(
            {"user_id": person.user_id, "role": role, "history": history}
        )
        outcome(problem, lambda: participants.add(by, talk.id, stated))
        if problem is None:
            talk.roles[person], talk.start[person] = role, start
            talk.log("participant.added")

    @rule(which=which, by=people, person=people)
    def remove(self, which: int, by: Person, person: Person) -> None:
        talk = self.talk(which)
        problem: type[Problem] | None = None
        owners = [p for p, role in talk.roles.items() if role == "owner"]
        if by not in talk.start:
            problem = NotFound
        elif person != by and talk.roles[by] != "owner" and by != PETRA:
            problem = Forbidden
        elif person not in talk.start:
            problem = NotFound
        elif owners == [person]:
            problem = Conflict
        outcome(problem, lambda: participants.remove(by, talk.id, person.user_id))
        if problem is None:
            del talk.roles[person], talk.start[person]
            talk.log("participant.removed")

    @rule(which=which, by=people, flower=st.sampled_from(FLOWERS))
    def send(self, which: int, by: Person, flower: str) -> None:
        talk = self.talk(which)
        new = NewMessage(message=f"{flower} {self.word}", client_msg_id=new_id())
        if by not in talk.start:
            outcome(NotFound, lambda: messages.send(by, talk.id, [new]))
            return
        (result,) = messages.send(by, talk.id, [new]).answer.results
        if talk.roles[by] == "observer":
            assert isinstance(result.problem, Forbidden)
            return
        assert result.message is not None
        seq = talk.log("message.created")
        assert result.message["seq"] == seq
        talk.said[seq] = Said(UUID(result.message["id"]), seq, by, new.message)

    def _on_a_message(
        self, which: int, by: Person, *, mine: bool
    ) -> tuple[Talk, Said, type[Problem] | None] | None:
        """A message to act upon, and how that is refused."""
        talk = self.talk(which)
        said = list(talk.said.values())
        if not said:
            return None
        message = said[which % len(said)]
        if by not in talk.start or message.seq < talk.start[by]:
            return talk, message, NotFound
        if talk.roles[by] == "observer" or (mine and message.sender != by):
            return talk, message, Forbidden
        return talk, message, None

    @rule(which=which, by=people, flower=st.sampled_from(FLOWERS))
    def edit(self, which: int, by: Person, flower: str) -> None:
        found = self._on_a_message(which, by, mine=True)
        if found is None:
            return
        talk, message, problem = found
        problem = problem or (Conflict if message.deleted else None)
        text = f"{flower} instead {self.word}"
        if problem is None and text == message.text:
            return
        outcome(problem, lambda: message_acts.edit(by, message.id, EditedMessage(message=text)))
        if problem is None:
            message.text = text
            talk.log("message.edited", message.seq)

    @rule(which=which, by=people)
    def delete(self, which: int, by: Person) -> None:
        found = self._on_a_message(which, by, mine=False)
        if found is None:
            return
        talk, message, problem = found
        if problem is not NotFound:
            manages = talk.roles[by] == "owner" or by == PETRA
            posts = talk.roles[by] != "observer"
            problem = None if (posts if message.sender == by else manages) else Forbidden
        outcome(problem, lambda: message_acts.delete(by, message.id))
        if problem is None and not message.deleted:
            message.deleted, message.text = True, ""
            talk.log("message.deleted", message.seq)

    @rule(which=which, by=people, seq=st.integers(0, 30))
    def mark_read(self, which: int, by: Person, seq: int) -> None:
        talk = self.talk(which)
        problem = None if by in talk.start else NotFound
        outcome(problem, lambda: cursors.read(by, talk.id, self.epoch, seq))
        if problem is None:
            talk.read[by] = max(talk.read.get(by, 0), min(seq, talk.head))

    @invariant()
    def whoever_asks_is_answered_as_the_model_says(self) -> None:
        """After each step two people are asked: he who acts cannot know whom it concerns."""
        for _ in range(2):
            self.asked += 1
            self._ask_everything(PEOPLE[self.asked % len(PEOPLE)])

    def _ask_everything(self, who: Person) -> None:
        mine = {str(talk.id): talk for talk in self.talks if who in talk.start}
        listed = {t["id"]: t for t in threads.page(who, ThreadQuery(limit=100))["data"]}

        ours = {str(talk.id) for talk in self.talks}
        assert ours & listed.keys() == mine.keys()
        for thread_id, talk in mine.items():
            assert listed[thread_id]["last_seq"] == talk.head
            assert listed[thread_id]["unread_count"] == talk.unread(who)
            assert listed[thread_id]["me"]["windows"] == [(talk.start[who], None)]
            assert listed[thread_id]["me"]["role"] == talk.roles[who]
        self._ask_for_pages(who)
        self._ask_for_replays(who, mine)
        self._ask_by_search(who, mine)

    def _ask_for_pages(self, who: Person) -> None:
        for talk in self.talks:
            if who not in talk.start:
                outcome(NotFound, lambda talk=talk: messages.page(who, talk.id, MessageQuery()))
                continue
            shown = messages.page(who, talk.id, MessageQuery(limit=100))["data"]
            expected = [
                (m.seq, m.text, m.deleted, m.sender == who or m.seq <= talk.read.get(who, 0))
                for m in talk.seen(who)
            ]
            assert [
                (m["seq"], m["message"], m["deleted_at"] is not None, m.get("is_read")) for m in shown
            ] == expected

    def _ask_for_replays(self, who: Person, mine: dict[str, Talk]) -> None:
        asked = {talk.id: (self.epoch, 0) for talk in self.talks}
        answered = replay(who, None, asked, 100)

        assert {str(thread.thread_id) for thread in answered.threads} == mine.keys()
        for thread in answered.threads:
            talk = mine[str(thread.thread_id)]
            told = [(event["seq"], event["kind"]) for event in thread.events if event["kind"] != "void"]
            assert told == talk.events(who)
            spans = [(event["seq"], event.get("to_seq", event["seq"])) for event in thread.events]
            assert [first for first, _ in spans] == [1, *(last + 1 for _, last in spans[:-1])]
            assert spans[-1][1] == talk.head

    def _ask_by_search(self, who: Person, mine: dict[str, Talk]) -> None:
        for flower in FLOWERS:
            found = search.page(who, SearchQuery(q=f"{flower} {self.word}", kind="message", limit=100))[
                "data"
            ]
            expected = {
                (thread_id, m.seq)
                for thread_id, talk in mine.items()
                for m in talk.seen(who)
                if m.text.startswith(flower)
            }
            assert {(hit["thread_id"], hit["seq"]) for hit in found} == expected


@pytest.mark.usefixtures("wedding")
def test_every_answer_is_that_of_the_model() -> None:
    run_state_machine_as_test(
        Conversations,
        settings=settings(
            max_examples=4,
            stateful_step_count=20,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            deadline=None,
        ),
    )


def test_stored_access_is_what_the_rows_say(wedding: Database) -> None:
    differing = behind(
        wedding,
        "(select user_id, thread_id, source, from_seq, to_seq from wedsync.thread_access"
        " except select * from private.computed_access) union all"
        " (select * from private.computed_access except"
        " select user_id, thread_id, source, from_seq, to_seq from wedsync.thread_access)",
    )

    assert differing == []
