"""Who may do what with what: actor x relation x resource x verb, against a model of the rules (R5-R11).

Each case asks the REST function as its actor. What is allowed runs in a transaction that is undone, so that all cases
find the same world; what is refused runs as it would in earnest, and in the end nothing has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any
from uuid import UUID

import pytest

from tests.fixtures.fingerprint import fingerprint
from tests.fixtures.matrix import ACTORS, SHUT, UNDELETABLE, UNEDITABLE, Place, furnish, places
from tests.fixtures.postgres import Database
from tests.fixtures.rest_api import Answer, Rest
from tests.fixtures.wedding import new_id
from wedsync.platform import db

DONE = 200
TOMORROW = "2099-06-01T10:00:00Z"
Rule = Callable[[Place, str, str], int]


def reads(place: Place, actor: str, which: str) -> int:
    return DONE


def takes_part(place: Place, actor: str, which: str) -> int:
    return DONE if place.role(actor) is not None else 403


def silences(place: Place, actor: str, which: str) -> int:
    right = takes_part(place, actor, which)
    return 409 if right == DONE and place.kind == "emergency" else right


def drafts(place: Place, actor: str, which: str) -> int:
    """Whatever the status: the thread may be opened again."""
    return DONE if place.may(actor, "post") else 403


def may(act: str) -> Rule:
    """First the right, then the status of the thread."""

    def rule(place: Place, actor: str, which: str) -> int:
        if not place.may(actor, act):
            return 403
        return 409 if act in SHUT[place.status] else DONE

    return rule


def manages(place: Place, actor: str, which: str) -> int:
    return DONE if place.may(actor, "manage") else 403


def invites(place: Place, actor: str, which: str) -> int:
    """The one named is not of the wedding: whoever may add people is told so."""
    right = may("invite")(place, actor, which)
    return 422 if right == DONE else right


def removes_the_owner(place: Place, actor: str, which: str) -> int:
    """The last one stays."""
    if not place.may(actor, "manage"):
        return 403
    return DONE if "owner" in place.people.values() else 409


def edits(place: Place, actor: str, which: str) -> int:
    right = may("post")(place, actor, which) if actor == place.author(which) else 403
    return 409 if right == DONE and place.kind in UNEDITABLE else right


def deletes(place: Place, actor: str, which: str) -> int:
    own = actor == place.author(which)
    if not place.may(actor, "post" if own else "manage"):
        return 403
    return 409 if place.status in ("archived", "frozen") or place.kind in UNDELETABLE else DONE


def watches(place: Place, actor: str, which: str) -> int:
    return DONE if actor in (place.author(which), "Petra") else 403


def acknowledges(place: Place, actor: str, which: str) -> int:
    if not place.asks(which) or place.status in ("archived", "frozen"):
        return 409
    asked = place.role(actor) in ("owner", "participant") and actor != place.author(which)
    return DONE if asked else 403


def closes(status: str) -> Rule:
    """Planners alone touch what is frozen, or is to be."""

    def rule(place: Place, actor: str, which: str) -> int:
        if "frozen" in (place.status, status):
            allowed = actor == "Petra" and place.sees(actor)
        else:
            allowed = place.may(actor, "manage")
        if not allowed:
            return 403
        from_to = (place.status, status)
        blocked = place.status == "frozen" and status in ("closed", "archived")
        return 409 if blocked or from_to == ("archived", "closed") else DONE

    return rule


@dataclass(frozen=True)
class Verb:
    """A request about a thread or a message, and what it answers one who sees it."""

    method: str
    path: str
    rule: Rule
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def about_messages(self) -> bool:
        return self.path.startswith("/messages")

    @property
    def of_its_author(self) -> bool:
        return self.path.startswith("/scheduled-messages")


def _threads(thread: str) -> Iterator[Verb]:
    yield Verb("GET", thread, reads)
    yield Verb("PATCH", thread, may("manage"), {"subject": "Other"}, (("If-Match", '"{version}"'),))
    for status, route in (
        ("closed", "close"),
        ("active", "reopen"),
        ("archived", "archive"),
        ("frozen", "freeze"),
    ):
        yield Verb("POST", f"{thread}/{route}", closes(status), {"reason": "so"})
    yield Verb("PUT", f"{thread}/mute", silences)
    yield Verb("PUT", f"{thread}/snooze", silences, {"until": TOMORROW})
    yield Verb("PUT", f"{thread}/pin", takes_part)
    for mine in ("mute", "snooze", "pin"):
        yield Verb("DELETE", f"{thread}/{mine}", takes_part)
    for cursor in ("read", "delivered"):
        yield Verb("PUT", f"{thread}/{cursor}", takes_part, {"seq": 2, "epoch": "{epoch}"})
    yield Verb("PUT", f"{thread}/unread", takes_part)


def _people(thread: str) -> Iterator[Verb]:
    yield Verb("GET", f"{thread}/participants", reads)
    owner = f"{thread}/participants/{{owner}}"
    yield Verb("GET", owner, reads)
    yield Verb("POST", f"{thread}/participants", invites, {"user_id": "{new}"})
    yield Verb("PATCH", owner, may("manage"), {"role": "owner"}, (("If-Match", '"1"'),))
    yield Verb("DELETE", owner, removes_the_owner)


def _words(thread: str) -> Iterator[Verb]:
    yield Verb("GET", f"{thread}/verification", reads)
    yield Verb("GET", f"{thread}/scheduled-messages", reads)
    yield Verb("PUT", f"{thread}/draft", drafts, {"message": "Dear all"})
    yield Verb("DELETE", f"{thread}/draft", reads)
    yield Verb("GET", f"{thread}/messages", reads)
    yield Verb("GET", f"{thread}/pins", reads)
    sent = {"message": "Hello", "client_msg_id": "{new}"}
    yield Verb("POST", f"{thread}/messages", may("post"), sent)
    later = {"message": "Later", "send_at": TOMORROW}
    yield Verb("POST", f"{thread}/scheduled-messages", may("post"), later)


def _messages(message: str) -> Iterator[Verb]:
    yield Verb("GET", message, reads)
    yield Verb("GET", f"{message}/history", reads)
    yield Verb("PATCH", message, edits, {"message": "Other"})
    yield Verb("DELETE", message, deletes)
    yield Verb("POST", f"{message}/ack", acknowledges)
    yield Verb("GET", f"{message}/receipts", watches)
    for method in ("PUT", "DELETE"):
        yield Verb(method, f"{message}/reactions/%F0%9F%91%8D", may("react"))
        yield Verb(method, f"{message}/pin", may("pin"))


def _scheduled(scheduled: str) -> Iterator[Verb]:
    yield Verb("GET", scheduled, reads)
    yield Verb("PATCH", scheduled, may("post"), {"message": "Other"})
    yield Verb("DELETE", scheduled, reads)


THREAD, MESSAGE, SCHEDULED = "/threads/{thread}", "/messages/{message}", "/scheduled-messages/{scheduled}"
VERBS = [
    *_threads(THREAD),
    *_people(THREAD),
    *_words(THREAD),
    *_messages(MESSAGE),
    *_scheduled(SCHEDULED),
]
# What the type of a thread decides; of the others, one type tells as much as all.
TYPED = (silences, drafts, edits, deletes, acknowledges)


@dataclass(frozen=True)
class World:
    """All places, and who asks about them."""

    rest: Rest
    database: Database
    places: dict[str, Place]

    def ask(self, verb: Verb, actor: str, place: Place, which: str, *, undone: bool) -> Answer:
        """The answer to the verb; `undone` leaves no trace of it."""
        named = {
            "thread": place.id,
            "message": place.old if which == "old" else place.new,
            "scheduled": place.later,
            "owner": str(ACTORS[place.owner].user_id),
            "epoch": place.epoch,
            "version": "1",
            "new": str(new_id()),
        }
        with pytest.MonkeyPatch.context() as patch:
            if undone:
                patch.setattr(db, "_COMMIT", ("rollback", {}))
            return self.rest(
                verb.method,
                verb.path.format(**named),
                _filled(verb.body, named),
                user_id=ACTORS[actor].user_id,
                headers={name: value.format(**named) for name, value in verb.headers},
            )


def _filled(body: Any, named: dict[str, str]) -> Any:
    if isinstance(body, dict):
        return {key: _filled(value, named) for key, value in body.items()}
    return body.format(**named) if isinstance(body, str) else body


@pytest.fixture(scope="module")
def furnished() -> dict[str, Place]:
    return {}


@pytest.fixture
def world(rest: Rest, wedding: Database, furnished: dict[str, Place]) -> World:
    if not furnished:
        furnished |= {place.name: furnish(rest, place) for place in places()}
    return World(rest, wedding, furnished)


def cases(verb: Verb, among: Iterable[Place]) -> Iterator[tuple[Place, str, str]]:
    """Everybody with every place, or with both messages of every place."""
    typed = verb.rule in TYPED or verb.method == "GET" or verb.path.endswith("messages")
    telling = [place for place in among if typed or place.kind == "general"]
    return product(telling, ACTORS, ("old", "new") if verb.about_messages else ("new",))


def expected(verb: Verb, actor: str, place: Place, which: str) -> int:
    if verb.of_its_author:
        sees = actor == place.owner
    else:
        sees = place.sees_message(actor, which) if verb.about_messages else place.sees(actor)
    return verb.rule(place, actor, which) if sees else 404


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: f"{verb.method} {verb.path}")
def test_everybody_may_do_what_the_rules_say_and_what_is_hidden_answers_as_what_is_missing(
    world: World, verb: Verb
) -> None:
    nowhere = replace(
        world.places["plain"], id=str(new_id()), old=str(new_id()), new=str(new_id()), later=str(new_id())
    )
    missing = {actor: world.ask(verb, actor, nowhere, "new", undone=False) for actor in ACTORS}
    before, wrong = fingerprint(world.database), list[str]()

    for place, actor, which in cases(verb, world.places.values()):
        right = expected(verb, actor, place, which)
        answer = world.ask(verb, actor, place, which, undone=right == DONE)
        said = DONE if answer.status < 300 else answer.status
        if said != right or (right == 404 and answer != missing[actor]):
            wrong.append(f"{actor}, {place.name}, {which}: {right} and not {answer}")

    assert wrong == []
    assert {answer.status for answer in missing.values()} == {404}
    assert fingerprint(world.database) == before


def test_lists_hold_what_may_be_seen_and_nothing_else(world: World) -> None:
    for actor, who in ACTORS.items():
        listed = world.rest("GET", "/threads?status=all", user_id=who.user_id).body["data"]
        seen = {place.id for place in world.places.values() if place.sees(actor)}
        assert {thread["id"] for thread in listed} == seen


def test_pages_hold_what_may_be_seen_and_nothing_else(world: World) -> None:
    for place, (actor, who) in product(world.places.values(), ACTORS.items()):
        if place.sees(actor):
            page = world.rest("GET", f"/threads/{place.id}/messages", user_id=who.user_id).body["data"]
            seen = [
                id_
                for which, id_ in (("old", place.old), ("new", place.new))
                if place.sees_message(actor, which)
            ]
            assert [message["id"] for message in page] == seen


def test_a_search_finds_what_may_be_seen_and_nothing_else(world: World) -> None:
    """The words of the messages are "old" and "new", and those of the subjects the names of the places."""
    for actor, who in ACTORS.items():

        def found(q: str, kind: str, asking: UUID = who.user_id) -> set[str]:
            page = world.rest("GET", f"/search?q={q}&kind={kind}&limit=100", user_id=asking).body
            return {hit["message_id"] or hit["thread_id"] for hit in page["data"]}

        for which in ("old", "new"):
            assert found(which, "message") == {
                getattr(place, which) for place in world.places.values() if place.sees_message(actor, which)
            }
        for name, place in world.places.items():
            assert found(name, "thread") == ({place.id} if place.sees(actor) else set[str]())


def test_a_search_in_a_hidden_thread_answers_as_one_in_a_missing_one(world: World) -> None:
    missing = world.rest("GET", f"/search?q=new&thread_id={new_id()}", user_id=ACTORS["Carlo"].user_id)

    for place, (actor, who) in product(world.places.values(), ACTORS.items()):
        if not place.sees(actor):
            asked = f"/search?q=new&thread_id={place.id}"
            assert world.rest("GET", asked, user_id=who.user_id) == missing


def test_there_are_enough_cases_of_both_kinds(world: World) -> None:
    verdicts = [
        expected(verb, actor, place, which)
        for verb in VERBS
        for place, actor, which in cases(verb, world.places.values())
    ]

    assert len(verdicts) >= 2_000
    assert min(verdicts.count(DONE), verdicts.count(403), verdicts.count(404)) >= 200


def test_ids_that_are_none_are_as_missing(world: World) -> None:
    for verb in VERBS:
        nonsense = replace(
            world.places["plain"], id="nonsense", old="nonsense", new="nonsense", later="nonsense"
        )
        zero = str(UUID(int=0))
        nowhere = replace(nonsense, id=zero, old=zero, new=zero, later=zero)
        answers = [world.ask(verb, "Ana", place, "new", undone=False) for place in (nonsense, nowhere)]
        assert answers[0] == answers[1]
        assert answers[0].status == 404
