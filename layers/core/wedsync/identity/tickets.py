"""One-time tickets: a socket is opened with one, so that no token ever stands in a URL.

The connections table keeps the hash of a ticket for 60 seconds. Redeeming deletes it, so of two
who come with the same ticket one is let in (OWASP ASVS 5 V4.4.3).
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from typing import Any

from wedsync.identity.principals import Principal, kind_of
from wedsync.platform import aws
from wedsync.platform.errors import Unauthenticated, Unavailable
from wedsync.platform.ids import parse_uuid
from wedsync.platform.settings import settings

LIFETIME_SECONDS = 60
DEVICE_ID = r"^[A-Za-z0-9._:-]{1,64}$"  # how a client names its device; a UUID fits
_TICKET_BYTES = 32
_TICKET = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def issue(principal: Principal, device_id: str) -> str:
    """A ticket with which this person may open one socket on this device within 60 s. Raises Unavailable."""
    ticket = secrets.token_urlsafe(_TICKET_BYTES)
    expires_at = int(time.time()) + LIFETIME_SECONDS
    item = {
        "pk": {"S": _key(ticket)},
        "user_id": {"S": str(principal.user_id)},
        "device_id": {"S": device_id},
        "scope": {"S": " ".join(sorted(principal.scopes))},
        "token_expires_at": {"N": str(principal.expires_at)},
        "ticket_expires_at": {"N": str(expires_at)},
        "ttl": {"N": str(expires_at)},
    }
    _call("PutItem", {"Item": item})
    return ticket


def redeem(ticket: str, device_id: str) -> Principal:
    """Whom the ticket stands for; it cannot be used again, whatever comes of it.

    Raises Unauthenticated if it is unknown, used, expired (DynamoDB deletes late, so the time is
    compared here), or was given to another device: then somebody else holds it. Raises Unavailable.
    """
    if not _TICKET.fullmatch(ticket):
        raise Unauthenticated("not a ticket")
    request = {"Key": {"pk": {"S": _key(ticket)}}, "ReturnValues": "ALL_OLD"}
    item: dict[str, dict[str, str]] = _call("DeleteItem", request).get("Attributes", {})
    if not item:
        raise Unauthenticated("ticket unknown or used")
    now = time.time()
    if int(item["ticket_expires_at"]["N"]) <= now or int(item["token_expires_at"]["N"]) <= now:
        raise Unauthenticated("ticket expired")
    if item["device_id"]["S"] != device_id:
        raise Unauthenticated("ticket of another device")
    scopes = frozenset(item["scope"]["S"].split())
    user_id = parse_uuid(item["user_id"]["S"], Unauthenticated)
    return Principal(user_id, kind_of(scopes), scopes, int(item["token_expires_at"]["N"]))


def _call(operation: str, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return aws.call("dynamodb", operation, {"TableName": settings().connections_table, **request})
    except aws.AwsError as error:
        raise Unavailable("tickets cannot be had at the moment") from error


def _key(ticket: str) -> str:
    return f"T#{hashlib.sha256(ticket.encode('ascii')).hexdigest()}"
