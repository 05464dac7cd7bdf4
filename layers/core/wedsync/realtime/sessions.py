"""The life of a socket: it takes its device's place, and it ends with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from wedsync.identity.principals import Principal, from_authorizer
from wedsync.platform import aws
from wedsync.platform.clock import now
from wedsync.platform.errors import Malformed, Unavailable
from wedsync.platform.observability import logger
from wedsync.realtime import connections, poster
from wedsync.realtime.connections import Connection
from wedsync.realtime.protocol import SUBPROTOCOL, ByeFrame, encode

TOKEN_EXPIRED: ByeFrame = {
    "type": "bye",
    "code": 4001,
    "reason": "the token has expired",
    "retry": {"min_ms": 0, "max_ms": 1000},
}
REPLACED: ByeFrame = {
    "type": "bye",
    "code": 4009,
    "reason": "too many connections, or this device has a newer one",
}
UNKNOWN: ByeFrame = {
    "type": "bye",
    "code": 4010,
    "reason": "the connection is not known any more",
    "retry": {"min_ms": 1000, "max_ms": 20_000},
}


@dataclass(frozen=True, slots=True)
class Session:
    """Who speaks on which connection."""

    principal: Principal
    connection: Connection


def session(request: Mapping[str, Any]) -> Session:
    """From an event's `requestContext`: the authorizer's context stands on every frame.

    Raises Unauthenticated once the token has expired.
    """
    context = request["authorizer"]
    principal = from_authorizer(context, now())
    connection = connections.opened(
        principal.user_id, str(context["device_id"]), request["connectionId"], principal.expires_at
    )
    return Session(principal, connection)


def connect(request: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, str]:
    """Register the connection before its handshake is answered (R22); the headers of the answer.

    Raises Unauthenticated, Malformed if none of the sub-protocols offered is ours, and Unavailable:
    a connection that is not registered would hear nothing.
    """
    chosen = _subprotocol(headers)
    opening = session(request).connection
    try:
        replaced = connections.register(opening)
    except aws.AwsError as error:
        logger().error("connection not registered", extra={"code": error.code})
        raise Unavailable from error
    if replaced:
        end([each.connection_id for each in replaced], REPLACED)
    return chosen


def disconnect(request: Mapping[str, Any]) -> None:
    """Forget the connection. Best effort, as `$disconnect` itself is: expiry and 410 do the rest."""
    context = request["authorizer"]
    gone = connections.opened(UUID(context["user_id"]), str(context["device_id"]), request["connectionId"], 0)
    try:
        connections.remove(gone)
    except aws.AwsError as error:
        logger().warning("connection left to its expiry", extra={"code": error.code})


def end(connection_ids: Sequence[str], reason: ByeFrame) -> None:
    """Say why, then close: API Gateway itself closes with 1000, whatever the reason."""
    poster.post(encode(reason), connection_ids, seconds=1.0)
    poster.close(connection_ids)


def _subprotocol(headers: Mapping[str, str]) -> dict[str, str]:
    """A browser that offers sub-protocols fails the handshake unless one of them comes back."""
    name = "Sec-WebSocket-Protocol"
    offered = next((value for key, value in headers.items() if key.lower() == name.lower()), "")
    if not offered:
        return {}
    if SUBPROTOCOL not in (each.strip() for each in offered.split(",")):
        raise Malformed(f"the sub-protocol is {SUBPROTOCOL}")
    return {name: SUBPROTOCOL}
