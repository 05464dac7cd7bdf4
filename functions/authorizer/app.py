"""Who may come in: bearer tokens for the REST API, one-time tickets for `$connect`.

API Gateway makes a 401 only of an exception that says exactly "Unauthorized", and a 403 of a Deny.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from wedsync.identity.origins import allowed
from wedsync.identity.principals import Principal
from wedsync.identity.tickets import redeem
from wedsync.identity.tokens import bearer_token, trust, verify
from wedsync.platform.errors import Unauthenticated
from wedsync.platform.observability import bind, logger
from wedsync.platform.settings import settings

Answer = dict[str, Any]


def handler(event: Mapping[str, Any], context: object) -> Answer:
    """The policy for a request authorizer event of either API. Raises Exception("Unauthorized")."""
    request = event["requestContext"]
    bind(request_id=request.get("requestId"))
    try:
        if request.get("routeKey") == "$connect":
            return _connect(event)
        return _request(event)
    except Unauthenticated as refusal:
        logger().info("refused", extra={"reason": refusal.detail})
        raise Exception("Unauthorized") from None


def _request(event: Mapping[str, Any]) -> Answer:
    """Allows the whole stage: the gateway keeps the answer for this token, whatever it asks next."""
    token = bearer_token(_only(event.get("multiValueHeaders"), "authorization"))
    principal = verify(token, trust())
    api, stage = str(event["methodArn"]).split("/")[:2]
    return _policy("Allow", f"{api}/{stage}/*/*", principal, {})


def _connect(event: Mapping[str, Any]) -> Answer:
    """Allows this one connection; a page of somebody else's is denied before its ticket is spent."""
    if not allowed(_only(event.get("multiValueHeaders"), "origin"), settings().allowed_origins):
        logger().info("refused", extra={"reason": "foreign origin"})
        return _policy("Deny", event["methodArn"], None, {})
    device_id = _only(event.get("multiValueQueryStringParameters"), "device_id") or ""
    ticket = _only(event.get("multiValueQueryStringParameters"), "ticket") or ""
    principal = redeem(ticket, device_id)
    return _policy("Allow", event["methodArn"], principal, {"device_id": device_id})


def _only(values: Mapping[str, list[str]] | None, name: str) -> str | None:
    """The value of a header or parameter. Raises Unauthenticated if it was sent more than once."""
    found = [value for key, sent in (values or {}).items() if key.lower() == name for value in sent]
    if len(found) > 1:
        raise Unauthenticated(f"{name} sent more than once")
    return found[0] if found else None


def _policy(
    effect: Literal["Allow", "Deny"], resource: str, principal: Principal | None, more: Mapping[str, str]
) -> Answer:
    """The answer API Gateway expects; context values are flat strings (AWS: nothing else arrives)."""
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    context: dict[str, str] = {**more}
    if principal:
        context |= {
            "user_id": str(principal.user_id),
            "kind": principal.kind,
            "scope": " ".join(sorted(principal.scopes)),
            "expires_at": str(principal.expires_at),
        }
    return {
        "principalId": context.get("user_id", "stranger"),
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": context,
    }
