"""Everything that arrives on a WebSocket. Identity stands in the authorizer's context of every event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wedsync.conversations import cursors, messages
from wedsync.platform.errors import Problem, Unauthenticated
from wedsync.platform.observability import bind
from wedsync.realtime import broadcast, frames, poster, sessions, sync
from wedsync.realtime.protocol import Ack, Read, Send, Sync, encode
from wedsync.realtime.sessions import Session

OK = {"statusCode": 200}


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """The answer: of the handshake, or the frame that a two-way route sends back."""
    request = event["requestContext"]
    bind(request_id=request["requestId"], connection_id=request["connectionId"], route=request["routeKey"])
    match request["eventType"]:
        case "CONNECT":
            return _connect(request, event.get("headers") or {})
        case "DISCONNECT":
            sessions.disconnect(request)
            return OK
        case _:
            return _message(request, event.get("body") or "")


def _connect(request: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    try:
        return OK | {"headers": sessions.connect(request, headers)}
    except Problem as problem:
        return {"statusCode": problem.status}


def _message(request: Mapping[str, Any], body: str) -> dict[str, Any]:
    route = ROUTES.get(request["routeKey"], _unknown)
    try:
        frame = route(sessions.session(request), body)
    except Unauthenticated:
        sessions.end([request["connectionId"]], sessions.TOKEN_EXPIRED)
        return OK
    except Problem as problem:
        frame = encode(frames.refusal(problem, body))
    if route is _send and frame:  # the only two-way route
        return OK | {"body": frame.decode()}
    if frame:
        poster.post(frame, [request["connectionId"]], seconds=1.0)
    return OK


def _sync(session: Session, body: str) -> None:
    sync.catch_up(session, frames.parse(Sync, body))


def _send(session: Session, body: str) -> bytes:
    asked = frames.parse(Send, body)
    sent = broadcast.deliver(messages.send(session.principal, asked.thread_id, asked.messages))
    return encode(frames.sent(asked, sent))


def _ack(session: Session, body: str) -> None:
    asked = frames.parse(Ack, body)
    cursors.acknowledge(session.principal, asked.epoch, asked.cursors)


def _read(session: Session, body: str) -> None:
    asked = frames.parse(Read, body)
    cursors.read(session.principal, asked.thread_id, asked.epoch, asked.seq)


def _unknown(_: Session, body: str) -> bytes:
    return encode(frames.unroutable(body))


Route = Callable[[Session, str], bytes | None]
ROUTES: Mapping[str, Route] = {"sync": _sync, "send": _send, "ack": _ack, "read": _read}
