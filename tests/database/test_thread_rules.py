"""The rules of thread types and roles: the documented tables are the stored ones, and hold."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

import pytest

from tests.database.test_conversation import make_thread, say, texts
from tests.fixtures.postgres import Database
from tests.fixtures.wedding import ANA, CARLO, FLORA, PETRA, STRANGER, Person, behind
from wedsync.conversations import participants
from wedsync.conversations.models import AddedParticipant
from wedsync.platform import db
from wedsync.platform.errors import Forbidden

API = (Path(__file__).parents[2] / "docs/api.md").read_text(encoding="utf-8")
ACTS = ("read", "post", "react", "pin", "invite", "manage")


def documented(header: str) -> list[list[str]]:
    table = re.search(rf"^\| {re.escape(header)} \|[^\n]*\n\|[-|]+\n((?:\|.*\n)+)", API, re.M)
    assert table, header
    return [[cell.strip(" `") for cell in row.strip("|").split(" | ")] for row in table[1].splitlines()]


def may(who: Person, thread: UUID) -> set[str]:
    (rows,) = db.transaction(
        who,
        (
            "select act from unnest(%(acts)s::text[]) act where app.may(%(t)s, act)",
            {"acts": list(ACTS), "t": thread},
        ),
    )
    return {row["act"] for row in rows}


def test_the_documented_rules_are_the_stored_ones(wedding: Database) -> None:
    (rows,) = db.transaction(ANA, ("select * from thread_rules", {}))
    words = {True: "yes", False: "no"}

    stored = {
        (
            row["thread_type"],
            ", ".join(row["creators"]),
            ", ".join(row["posters"]),
            *(
                words[row[name]]
                for name in ("editable", "deletable", "append_only", "requires_ack", "mutable")
            ),
        )
        for row in rows
    }

    assert {tuple(row) for row in documented("`thread_type`")} == stored


def test_the_documented_permissions_are_the_stored_ones(wedding: Database) -> None:
    (rows,) = db.transaction(ANA, ("select * from role_permissions", {}))

    assert documented("role") == [[row["role"], ", ".join(row["permissions"])] for row in rows]


def test_a_role_is_its_permissions(wedding: Database) -> None:
    thread = make_thread(people=(FLORA,))
    participants.add(ANA, thread, AddedParticipant(user_id=CARLO.user_id, role="observer"))

    assert may(ANA, thread) == set(ACTS)
    assert may(FLORA, thread) == {"read", "post", "react", "pin"}
    assert may(CARLO, thread) == {"read"}
    assert may(PETRA, thread) == may(STRANGER, thread) == set()


def test_a_planner_who_reads_along_invites_and_manages_and_does_not_post(wedding: Database) -> None:
    thread = make_thread(by=FLORA, people=(), visibility="hosts")

    assert may(PETRA, thread) == {"read", "invite", "manage"}
    assert may(ANA, thread) == {"read"}
    assert isinstance(say(PETRA, thread).problem, Forbidden)


def test_own_permissions_take_the_place_of_the_roles(wedding: Database) -> None:
    thread = make_thread(people=(FLORA,))
    behind(
        wedding,
        "update wedsync.thread_participants set permissions = '{read,react}' where thread_id = %(t)s and user_id = %(u)s",
        t=thread,
        u=FLORA.user_id,
    )

    refused = say(FLORA, thread)

    assert may(FLORA, thread) == {"read", "react"}
    assert isinstance(refused.problem, Forbidden)
    assert texts(ANA, thread) == []


def test_only_owners_post_in_an_announcement(wedding: Database) -> None:
    thread = make_thread(thread_type="announcement")

    refused = say(FLORA, thread)

    assert isinstance(refused.problem, Forbidden)
    assert say(ANA, thread, "Dinner at eight").status == "ok"
    assert texts(FLORA, thread) == ["Dinner at eight"]


def test_who_left_may_nothing(wedding: Database) -> None:
    thread = make_thread(people=(FLORA,))

    participants.remove(ANA, thread, FLORA.user_id)

    assert may(FLORA, thread) == set()


@pytest.mark.parametrize("table", ["thread_rules", "role_permissions"])
def test_nobody_rewrites_the_rules(wedding: Database, table: str) -> None:
    (rows,) = db.transaction(
        ANA,
        ("select has_table_privilege(%(t)s, 'insert, update, delete') as granted", {"t": f"wedsync.{table}"}),
    )

    assert rows == [{"granted": False}]
