"""Who is asking: what a verified token or ticket says, and nothing else.

Roles and memberships are not here: the database looks them up (R5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from wedsync.platform.errors import Forbidden, Unauthenticated
from wedsync.platform.ids import parse_uuid

Kind = Literal["user", "service", "support"]


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller; `expires_at` is the token's expiry in seconds since 1970."""

    user_id: UUID
    kind: Kind
    scopes: frozenset[str]
    expires_at: int

    def require_service(self) -> None:
        """Raises Forbidden unless the platform's back end is asking."""
        if self.kind != "service":
            raise Forbidden("the scope 'service' is needed")


def kind_of(scopes: frozenset[str]) -> Kind:
    """The kind a scope claim stands for; a token that claims both is a plain service."""
    if "service" in scopes:
        return "service"
    return "support" if "support" in scopes else "user"


def from_authorizer(context: Mapping[str, object], now: datetime) -> Principal:
    """The principal of a request, from `requestContext.authorizer`.

    Checks the expiry again, because the gateway caches an authorizer's answer for up to 60 s. Raises
    Unauthenticated.
    """
    principal = stated(context)
    if principal.expires_at <= now.timestamp():
        raise Unauthenticated("the token has expired")
    return principal


def stated(context: Mapping[str, object]) -> Principal:
    """Whom `requestContext.authorizer` names, expired or not. Raises Unauthenticated if it names nobody."""
    scopes = frozenset(str(context.get("scope", "")).split())
    try:
        expires_at = int(str(context.get("expires_at", "")))
    except ValueError:
        raise Unauthenticated from None
    user_id = parse_uuid(str(context.get("user_id", "")), Unauthenticated)
    return Principal(user_id, kind_of(scopes), scopes, expires_at)
