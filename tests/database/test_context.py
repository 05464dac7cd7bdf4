"""The signed context: nobody enters under another name, and nobody stays (R5)."""

from __future__ import annotations

import time
from hmac import digest

import psycopg
import pytest

from tests.fixtures.postgres import CONTEXT_KEYS, Database
from tests.fixtures.wedding import ANA, FLORA
from wedsync.platform import context
from wedsync.platform.db import transaction

KEY = CONTEXT_KEYS[1]


def signed(stated: str, key: bytes = KEY) -> str:
    return f"{stated}|{digest(key, stated.encode(), 'sha256').hex()}"


SOON = int(time.time()) + 600
FORGED = {
    "empty": "",
    "of nothing": "|||||",
    "without a signature": f"1|{ANA.user_id}|user|{SOON}",
    "with another key": signed(f"1|{ANA.user_id}|user|{SOON}", b"x" * 32),
    "with an unknown key id": signed(f"7|{ANA.user_id}|user|{SOON}"),
    "for another person": signed(f"1|{FLORA.user_id}|user|{SOON}").replace(
        str(FLORA.user_id), str(ANA.user_id)
    ),
    "of another kind": signed(f"1|{ANA.user_id}|user|{SOON}").replace("|user|", "|service|"),
    "with a longer life": signed(f"1|{ANA.user_id}|user|{SOON}").replace(str(SOON), str(SOON + 1)),
    "expired": signed(f"1|{ANA.user_id}|user|{int(time.time()) - 1}"),
    "truncated": signed(f"1|{ANA.user_id}|user|{SOON}")[:-1],
    "with a part more": signed(f"1|{ANA.user_id}|user|{SOON}|x"),
    "with a line break": signed(f"1|{ANA.user_id}|user|{SOON}") + "\n",
}
MALFORMED = {
    "of an unknown kind": signed(f"1|{ANA.user_id}|god|{SOON}"),
    "with its parts swapped": signed(f"1|user|{ANA.user_id}|{SOON}"),
    "with a huge expiry": signed(f"1|{ANA.user_id}|user|99999999999999999999"),
    "with SQL in it": signed(f"1|{ANA.user_id}' or true --|user|{SOON}"),
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=list(FORGED))
def test_a_context_that_is_not_ours_is_refused(wedding: Database, forged: str) -> None:
    with psycopg.connect(wedding.app.dsn) as connection:
        with pytest.raises(psycopg.Error) as entered:
            connection.execute("select app.enter(%s)", [forged])
        connection.rollback()
        connection.execute("select set_config('app.context', %s, true)", [forged])
        if forged:
            with pytest.raises(psycopg.Error) as read:
                connection.execute("select id from users")
            assert read.value.sqlstate == "28000"

    assert entered.value.sqlstate == "28000"


@pytest.mark.parametrize("malformed", MALFORMED.values(), ids=list(MALFORMED))
def test_not_even_our_own_signature_lets_nonsense_in(wedding: Database, malformed: str) -> None:
    with psycopg.connect(wedding.app.dsn) as connection, pytest.raises(psycopg.Error) as entered:
        connection.execute("select app.enter(%s)", [malformed])

    assert entered.value.sqlstate == "28000"


def test_without_a_context_there_is_nothing(wedding: Database) -> None:
    with psycopg.connect(wedding.app.dsn) as connection:
        for table in (
            "users",
            "weddings",
            "wedding_members",
            "communication_threads",
            "thread_messages",
            "contact_points",
        ):
            assert connection.execute(f"select count(*) from {table}").fetchone() == (0,)  # type: ignore[arg-type]


def test_a_context_ends_with_its_transaction(wedding: Database) -> None:
    with psycopg.connect(wedding.app.dsn, autocommit=True) as connection:
        connection.execute("begin")
        connection.execute("select app.enter(%s)", [context.sign(ANA)])
        during = connection.execute("select id from users").fetchall()
        connection.execute("commit")
        after = connection.execute("select id from users").fetchall()

    assert [row[0] for row in during] == [ANA.user_id]
    assert after == []


def test_a_retired_key_opens_nothing(wedding: Database) -> None:
    with psycopg.connect(wedding.superuser.dsn, autocommit=True) as connection:
        connection.execute("update private.context_keys set not_after = now() - interval '1 second'")
        with psycopg.connect(wedding.app.dsn) as application, pytest.raises(psycopg.Error) as refused:
            application.execute("select app.enter(%s)", [signed(f"1|{ANA.user_id}|user|{SOON}")])
        connection.execute("update private.context_keys set not_after = 'infinity'")

    assert refused.value.sqlstate == "28000"


def test_the_keys_are_out_of_reach(wedding: Database) -> None:
    with psycopg.connect(wedding.app.dsn, autocommit=True) as connection:
        for attempt in (
            "select * from private.context_keys",
            "select private.put_context_key(9, '\\x00')",
            "set role wedsync_access",
            "alter table wedsync.users disable row level security",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(attempt)  # type: ignore[arg-type]


def test_a_refused_statement_is_raised_and_not_warned_of_as_well(
    wedding: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        transaction(ANA, ("select 1 / 0", {}), ("select 1", {}))

    assert caplog.records == []
