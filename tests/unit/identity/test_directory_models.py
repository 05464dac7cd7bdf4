"""What the directory takes, field by field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from wedsync.identity.directory_models import (
    Organization,
    OrganizationMember,
    Stated,
    User,
    Wedding,
    WeddingMember,
)

SOME_ID = "0190a000-0000-7000-8000-000000000001"
GOOD: dict[type[Stated], dict[str, Any]] = {
    Organization: {"name": "Bloom", "kind": "vendor", "verified": True},
    User: {"display_name": "Rosa", "email": "rosa@example.com"},
    OrganizationMember: {"role": "owner"},
    Wedding: {
        "organization_id": SOME_ID,
        "title": "Rosa & Tom",
        "wedding_date": "2026-09-12",
        "time_zone": "Europe/Lisbon",
        "status": "planned",
    },
    WeddingMember: {"role": "planner"},
}

GOOD_VALUES: list[tuple[type[Stated], str, list[Any]]] = [
    (Organization, "kind", ["vendor", "planner", "venue", "couple", "platform"]),
    (Organization, "name", ["B", "x" * 200, "Bloom & Wild", "花屋", "Zoë <Flowers>"]),
    (
        User,
        "email",
        ["a@b.co", "first.last+tag@sub.example.com", "o'hara@example.com", "x@xn--bcher-kva.example"],
    ),
    (User, "phone", [None, "+351912345678", "+14155550100"]),
    (User, "locale", ["en", "pt-PT", "zh-Hant-TW", "gsw"]),
    (User, "time_zone", ["UTC", "Europe/Lisbon", "America/Argentina/Buenos_Aires", "Etc/GMT+5"]),
    (Wedding, "wedding_date", ["2026-09-12", "2028-02-29"]),
    (Wedding, "starts_at", [None, "2026-09-12T14:00:00Z", "2026-09-12T14:00:00.123+01:00"]),
    (Wedding, "status", ["planned", "postponed", "cancelled", "completed"]),
    (Wedding, "venue", [None, "x" * 500]),
    (WeddingMember, "lead", [True, False]),
    (WeddingMember, "service", [None, "flowers"]),
]

BAD_NAMES = [
    None,
    "",
    "   ",
    5,
    ["x"],
    "x" * 201,
    "a\nb",
    "a\x00b",
    "a\x1bb",
    "a\u202eb",
    "a\u2066b",
    "a\u2028b",
]
BAD_VALUES: list[tuple[type[Stated], str, list[Any]]] = [
    (Organization, "name", BAD_NAMES),
    (Organization, "kind", [None, "", "Vendor", "florist", 1]),
    (Organization, "verified", [None, "true", 1, "yes"]),
    (User, "display_name", BAD_NAMES),
    (
        User,
        "email",
        [
            None,
            "",
            "rosa",
            "rosa@",
            "@example.com",
            "rosa@example",
            "rosa@-example.com",
            "rosa@example..com",
            "rosa@@example.com",
            "Rosa <rosa@example.com>",
            "rosa@example.com, tom@example.com",
            "rosa@example.com\n",
            "rosa@example.com\r\nBcc: all@example.com",
            "ro sa@example.com",
            "rosa@exämple.com",
            f"{'x' * 65}@example.com",
            f"x@{'y.' * 130}com",
        ],
    ),
    (
        User,
        "phone",
        [
            "",
            "912345678",
            "00351912345678",
            "+0123456789",
            "+351 912 345 678",
            "+12345",
            "+1234567890123456",
            351,
            "+35191234567\u0661",
            "+351912345678\n",
        ],
    ),
    (User, "locale", [None, "", "e", "english-of-england-and-wales", "en_GB", "en-", "-en", "e1", "x" * 36]),
    (
        User,
        "time_zone",
        [
            None,
            "",
            "Lisbon",
            "europe/lisbon",
            "Europe/Nowhere",
            "../etc/passwd",
            "/etc/localtime",
            "UTC+1",
            "Europe",
            "Factory",
            "localtime",
            "Europe/Lisbon\n",
            "CET-1CEST",
            "Europe/../UTC",
            "A" * 65,
        ],
    ),
    (Wedding, "organization_id", [None, "", "x", 1]),
    (
        Wedding,
        "wedding_date",
        [None, "", 0, "0", "1780000000", "12.09.2026", "2026-9-1", "2026-02-30", "9999-01-01"],
    ),
    (
        Wedding,
        "starts_at",
        [
            "",
            0,
            "0",
            "1780000000",
            "2026-09-12",
            "2026-09-12T14:00:00",
            "2026-09-12T25:00:00Z",
            "0001-01-01T00:00:00Z",
            "2026-09-12 14:00:00Z",
            "2026-09-12T14:00:00+99:00",
            True,
        ],
    ),
    (Wedding, "status", [None, "", "active"]),
    (Wedding, "venue", ["", " ", "x" * 501, "a\tb"]),
    (WeddingMember, "role", [None, "", "guest", "owner"]),
    (WeddingMember, "service", ["", "x" * 101, 5]),
    (WeddingMember, "lead", [None, "true", 1]),
    (OrganizationMember, "role", [None, "", "planner"]),
]


def cases(table: list[tuple[type[Stated], str, list[Any]]]) -> list[Any]:
    return [
        pytest.param(model, field, value, id=f"{model.__name__}.{field}-{str(value)[:20]!a}")
        for model, field, values in table
        for value in values
    ]


def wrong_fields(model: type[Stated], stated: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as refusal:
        model.model_validate(stated)
    return [".".join(map(str, error["loc"])) for error in refusal.value.errors()]


@pytest.mark.parametrize(("model", "field", "value"), cases(GOOD_VALUES))
def test_a_good_value_is_taken_as_it_is(model: type[Stated], field: str, value: Any) -> None:
    taken = model.model_validate({**GOOD[model], field: value})

    if field != "starts_at":
        assert taken.model_dump(mode="json")[field] == value


@pytest.mark.parametrize(("model", "field", "value"), cases(BAD_VALUES))
def test_a_bad_value_is_refused_by_name(model: type[Stated], field: str, value: Any) -> None:
    assert wrong_fields(model, {**GOOD[model], field: value}) == [field]


@pytest.mark.parametrize("model", GOOD)
def test_what_is_not_known_is_refused(model: type[Stated]) -> None:
    assert wrong_fields(model, {**GOOD[model], "admin": True}) == ["admin"]


def test_a_name_is_stored_composed_and_without_edges() -> None:
    stated = Organization.model_validate({**GOOD[Organization], "name": "  Zoe\u0308 "})

    assert stated.name == "Zoë"


def test_times_are_told_in_utc() -> None:
    stated = Wedding.model_validate({**GOOD[Wedding], "starts_at": "2026-09-12T14:00:00.5+01:00"})

    assert stated.model_dump(mode="json")["starts_at"] == "2026-09-12T13:00:00.500Z"


def test_a_wedding_does_not_end_before_it_starts() -> None:
    start, end = "2026-09-12T14:00:00Z", "2026-09-12T15:00:00+01:00"

    assert wrong_fields(Wedding, {**GOOD[Wedding], "starts_at": start, "ends_at": end}) == ["ends_at"]
    assert Wedding.model_validate({**GOOD[Wedding], "ends_at": end})


def test_a_vendor_is_there_for_an_organization() -> None:
    assert wrong_fields(WeddingMember, {"role": "vendor"}) == ["organization_id"]
    assert WeddingMember.model_validate({"role": "vendor", "organization_id": SOME_ID})


def test_only_planners_and_coordinators_lead() -> None:
    assert wrong_fields(WeddingMember, {"role": "couple", "lead": True}) == ["lead"]
    for role in ("planner", "coordinator"):
        assert WeddingMember.model_validate({"role": role, "lead": True})


@given(st.text())
def test_a_name_that_is_taken_is_one_line_that_can_be_stored(name: str) -> None:
    try:
        taken = Organization.model_validate({**GOOD[Organization], "name": name}).name
    except ValidationError:
        return

    assert taken == taken.strip() != ""
    assert len(taken.splitlines()) == 1
    taken.encode("utf-8")
