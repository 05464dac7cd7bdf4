"""What the audit log holds of a change, and what it never holds (R26); the clock of what is stored (R29)."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest

from tests.database.test_conversation import make_thread, say
from tests.fixtures.postgres import Database
from tests.fixtures.wedding import ANA, BLOOM, FLORA, SERVICE, WEDDING, behind
from wedsync.conversations import messages, participants
from wedsync.conversations.models import MessageQuery
from wedsync.platform.db import transaction

SECRET = "never-in-an-audit-row"


def rows(database: Database, object_id: str) -> list[dict[str, object]]:
    return behind(
        database,
        "select actor_id, actor_kind, action, object_type, columns from wedsync.audit_log where object_id = %(id)s order by at",
        id=object_id,
    )


def test_a_change_of_the_directory_is_audited_by_column_never_by_value(wedding: Database) -> None:
    user = uuid4()
    put = "select app.put_user(%(id)s, %(name)s, %(email)s, null, 'en', 'UTC')"
    for name in (SECRET, SECRET, SECRET + "2"):
        transaction(SERVICE, (put, {"id": user, "name": name, "email": f"{SECRET}@example.com"}))

    written = rows(wedding, str(user))

    assert [(row["action"], row["columns"]) for row in written] == [
        ("insert", ["display_name", "id", "locale", "time_zone"]),
        ("update", ["display_name"]),
    ]
    assert {(row["actor_id"], row["actor_kind"]) for row in written} == {(SERVICE.user_id, "service")}
    assert (
        behind(wedding, "select 1 from wedsync.audit_log l where l::text like %(s)s", s=f"%{SECRET}%") == []
    )


def test_leaving_is_audited_with_everything_it_takes_away(wedding: Database) -> None:
    participants.leave_organization(SERVICE, BLOOM, FLORA.user_id)

    for object_id in (f"{BLOOM}/{FLORA.user_id}", f"{WEDDING}/{FLORA.user_id}"):
        assert rows(wedding, object_id)[-1]["action"] == "delete"


def test_what_is_refused_leaves_no_audit_row(wedding: Database) -> None:
    before = behind(wedding, "select count(*) as rows from wedsync.audit_log")

    with pytest.raises(Exception, match="back end"):
        transaction(ANA, ("select app.put_organization(%(id)s, 'x', 'vendor', true)", {"id": uuid4()}))

    assert behind(wedding, "select count(*) as rows from wedsync.audit_log") == before


def test_stored_times_follow_the_shifted_clock_and_expiry_the_real_one(wedding: Database) -> None:
    thread = make_thread(people=())
    with psycopg.connect(wedding.superuser.dsn, autocommit=True) as connection:
        connection.execute("update private.clock set shifted = interval '10 days'")
        say(ANA, thread, "in ten days")
        connection.execute("update private.clock set shifted = interval '-1 day'")
        say(ANA, thread, "yesterday")
        connection.execute("update private.clock set shifted = '0'")

    first, second = messages.page(ANA, thread, MessageQuery())["data"]

    (row,) = behind(
        wedding, "select %(at)s::timestamptz > now() + interval '9 days' as shifted", at=first["created_at"]
    )
    assert row["shifted"]
    assert second["created_at"] == first["created_at"]  # `at` never decreases (R3)
