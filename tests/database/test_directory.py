"""The directory and /me: real routes, real statements, a real database."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.fixtures.postgres import Database
from tests.fixtures.rest_api import Put, Rest
from tests.fixtures.wedding import BLOOM, HART, PHIL, SERVICE, STRANGER, WEDDING, behind, new_id

pytestmark = pytest.mark.usefixtures("wedding")

USER = {"display_name": "Rosa Vale", "email": "rosa@example.com"}


def test_an_organization_is_created_and_then_replaced(put: Put) -> None:
    path = f"organizations/{new_id()}"
    stated = {"name": "Petal & Stem", "kind": "vendor", "verified": False}

    created = put(path, stated)
    replaced = put(path, {**stated, "name": "Petal and Stem", "verified": True})

    assert created.status == 201
    assert created.body == {"id": path.partition("/")[2], **stated}
    assert replaced.status == 200
    assert replaced.body["name"] == "Petal and Stem"
    assert replaced.body["verified"] is True


def test_a_user_is_replaced_with_all_his_addresses(put: Put, wedding: Database) -> None:
    user_id = new_id()
    path = f"users/{user_id}"

    created = put(path, {**USER, "phone": "+351912345678", "locale": "pt-PT", "time_zone": "Europe/Lisbon"})
    replaced = put(path, {**USER, "email": "rosa.vale@example.com"})

    assert created.status == 201
    assert created.body["time_zone"] == "Europe/Lisbon"
    assert replaced.status == 200
    assert replaced.body == {
        "id": str(user_id),
        "display_name": "Rosa Vale",
        "email": "rosa.vale@example.com",
        "phone": None,
        "locale": "en",
        "time_zone": "UTC",
    }
    stored = behind(
        wedding, "select channel, address from wedsync.contact_points where user_id = %(u)s", u=user_id
    )
    assert stored == [{"channel": "email", "address": "rosa.vale@example.com"}]


def test_a_wedding_is_stated_with_its_times_in_utc(put: Put) -> None:
    stated = {
        "organization_id": str(HART),
        "title": "Rosa & Tom",
        "wedding_date": "2026-09-12",
        "time_zone": "Europe/Lisbon",
        "starts_at": "2026-09-12T14:00:00+01:00",
        "ends_at": "2026-09-13T02:00:00Z",
        "venue": "Quinta da Serra",
        "status": "planned",
    }
    path = f"weddings/{new_id()}"

    created = put(path, stated)
    replaced = put(
        path, {name: stated[name] for name in stated if name not in ("starts_at", "ends_at", "venue")}
    )

    assert created.status == 201
    assert created.body == {
        **stated,
        "id": path.partition("/")[2],
        "starts_at": "2026-09-12T13:00:00.000Z",
        "ends_at": "2026-09-13T02:00:00.000Z",
    }
    assert replaced.status == 200
    assert replaced.body["venue"] is None
    assert replaced.body["starts_at"] is None


def test_people_join_organizations_and_weddings(put: Put) -> None:
    user_id = new_id()
    put(f"users/{user_id}", USER)

    joined = put(f"organizations/{BLOOM}/members/{user_id}", {"role": "member"})
    vendor = {"role": "vendor", "organization_id": str(BLOOM), "service": "flowers"}
    booked = put(f"weddings/{WEDDING}/members/{user_id}", vendor)
    again = put(f"weddings/{WEDDING}/members/{user_id}", {**vendor, "service": "wreaths"})

    assert (joined.status, joined.body) == (
        201,
        {"organization_id": str(BLOOM), "user_id": str(user_id), "role": "member"},
    )
    assert booked.status == 201
    assert booked.body == {"wedding_id": str(WEDDING), "user_id": str(user_id), "lead": False, **vendor}
    assert again.status == 200
    assert again.body["service"] == "wreaths"


def test_a_member_who_is_taken_away_is_gone_and_cannot_be_taken_away_twice(put: Put, rest: Rest) -> None:
    user_id = new_id()
    put(f"users/{user_id}", USER)
    put(f"organizations/{BLOOM}/members/{user_id}", {"role": "member"})
    put(f"weddings/{WEDDING}/members/{user_id}", {"role": "vendor", "organization_id": str(BLOOM)})
    service = {"user_id": SERVICE.user_id, "scope": "service"}

    removed = rest("DELETE", f"/directory/organizations/{BLOOM}/members/{user_id}", **service)

    assert (removed.status, removed.body) == (204, None)
    assert rest("GET", "/me", user_id=user_id).body["weddings"] == []
    for path in (f"organizations/{BLOOM}", f"weddings/{WEDDING}"):
        assert rest("DELETE", f"/directory/{path}/members/{user_id}", **service).status == 404


def test_a_person_sees_himself_where_he_belongs(rest: Rest) -> None:
    me = rest("GET", "/me", user_id=PHIL.user_id)

    assert me.status == 200
    assert {name: me.body[name] for name in ("user_id", "display_name", "email", "phone", "locale")} == {
        "user_id": str(PHIL.user_id),
        "display_name": "Phil Light",
        "email": "phil@example.com",
        "phone": "+447700900106",
        "locale": "en-GB",
    }
    assert [organization["name"] for organization in me.body["organizations"]] == ["Second Light Photography"]
    assert [wedding["title"] for wedding in me.body["weddings"]] == ["Ana & Ben", "Dina & Emil"]
    first = me.body["weddings"][0]
    assert (first["role"], first["lead"], first["service"]) == ("vendor", False, "photography")


def test_somebody_the_directory_does_not_know_is_nobody_and_no_error(rest: Rest) -> None:
    me = rest("GET", "/me", user_id=STRANGER.user_id)

    assert me.status == 200
    assert me.body == {
        "user_id": str(STRANGER.user_id),
        "display_name": None,
        "email": None,
        "phone": None,
        "locale": None,
        "time_zone": None,
        "organizations": [],
        "weddings": [],
    }


def test_a_service_token_shows_no_more_of_a_person(rest: Rest) -> None:
    me = rest("GET", "/me", user_id=UUID(int=5), scope="service")

    assert me.body["weddings"] == []
    assert me.body["organizations"] == []
