"""Everything that arrives on a WebSocket. Identity stands in the authorizer's context of every event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import actions

from wedsync.platform.errors import Problem, Unauthenticated
from wedsync.platform.observability import bind
from wedsync.realtime import frames, poster, sessions
from wedsync.realtime.protocol import encode

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
    name = request["routeKey"]
    act = actions.ACTIONS.get(name, actions.unknown)
    try:
        frame = act(sessions.session(request), body)
    except Unauthenticated:
        sessions.end([request["connectionId"]], sessions.TOKEN_EXPIRED)
        return OK
    except Problem as problem:
        frame = encode(frames.refusal(problem, body))
    if frame is None:
        return OK
    if name in actions.TWO_WAY:
        return OK | {"body": frame.decode()}
    poster.post(frame, [request["connectionId"]], seconds=1.0)
    return OK
