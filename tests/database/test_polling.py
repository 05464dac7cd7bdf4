"""POST /sync: what a socket would have brought, as one answer, waited for while there is nothing to say."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from tests.database.test_conversation import make_thread, say
from tests.fixtures.postgres import Database
from tests.fixtures.rest_api import OUR_PAGE, Rest
from tests.fixtures.session import Session
from tests.fixtures.wedding import ANA, FLORA, PETRA, PHIL, STRANGER, Person, behind
from wedsync.conversations import participants, replay
from wedsync.conversations.models import AddedParticipant
from wedsync.identity.principals import Principal
from wedsync.realtime import polling
from wedsync.realtime.protocol import Poll

Sessions = Callable[[Person], Session]


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "LOOK_SECONDS", 0.05)


@dataclass
class Looks:
    """What each look at what has changed has found, and what happens after one, in turn."""

    found: list[bool] = field(default_factory=list[bool])
    acts: list[Callable[[], object]] = field(default_factory=list[Callable[[], object]])

    def look(self, who: Person, since: replay.Replay) -> bool:
        self.found.append(replay.has_changed(who, since))
        if self.acts:
            self.acts.pop(0)()
        return self.found[-1]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    made = Looks()
    monkeypatch.setattr(polling, "has_changed", made.look)
    return made


def ask(who: Person, seconds: float = 600, **wanted: Any) -> polling.CaughtUp:
    person = Principal(who.user_id, "user", frozenset(), int(time.time() + seconds))
    return polling.poll(person, Poll.model_validate(wanted), "r1")


def since(caught_up: polling.CaughtUp) -> str:
    last = caught_up["frames"][-1]
    assert last["type"] == "synced"
    assert last["since"] is not None
    return last["since"]


def epoch_of(database: Database) -> str:
    return str(behind(database, "select app.epoch() as epoch")[0]["epoch"])


def listed(caught_up: polling.CaughtUp) -> set[str]:
    """Threads that `synced` names as changed, and those it says are gone."""
    frames = [frame for frame in caught_up["frames"] if frame["type"] == "synced"]
    return {thread["thread_id"] for frame in frames for thread in frame["threads"]} | {
        thread for frame in frames for thread in frame["gone"]
    }


def test_the_answer_holds_the_frames_a_socket_would_bring(rest: Rest, wedding: Database) -> None:
    thread = str(make_thread())
    epoch = epoch_of(wedding)
    say(FLORA, UUID(thread), "Peonies?")

    answer = rest("POST", "/sync", {"cursors": {thread: {"epoch": epoch, "seq": 1}}}, user_id=ANA.user_id)

    events, synced = answer.body["frames"]
    assert (answer.status, answer.body["more"]) == (200, False)
    assert [event["message"]["message"] for event in events["events"]] == ["Peonies?"]
    assert (events["thread_id"], events["from_seq"], events["to_seq"]) == (thread, 2, 2)
    assert thread in {each["thread_id"] for each in synced["threads"]}
    assert {events["re"], synced["re"]} == {answer.headers["x-request-id"]}


def test_what_is_there_is_answered_without_waiting(wedding: Database, looks: Looks) -> None:
    thread = make_thread()
    token = since(ask(ANA))
    say(FLORA, thread)

    found = ask(ANA, since=token, cursors={thread: {"epoch": epoch_of(wedding), "seq": 1}}, wait=20)
    ask(ANA, wait=20)

    assert [frame["type"] for frame in found["frames"]] == ["events", "synced"]
    assert looks.found == []


def test_who_waits_hears_of_a_message_when_it_is_committed(wedding: Database, looks: Looks) -> None:
    thread = make_thread()
    token = since(ask(ANA))

    looks.acts = [lambda: say(FLORA, thread)]

    found = ask(ANA, since=token, wait=20)

    assert listed(found) == {str(thread)}
    assert looks.found == [False, True]


def test_after_the_wait_the_answer_says_that_nothing_has_happened(wedding: Database, looks: Looks) -> None:
    make_thread()
    token = since(ask(ANA))

    found = ask(ANA, since=token, wait=1)

    assert [frame["type"] for frame in found["frames"]] == ["synced"]
    assert listed(found) == set()
    assert looks.found
    assert not any(looks.found)


def test_nobody_waits_longer_than_his_token_lasts(wedding: Database, looks: Looks) -> None:
    token = since(ask(ANA))

    found = ask(ANA, since=token, wait=20, seconds=0)

    assert listed(found) == set()
    assert looks.found == []


def test_what_others_say_elsewhere_wakes_nobody(wedding: Database, looks: Looks) -> None:
    thread, elsewhere = make_thread(), make_thread(people=(PETRA,))
    token = since(ask(FLORA))

    looks.acts = [lambda: say(PETRA, elsewhere), lambda: say(ANA, thread)]

    found = ask(FLORA, since=token, wait=20)

    assert listed(found) == {str(thread)}
    assert looks.found == [False, False, True]


def test_who_is_added_or_removed_hears_of_it(wedding: Database, looks: Looks) -> None:
    thread = make_thread()
    token = since(ask(PHIL))

    looks.acts = [lambda: participants.add(ANA, thread, AddedParticipant(user_id=PHIL.user_id))]
    added = ask(PHIL, since=token, wait=20)
    looks.acts = [lambda: participants.remove(ANA, thread, PHIL.user_id)]
    removed = ask(PHIL, since=since(added), wait=20)

    assert listed(added) == {str(thread)}
    assert removed["frames"][-1]["type"] == "synced"
    assert removed["frames"][-1]["gone"] == [str(thread)]


def test_a_transaction_that_never_ends_makes_nobody_ask_without_pause(
    wedding: Database, sessions: Sessions, looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str | None] = []

    def noted(who: Person, since: str | None, *rest: Any) -> replay.Replay:
        read.append(since)
        return replay.replay(who, since, *rest)

    lasting = sessions(PETRA)
    lasting.run("select pg_current_xact_id()")
    thread = make_thread()
    token = since(ask(ANA))
    monkeypatch.setattr(polling, "replay", noted)

    again = ask(ANA, since=token, wait=20)

    assert str(thread) in listed(again)
    assert read == [token, token]
    assert looks.found == []
    found = replay.replay(ANA, token, {}, 10)
    assert not replay.has_changed(ANA, found)
    say(FLORA, thread)
    assert replay.has_changed(ANA, found)


def test_a_long_answer_is_cut_and_goes_on_where_it_was_cut(
    wedding: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = make_thread(people=(FLORA,))
    for number in range(30):
        say(FLORA, thread, f"{number} {'x' * 3000}")
    epoch = epoch_of(wedding)
    monkeypatch.setattr(polling, "PAGE_BYTES", 50_000)
    heard: list[int] = []
    cuts = 0

    more = True
    while more:
        found = ask(ANA, cursors={thread: {"epoch": epoch, "seq": heard[-1] if heard else 0}})
        events = [frame for frame in found["frames"] if frame["type"] == "events"]
        heard += [event["seq"] for frame in events for event in frame["events"]]
        more = found["more"]
        cuts += more
        assert more == (found["frames"][-1]["type"] != "synced")

    assert heard == [*range(1, 32)]
    assert cuts >= 2


def test_a_stranger_is_told_of_nothing_and_every_thread_he_names_is_gone(
    rest: Rest, wedding: Database
) -> None:
    thread = str(make_thread())

    answer = rest("POST", "/sync", {"cursors": {thread: {"epoch": "x", "seq": 0}}}, user_id=STRANGER.user_id)

    (synced,) = answer.body["frames"]
    assert (synced["threads"], synced["gone"]) == ([], [thread])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"wait": 21}, "wait"),
        ({"wait": -1}, "wait"),
        ({"wait": True}, "wait"),
        ({"since": "made up"}, "since"),
        ({"limit": 301}, "limit"),
        ({"cursors": {"x": {"epoch": "a", "seq": 1}}}, "cursors"),
        ({"action": "sync"}, "action"),
        ({"cursors": {str(UUID(int=n)): {"epoch": "a", "seq": 1} for n in range(201)}}, "cursors"),
    ],
)
def test_a_sync_that_makes_no_sense_is_refused(
    rest: Rest, wedding: Database, body: dict[str, Any], field: str
) -> None:
    refused = rest("POST", "/sync", body, user_id=ANA.user_id)

    assert (refused.status, refused.body["code"]) == (422, "invalid")
    assert [each["field"].partition(".")[0] for each in refused.body["errors"]] == [field]


def test_a_page_that_is_not_ours_is_refused(rest: Rest, wedding: Database) -> None:
    foreign = rest("POST", "/sync", {}, user_id=ANA.user_id, headers={"Origin": "https://evil.example"})
    ours = rest("POST", "/sync", {}, user_id=ANA.user_id, headers={"Origin": OUR_PAGE})
    nobody = rest("POST", "/sync", {})

    assert (foreign.status, ours.status, nobody.status) == (403, 200, 401)
