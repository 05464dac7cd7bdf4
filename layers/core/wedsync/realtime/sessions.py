"""The life of a socket: it takes its device's place, and it ends with a reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from wedsync.identity.principals import Principal, stated
from wedsync.identity.tickets import redeem
from wedsync.platform import aws
from wedsync.platform.clock import now
from wedsync.platform.errors import FieldError, Invalid, Malformed, Unauthenticated, Unavailable
from wedsync.platform.observability import logger
from wedsync.realtime import connections, poster
from wedsync.realtime.connection_frames import ByeFrame
from wedsync.realtime.connections import Connection
from wedsync.realtime.protocol import SUBPROTOCOL, encode

TOKEN_EXPIRED: ByeFrame = {
    "type": "bye",
    "code": 4001,
    "reason": "the token has expired",
    "retry": {"min_ms": 0, "max_ms": 1000},
}
REVOKED: ByeFrame = {
    "type": "bye",
    "code": 4003,
    "reason": "nothing here is yours any more",
}
REPLACED: ByeFrame = {
    "type": "bye",
    "code": 4009,
    "reason": "this device has a newer connection",
}
CROWDED_OUT: ByeFrame = {
    "type": "bye",
    "code": 4009,
    "reason": "too many devices are connected",
}
UNKNOWN: ByeFrame = {
    "type": "bye",
    "code": 4010,
    "reason": "the connection is not known any more",
    "retry": {"min_ms": 1000, "max_ms": 20_000},
}

RENEWALS_KEPT = 1_000
_renewals: dict[str, int] = {}  # until when connections live, as the table said after a renewal; oldest first


@dataclass(frozen=True, slots=True)
class Session:
    """Who speaks on which connection, and when the gateway had what he said, in seconds since 1970."""

    principal: Principal
    connection: Connection
    asked_at: float


def session(request: Mapping[str, Any]) -> Session:
    """From an event's `requestContext`: the authorizer's context stands on every frame, as it was at `$connect`.

    Its expiry may have been renewed since, and only then is the connection looked up, once for each renewal. Raises
    Unauthenticated once the identity has expired, Unavailable if that cannot be told.
    """
    context = request["authorizer"]
    principal = stated(context)
    connection = connections.opened(
        principal.user_id,
        str(context["device_id"]),
        request["connectionId"],
        principal.expires_at,
        at=request["connectedAt"] // 1000,
    )
    if principal.expires_at <= now().timestamp():
        until = _renewed_until(connection)
        connection, principal = replace(connection, expires_at=until), replace(principal, expires_at=until)
    return Session(principal, connection, request["requestTimeEpoch"] / 1000)


def _renewed_until(connection: Connection) -> int:
    """What the table has said once holds: renewing never shortens."""
    known = _renewals.get(connection.connection_id, 0)
    if known > now().timestamp():
        return known
    try:
        kept = connections.stored(connection)
    except aws.AwsError as error:
        logger().warning("connection unknown", extra={"code": error.code})
        raise Unavailable from error
    if kept is None or kept.expires_at <= now().timestamp():
        raise Unauthenticated("the token has expired")
    if len(_renewals) >= RENEWALS_KEPT:
        _renewals.pop(next(iter(_renewals)))
    _renewals[connection.connection_id] = kept.expires_at
    return kept.expires_at


def renew(session: Session, ticket: str) -> datetime | None:
    """Let the connection live as long as the token behind this ticket, two hours at most; until when it does.

    None if it is not registered: it hears so, and has to come again. Raises Invalid unless the ticket is good
    and of the same person, scopes and device, and Unavailable.
    """
    here = session.connection
    try:
        principal = redeem(ticket, here.device_id)
    except Unauthenticated:
        principal = None
    if principal is None or replace(principal, expires_at=session.principal.expires_at) != session.principal:
        raise Invalid(errors=(FieldError("ticket", "unknown, used, expired, or not of this connection"),))
    asked = connections.opened(
        here.user_id, here.device_id, here.connection_id, principal.expires_at, at=here.connected_at
    )
    try:
        kept = connections.prolong(asked)
    except aws.AwsError as error:
        logger().warning("connection not renewed", extra={"code": error.code})
        raise Unavailable from error
    if kept is None:
        end([here.connection_id], UNKNOWN)
        return None
    return datetime.fromtimestamp(kept.expires_at, UTC)


def connect(request: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, str]:
    """Register the connection before its handshake is answered (R22); the headers of the answer.

    Those whose place it takes hear so when it syncs: a handshake that fails must not cost the socket there is.
    Raises Unauthenticated, Malformed if none of the sub-protocols offered is ours, and Unavailable: a connection
    that is not registered would hear nothing.
    """
    chosen = _subprotocol(headers)
    opening = session(request).connection
    try:
        connections.register(opening)
    except aws.AwsError as error:
        logger().error("connection not registered", extra={"code": error.code})
        raise Unavailable from error
    return chosen


def disconnect(request: Mapping[str, Any]) -> None:
    """Forget the connection. Best effort, as `$disconnect` itself is: expiry and 410 do the rest."""
    context = request["authorizer"]
    gone = connections.opened(UUID(context["user_id"]), str(context["device_id"]), request["connectionId"], 0)
    try:
        connections.remove(gone)
    except aws.AwsError as error:
        logger().warning("connection left to its expiry", extra={"code": error.code})


def show_out(people: Collection[UUID]) -> None:
    """End all connections of those to whom nothing is left. Best effort: whoever stays hears nothing all the same."""
    if not people:
        return
    try:
        found = connections.find(people)
        end([each.connection_id for each in found], REVOKED)
        for each in found:
            connections.remove(each)
    except aws.AwsError as error:
        logger().warning("connections left open", extra={"code": error.code})


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
