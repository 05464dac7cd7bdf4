"""POST /sync: what a socket would have brought, as one answer, waited for while there is nothing to say."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What each look at what has changed has found."""
    found: list[bool] = []

    def look(who: Person, since: replay.Replay) -> bool:
        found.append(replay.has_changed(who, since))
        return found[-1]

    monkeypatch.setattr(polling, "has_changed", look)
    return found


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


def waiting(pool: ThreadPoolExecutor, who: Person, looked: list[bool], **wanted: Any) -> Any:
    """A poll that has begun to wait."""
    asked = pool.submit(ask, who, wait=20, **wanted)
    while not looked:
        time.sleep(0.01)
    return asked


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


def test_what_is_there_is_answered_without_waiting(wedding: Database, looked: list[bool]) -> None:
    thread = make_thread()
    token = since(ask(ANA))
    say(FLORA, thread)

    found = ask(ANA, since=token, cursors={thread: {"epoch": epoch_of(wedding), "seq": 1}}, wait=20)
    ask(ANA, wait=20)

    assert [frame["type"] for frame in found["frames"]] == ["events", "synced"]
    assert looked == []


def test_who_waits_hears_of_a_message_when_it_is_committed(wedding: Database, looked: list[bool]) -> None:
    thread = make_thread()
    token = since(ask(ANA))

    with ThreadPoolExecutor() as pool:
        asked = waiting(pool, ANA, looked, since=token)
        say(FLORA, thread)
        found = asked.result(5)

    assert listed(found) == {str(thread)}
    assert looked[-1]


def test_after_the_wait_the_answer_says_that_nothing_has_happened(
    wedding: Database, looked: list[bool]
) -> None:
    make_thread()
    token = since(ask(ANA))

    found = ask(ANA, since=token, wait=1)

    assert [frame["type"] for frame in found["frames"]] == ["synced"]
    assert listed(found) == set()
    assert looked
    assert not any(looked)


def test_nobody_waits_longer_than_his_token_lasts(wedding: Database, looked: list[bool]) -> None:
    token = since(ask(ANA))

    found = ask(ANA, since=token, wait=20, seconds=0)

    assert listed(found) == set()
    assert looked == []


def test_what_others_say_elsewhere_wakes_nobody(wedding: Database, looked: list[bool]) -> None:
    thread, elsewhere = make_thread(), make_thread(people=(PETRA,))
    token = since(ask(FLORA))

    with ThreadPoolExecutor() as pool:
        asked = waiting(pool, FLORA, looked, since=token)
        say(PETRA, elsewhere)
        say(ANA, thread)
        found = asked.result(5)

    assert listed(found) == {str(thread)}


def test_who_is_added_or_removed_hears_of_it(wedding: Database, looked: list[bool]) -> None:
    thread = make_thread()
    token = since(ask(PHIL))

    with ThreadPoolExecutor() as pool:
        added = waiting(pool, PHIL, looked, since=token)
        participants.add(ANA, thread, AddedParticipant(user_id=PHIL.user_id))
        token = since(added.result(5))
        looked.clear()
        removed = waiting(pool, PHIL, looked, since=token)
        participants.remove(ANA, thread, PHIL.user_id)

    assert listed(added.result()) == {str(thread)}
    assert removed.result()["frames"][-1]["gone"] == [str(thread)]


def test_a_transaction_that_never_ends_makes_nobody_ask_without_pause(
    wedding: Database, sessions: Sessions, looked: list[bool], monkeypatch: pytest.MonkeyPatch
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
    assert looked == []
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
