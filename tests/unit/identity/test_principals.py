"""The caller as a handler sees him."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from wedsync.identity.principals import Principal, from_authorizer
from wedsync.platform.errors import Forbidden, Unauthenticated

SOMEBODY = "019a0000-0000-7000-8000-000000000001"
NOON = datetime(2026, 6, 6, 12, tzinfo=UTC)
CONTEXT = {
    "user_id": SOMEBODY,
    "kind": "user",
    "scope": "openid",
    "expires_at": str(int(NOON.timestamp()) + 1),
}


def test_the_authorizer_says_who_is_asking() -> None:
    principal = from_authorizer({**CONTEXT, "principalId": SOMEBODY, "integrationLatency": 7}, NOON)

    assert principal == Principal(UUID(SOMEBODY), "user", frozenset({"openid"}), int(NOON.timestamp()) + 1)


def test_the_kind_follows_from_the_scope() -> None:
    assert from_authorizer({**CONTEXT, "scope": "a service"}, NOON).kind == "service"
    assert from_authorizer({**CONTEXT, "scope": "", "kind": "service"}, NOON).kind == "user"


@pytest.mark.parametrize(
    "expires_at", [int(NOON.timestamp()), int(NOON.timestamp()) - 1, 0, "", "soon", None, "1e99"]
)
def test_a_token_that_expired_in_the_gateways_cache_is_refused(expires_at: object) -> None:
    with pytest.raises(Unauthenticated):
        from_authorizer({**CONTEXT, "expires_at": expires_at}, NOON)


@pytest.mark.parametrize("user_id", ["", "emma", None, 5])
def test_a_context_without_a_user_is_refused(user_id: object) -> None:
    with pytest.raises(Unauthenticated):
        from_authorizer({**CONTEXT, "user_id": user_id}, NOON)


def test_no_authorizer_is_nobody() -> None:
    with pytest.raises(Unauthenticated):
        from_authorizer({}, NOON)


def test_only_a_service_is_a_service() -> None:
    from_authorizer({**CONTEXT, "scope": "service"}, NOON).require_service()
    for scope in ("", "support", "openid"):
        with pytest.raises(Forbidden):
            from_authorizer({**CONTEXT, "scope": scope}, NOON).require_service()
