"""What the directory refuses: each time with the documented problem, and nothing is stored."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.postgres import Database
from tests.fixtures.rest_api import Put, Rest
from tests.fixtures.wedding import (
    ANA,
    CARLO,
    FEAST,
    FLORA,
    HART,
    PETRA,
    SERVICE,
    WEDDING,
    behind,
    new_id,
)

pytestmark = pytest.mark.usefixtures("wedding")

USER = {"display_name": "Rosa Vale", "email": "rosa@example.com"}
UNKNOWN = "0190a000-0000-7000-8000-00000000ffff"
MEMBER = {"role": "planner"}


def counts(database: Database) -> dict[str, int]:
    """How many rows each table of the directory has."""
    rows = behind(
        database,
        """
        select (select count(*) from wedsync.organizations)        as organizations,
               (select count(*) from wedsync.users)                as users,
               (select count(*) from wedsync.contact_points)       as contact_points,
               (select count(*) from wedsync.organization_members) as organization_members,
               (select count(*) from wedsync.weddings)             as weddings,
               (select count(*) from wedsync.wedding_members)      as wedding_members,
               (select count(*) from wedsync.audit_log)            as audit
        """,
    )
    return rows[0]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (f"organizations/{UNKNOWN}/members/{ANA.user_id}", {"role": "member"}, "organization_id"),
        (f"organizations/{HART}/members/{UNKNOWN}", {"role": "member"}, "user_id"),
        (f"weddings/{UNKNOWN}/members/{ANA.user_id}", MEMBER, "wedding_id"),
        (f"weddings/{WEDDING}/members/{UNKNOWN}", MEMBER, "user_id"),
        (
            f"weddings/{WEDDING}/members/{ANA.user_id}",
            {"role": "planner", "organization_id": UNKNOWN},
            "organization_id",
        ),
        (
            f"weddings/{WEDDING}/members/{FLORA.user_id}",
            {"role": "vendor", "organization_id": str(FEAST)},
            "organization_id",
        ),
        (
            f"weddings/{WEDDING}/members/{PETRA.user_id}",
            {"role": "vendor", "organization_id": str(HART)},
            "organization_id",
        ),
        (
            f"weddings/{UNKNOWN}",
            {
                "organization_id": UNKNOWN,
                "title": "x",
                "wedding_date": "2026-09-12",
                "time_zone": "UTC",
                "status": "planned",
            },
            "organization_id",
        ),
    ],
)
def test_an_unknown_reference_is_named_and_nothing_is_stored(
    put: Put, wedding: Database, path: str, body: dict[str, Any], field: str
) -> None:
    before = counts(wedding)

    answer = put(path, body)

    assert answer.status == 422
    assert answer.body["code"] == "invalid"
    assert [error["field"] for error in answer.body["errors"]] == [field]
    assert counts(wedding) == before


def test_an_unverified_vendor_joins_no_wedding(put: Put, wedding: Database) -> None:
    organization_id, user_id = new_id(), new_id()
    put(f"users/{user_id}", USER)
    put(f"organizations/{organization_id}", {"name": "New here", "kind": "vendor", "verified": False})
    put(f"organizations/{organization_id}/members/{user_id}", {"role": "owner"})
    before = counts(wedding)

    stated = {"role": "vendor", "organization_id": str(organization_id)}
    answer = put(f"weddings/{WEDDING}/members/{user_id}", stated)

    assert answer.status == 422
    assert counts(wedding) == before


WRITES = [
    ("PUT", f"organizations/{HART}", {"name": "Mine now", "kind": "planner", "verified": True}),
    ("PUT", f"users/{ANA.user_id}", USER),
    ("PUT", f"organizations/{HART}/members/{CARLO.user_id}", {"role": "owner"}),
    ("DELETE", f"organizations/{HART}/members/{PETRA.user_id}", None),
    (
        "PUT",
        f"weddings/{WEDDING}",
        {
            "organization_id": str(HART),
            "title": "x",
            "wedding_date": "2026-09-12",
            "time_zone": "UTC",
            "status": "cancelled",
        },
    ),
    ("PUT", f"weddings/{WEDDING}/members/{CARLO.user_id}", {"role": "couple"}),
    ("DELETE", f"weddings/{WEDDING}/members/{FLORA.user_id}", None),
]


@pytest.mark.parametrize("scope", ["", "support", "openid services"])
@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_only_the_platforms_back_end_states_anything(
    rest: Rest, wedding: Database, method: str, path: str, body: dict[str, Any] | None, scope: str
) -> None:
    before = counts(wedding)

    answer = rest(method, f"/directory/{path}", body, user_id=ANA.user_id, scope=scope)

    assert answer.status == 403
    assert answer.body["code"] == "forbidden"
    assert counts(wedding) == before


def test_without_the_scope_not_even_a_bad_body_is_answered_differently(rest: Rest) -> None:
    answers = [
        rest("PUT", f"/directory/users/{path}", body, user_id=ANA.user_id)
        for path, body in (("not-an-id", USER), (str(ANA.user_id), {"x": 1}), (str(ANA.user_id), None))
    ]

    assert [answer.status for answer in answers] == [403, 403, 403]


def test_without_a_verified_identity_nothing_is_answered(rest: Rest) -> None:
    assert rest("GET", "/me").status == 401
    assert rest("PUT", f"/directory/users/{ANA.user_id}", USER).status == 401
    assert rest("POST", "/realtime/tickets", {"device_id": "phone"}).status == 401


@pytest.mark.parametrize("path", ["users/emma", "users/1", f"organizations/{HART}/members/me"])
def test_an_id_that_is_none_is_refused(put: Put, path: str) -> None:
    answer = put(path, USER)

    assert answer.status == 422
    assert answer.body["errors"][0]["field"] == "id"


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        ("", 400, "malformed"),
        ("{", 400, "malformed"),
        ('{"email": "a@b.co", "email": "c@d.co"}', 400, "malformed"),
        ("[]", 422, "invalid"),
        ('"text"', 422, "invalid"),
        ('{"display_name": "R"}', 422, "invalid"),
        ('{"display_name": "R", "email": "r@example.com", "admin": true}', 422, "invalid"),
    ],
)
def test_a_bad_body_is_refused_and_nothing_is_stored(
    rest: Rest, wedding: Database, raw: str, status: int, code: str
) -> None:
    before = counts(wedding)

    answer = rest("PUT", f"/directory/users/{new_id()}", raw=raw, user_id=SERVICE.user_id, scope="service")

    assert (answer.status, answer.body["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert counts(wedding) == before


def test_a_foreign_page_states_nothing(rest: Rest, wedding: Database) -> None:
    before = counts(wedding)

    answer = rest(
        "PUT",
        f"/directory/users/{new_id()}",
        USER,
        user_id=SERVICE.user_id,
        scope="service",
        headers={"Origin": "https://evil.example"},
    )

    assert (answer.status, answer.body["code"]) == (403, "forbidden")
    assert counts(wedding) == before
