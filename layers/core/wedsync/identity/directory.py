"""The directory: people, organizations, weddings and who belongs to them, as the platform states them.

A statement replaces the whole resource. What follows from taking a member away lies in the threads:
see `wedsync.conversations.participants`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from typing_extensions import TypedDict

from wedsync.identity import directory_sql
from wedsync.identity.directory_models import (
    Organization,
    OrganizationMember,
    Stated,
    User,
    Wedding,
)
from wedsync.identity.principals import Principal
from wedsync.platform.db import Rows, transaction


@dataclass(frozen=True, slots=True)
class Stored:
    """A resource as it is now, and whether it is new."""

    resource: dict[str, Any]
    created: bool


class Membership(TypedDict):
    organization_id: str
    name: str
    kind: str
    role: str


class Engagement(TypedDict):
    wedding_id: str
    title: str
    wedding_date: str
    role: str
    lead: bool
    service: str | None


class Profile(TypedDict):
    """What the directory knows of a person; all null and empty for one it does not know."""

    user_id: str
    display_name: str | None
    email: str | None
    phone: str | None
    locale: str | None
    time_zone: str | None
    organizations: list[Membership]
    weddings: list[Engagement]


def put_organization(who: Principal, organization_id: UUID, stated: Organization) -> Stored:
    """Raises Forbidden unless a service asks."""
    return _put(who, directory_sql.PUT_ORGANIZATION, {"id": organization_id}, stated)


def put_user(who: Principal, user_id: UUID, stated: User) -> Stored:
    """The addresses stated here replace those stated before. Raises Forbidden unless a service asks."""
    return _put(who, directory_sql.PUT_USER, {"id": user_id}, stated)


def put_organization_member(
    who: Principal, organization_id: UUID, user_id: UUID, stated: OrganizationMember
) -> Stored:
    """Raises Forbidden unless a service asks, Invalid for an organization or user that is unknown."""
    named = {"organization_id": organization_id, "user_id": user_id}
    return _put(who, directory_sql.PUT_ORGANIZATION_MEMBER, named, stated)


def put_wedding(who: Principal, wedding_id: UUID, stated: Wedding) -> Stored:
    """Raises Forbidden unless a service asks, Invalid for an organization that is unknown."""
    return _put(who, directory_sql.PUT_WEDDING, {"id": wedding_id}, stated)


def profile(who: Principal) -> Profile:
    """The caller as the directory knows him; a valid token of somebody it does not know is no error (R5)."""
    users, contact_points, organizations, weddings = transaction(
        who,
        (directory_sql.MY_USER, {}),
        (directory_sql.MY_CONTACT_POINTS, {}),
        (directory_sql.MY_ORGANIZATIONS, {}),
        (directory_sql.MY_WEDDINGS, {}),
    )
    user: Mapping[str, Any] = users[0] if users else {}
    return {
        "user_id": str(who.user_id),
        "display_name": user.get("display_name"),
        "email": _address(contact_points, "email"),
        "phone": _address(contact_points, "phone"),
        "locale": user.get("locale"),
        "time_zone": user.get("time_zone"),
        "organizations": [_membership(row) for row in organizations],
        "weddings": [_engagement(row) for row in weddings],
    }


def _put(who: Principal, statement: LiteralString, named: Mapping[str, UUID], stated: Stated) -> Stored:
    who.require_service()
    (rows,) = transaction(who, (statement, {**named, **stated.model_dump()}))
    return stored(named, stated, rows)


def stored(named: Mapping[str, UUID], stated: Stated, rows: Rows) -> Stored:
    """The resource as stated, and whether the statement's row says that it is new."""
    names = {name: str(value) for name, value in named.items()}
    return Stored({**names, **stated.model_dump(mode="json")}, rows[0]["created"])


def _address(contact_points: Rows, channel: str) -> str | None:
    return next((row["address"] for row in contact_points if row["channel"] == channel), None)


def _membership(row: Mapping[str, Any]) -> Membership:
    return {
        "organization_id": str(row["organization_id"]),
        "name": row["name"],
        "kind": row["kind"],
        "role": row["role"],
    }


def _engagement(row: Mapping[str, Any]) -> Engagement:
    return {
        "wedding_id": str(row["wedding_id"]),
        "title": row["title"],
        "wedding_date": row["wedding_date"].isoformat(),
        "role": row["role"],
        "lead": row["lead"],
        "service": row["service"],
    }
