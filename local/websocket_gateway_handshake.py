"""Who may connect: the authorizer of `$connect`, then its integration, while the upgrade is pending."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from aiohttp import web

from local.gateway_authorizer import Authorizers
from local.gateway_context import compact_json, short_id
from local.gateway_invocation import invoke_within
from local.model import Invoker, LambdaIntegration, SocketApi
from local.websocket_gateway_events import Handshake, SocketEvents

_STATUS = {"UNAUTHORIZED": 401, "ACCESS_DENIED": 403}
# Service model of the rejections a client meets; AWS documents the statuses, not the bodies.
_MESSAGES = {401: "Unauthorized", 403: "Forbidden", 429: "Too Many Requests", 500: "Internal server error"}
_ERROR_TYPES = {
    401: "UnauthorizedException",
    403: "ForbiddenException",
    429: "LimitExceededException",
}


@dataclass(frozen=True, slots=True)
class Admitted:
    """Let in, with the authorizer context of every later event (None without an authorizer) and sub-protocol."""

    authorizer: Mapping[str, Any] | None
    protocol: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Turned away with this HTTP status."""

    status: int


class Admission:
    """Decides on upgrade requests of one API."""

    def __init__(self, api: SocketApi, invoker: Invoker, events: SocketEvents) -> None:
        self._route = api.routes.get("$connect")
        self._invoker = invoker
        self._events = events
        self._authorizers = Authorizers(invoker)

    async def decide(self, client: Handshake) -> Admitted | Refused:
        """Admitted when the authorizer allows and `$connect` answers 2xx."""
        route = self._route
        if route is None:
            return Admitted(None, None)
        context: Mapping[str, Any] | None = None
        if route.authorizer:
            verdict = await self._authorizers.decide(
                route.authorizer,
                client.identity(),
                self._events.connect_arn(),
                lambda: self._events.authorizer(client),
            )
            if verdict.refusal:
                return Refused(_STATUS.get(verdict.refusal, 500))
            context = verdict.context
        if not isinstance(route.integration, LambdaIntegration):
            return Admitted(context, None)
        return await self._connect(client, context, route.integration)

    async def _connect(
        self, client: Handshake, context: Mapping[str, Any] | None, integration: LambdaIntegration
    ) -> Admitted | Refused:
        event = self._events.connect(client, context)
        outcome = await invoke_within(
            self._invoker, integration.function, event, integration.timeout_ms / 1000
        )
        if outcome is None:
            return Refused(504)
        if outcome.throttled:
            return Refused(500)
        if not outcome.ok or not isinstance(outcome.payload, dict):
            return Refused(502)
        answer = cast("dict[str, Any]", outcome.payload)
        status = answer.get("statusCode")
        if isinstance(status, str) and status.isdigit():
            status = int(status)
        if not isinstance(status, int) or not 200 <= status <= 599:
            return Refused(502)
        return Admitted(context, _chosen_protocol(answer)) if status < 300 else Refused(status)


def _chosen_protocol(answer: Mapping[str, Any]) -> str | None:
    """The sub-protocol the function returned: nothing else is echoed, whatever the client offered."""
    headers = answer.get("headers")
    if not isinstance(headers, dict):
        return None
    for name, value in cast("dict[str, Any]", headers).items():
        if name.lower() == "sec-websocket-protocol" and isinstance(value, str):
            return value
    return None


def refusal(status: int, client: Handshake) -> web.Response:
    """The HTTP answer to an upgrade request that is turned away."""
    message = _MESSAGES.get(status) or HTTPStatus(status).phrase
    request_id = short_id()
    fields = {"message": message, "connectionId": client.connection_id, "requestId": request_id}
    headers = {"x-amzn-RequestId": request_id, "Content-Type": "application/json"}
    if status in _ERROR_TYPES:
        headers["x-amzn-ErrorType"] = _ERROR_TYPES[status]
    return web.Response(status=status, body=compact_json(fields).encode(), headers=headers)
