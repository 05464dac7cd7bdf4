"""Idempotency-Key: one act, however often, by however many at once, it is asked for (R28)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, Final, LiteralString

import psycopg
import pytest

from tests.database.test_devices import subscription
from tests.database.test_notifications_sweep import tick
from tests.fixtures.notifying import Notifying
from tests.fixtures.postgres import Database
from tests.fixtures.rest_api import Answer, Rest
from tests.fixtures.session import Session
from tests.fixtures.wedding import ANA, BEN, CARLO, FLORA, PETRA, STRANGER, WEDDING, Person, behind, new_id
from wedsync.platform.db import transaction
from wedsync.platform.idempotency import Keyed

CLAIM: Final[LiteralString] = "select app.claim_key(%(key)s, 'POST /threads', %(fingerprint)s, 201)"
CREATE: Final[LiteralString] = (
    "select app.keep_answer(%(id)s) from app.create_thread(%(id)s, %(wedding)s, null, 'Flowers', 'general', "
    "'normal', 'participants', false, '{}', '{}', '{}', '{}')"
)
FLOWERS = {
    "wedding_id": str(WEDDING),
    "subject": "Flowers",
    "participants": [{"user_id": str(FLORA.user_id)}],
}

Sessions = Callable[[Person], Session]


@pytest.fixture
def key() -> str:
    return f"key-{new_id()}"


@pytest.fixture
def create(rest: Rest, wedding: Database, key: str) -> Callable[..., Answer]:
    """Creates a thread under the key of this test."""
    del wedding

    def call(who: Person = ANA, body: dict[str, Any] = FLOWERS, named: str = key) -> Answer:
        return rest("POST", "/threads", body, user_id=who.user_id, headers={"Idempotency-Key": named})

    return call


def keys(database: Database, key: str) -> list[dict[str, Any]]:
    return behind(database, "select * from wedsync.idempotency_keys where key = %(key)s", key=key)


def threads(database: Database, subject: str = "Flowers") -> int:
    counted = behind(
        database, "select count(*) from wedsync.communication_threads where subject = %(s)s", s=subject
    )
    return counted[0]["count"]


def test_the_same_request_again_gets_the_same_answer_and_acts_once(
    create: Callable[..., Answer], wedding: Database
) -> None:
    before = threads(wedding)
    first = create()

    again = [create(), create()]

    assert first.status == 201
    assert "idempotency-replayed" not in first.headers
    for repeated in again:
        assert (repeated.status, repeated.body) == (201, first.body)
        assert repeated.headers["location"] == first.headers["location"]
        assert repeated.headers["idempotency-replayed"] == "true"
    assert threads(wedding) == before + 1


def test_a_repetition_shows_what_became_of_it(
    create: Callable[..., Answer], rest: Rest, wedding: Database
) -> None:
    made = create().body
    sent = {"message": "Roses?", "client_msg_id": str(new_id())}
    rest("POST", f"/threads/{made['id']}/messages", sent, user_id=FLORA.user_id)

    again = create()

    assert (again.body["id"], again.body["last_seq"], again.body["unread_count"]) == (made["id"], 2, 1)


def test_a_repetition_by_one_who_may_not_see_it_any_more_finds_nothing(
    create: Callable[..., Answer], rest: Rest, wedding: Database
) -> None:
    made = create(BEN).body
    rest(
        "POST",
        f"/threads/{made['id']}/participants",
        {"user_id": str(PETRA.user_id), "role": "owner"},
        user_id=BEN.user_id,
    )
    left = rest("DELETE", f"/threads/{made['id']}/participants/{BEN.user_id}", user_id=BEN.user_id)

    again = create(BEN)

    assert (left.status, again.status) == (204, 404)
    assert again.body["detail"] == "There is nothing here"


def test_another_request_under_the_key_is_refused(
    create: Callable[..., Answer], rest: Rest, wedding: Database, key: str
) -> None:
    create()

    other_body = create(body=FLOWERS | {"subject": "Other flowers"})
    other_path = rest(
        "POST", "/notifications/read", {"all": True}, user_id=ANA.user_id, headers={"Idempotency-Key": key}
    )

    for refused in (other_body, other_path):
        assert (refused.status, refused.body["errors"][0]["field"]) == (422, "Idempotency-Key")
    assert threads(wedding, "Other flowers") == 0


def test_a_key_belongs_to_one_person(create: Callable[..., Answer], wedding: Database, key: str) -> None:
    mine, theirs = create(ANA), create(PETRA)

    assert (mine.status, theirs.status) == (201, 201)
    assert mine.body["id"] != theirs.body["id"]
    assert {row["user_id"] for row in keys(wedding, key)} == {ANA.user_id, PETRA.user_id}


def test_what_is_refused_keeps_no_key(create: Callable[..., Answer], wedding: Database, key: str) -> None:
    foreign = FLOWERS | {"wedding_id": str(new_id())}

    refused, again = create(body=foreign), create(body=foreign)

    assert (refused.status, again.status) == (422, 422)
    assert refused.body == again.body
    assert keys(wedding, key) == []
    assert create().status == 201


@pytest.mark.parametrize("named", ["", " ", "x" * 256, "two words", "schlüssel"])
def test_a_key_is_a_short_word(create: Callable[..., Answer], wedding: Database, named: str) -> None:
    before = threads(wedding)

    refused = create(named=named)

    assert (refused.status, refused.body["errors"][0]["field"]) == (422, "Idempotency-Key")
    assert threads(wedding) == before


def test_while_it_is_being_done_a_second_one_is_told_so(
    create: Callable[..., Answer], sessions: Sessions, wedding: Database, key: str
) -> None:
    working = sessions(ANA)
    working.run(CLAIM, key=key, fingerprint=bytes(32))

    refused, others = create(), create(PETRA)

    assert (refused.status, refused.body["code"]) == (409, "conflict")
    assert others.status == 201


def test_an_act_that_crashed_before_its_commit_left_nothing(
    create: Callable[..., Answer], sessions: Sessions, wedding: Database, key: str
) -> None:
    before = threads(wedding)
    crashing = sessions(ANA)
    crashing.run(CLAIM, key=key, fingerprint=bytes(32))
    crashing.run(CREATE, id=new_id(), wedding=WEDDING)
    crashing.connection.close()

    answered = create()
    while answered.status == 409:  # the server has not noticed yet
        answered = create()

    assert answered.status == 201
    assert "idempotency-replayed" not in answered.headers
    assert threads(wedding) == before + 1


def test_of_many_at_once_one_acts(sessions: Sessions, wedding: Database, key: str) -> None:
    before = threads(wedding)
    racers = [sessions(ANA) for _ in range(8)]
    start = Barrier(len(racers))

    def race(racer: Session) -> str:
        start.wait()
        try:
            racer.run(CLAIM, key=key, fingerprint=bytes(32))
            racer.run(CREATE, id=new_id(), wedding=WEDDING)
            racer.commit()
        except psycopg.Error as error:
            return str(error.sqlstate)
        return "acted"

    with ThreadPoolExecutor(len(racers)) as pool:
        results = Counter(pool.map(race, racers))

    assert results["acted"] == 1
    assert set(results) <= {"acted", "WS409", "WS208"}
    assert threads(wedding) == before + 1


def test_a_device_answers_again_as_it_did(rest: Rest, wedding: Database, key: str) -> None:
    def register(named: str) -> Answer:
        return rest(
            "POST", "/me/devices", subscription(), user_id=CARLO.user_id, headers={"Idempotency-Key": named}
        )

    new, again = register(key), register(key)
    known, known_again = register(f"{key}-2"), register(f"{key}-2")

    assert [a.status for a in (new, again, known, known_again)] == [201, 201, 200, 200]
    assert new.body == again.body == known.body == known_again.body


def test_a_ticket_is_issued_again(rest: Rest, wedding: Database, key: str) -> None:
    def ask(device: str) -> Answer:
        body = {"device_id": device}
        return rest(
            "POST", "/realtime/tickets", body, user_id=CARLO.user_id, headers={"Idempotency-Key": key}
        )

    first, again, another = ask("phone"), ask("phone"), ask("tablet")

    assert [a.status for a in (first, again, another)] == [201, 201, 422]
    assert again.headers["idempotency-replayed"] == "true"
    assert {**first.body, "ticket": ""} == {**again.body, "ticket": ""}


def test_somebody_unknown_may_send_a_key_too(create: Callable[..., Answer], wedding: Database) -> None:
    assert create(STRANGER).status == 422


def test_keys_are_kept_for_a_day_and_then_forgotten(
    notifying: Notifying, wedding: Database, key: str
) -> None:
    transaction(Keyed(ANA, key, "POST /threads", bytes(32), 201))

    kept_by = tick(notifying).keys
    behind(wedding, "update wedsync.idempotency_keys set claimed_at = claimed_at - interval '25 hours'")
    aged = len(behind(wedding, "select key from wedsync.idempotency_keys"))
    forgotten_by = tick(notifying).keys

    assert (kept_by, forgotten_by) == (0, aged)
    assert keys(wedding, key) == []


def test_nobody_reads_or_writes_keys_but_through_the_functions(sessions: Sessions, wedding: Database) -> None:
    for statement in (
        "select * from idempotency_keys",
        "delete from idempotency_keys",
        "update idempotency_keys set status = 200",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            sessions(ANA).run(statement)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sessions(ANA).run("select app.forget_keys('0', 10)")
