"""What happens to one frame of a client: route selection, integration, the answer where the route has one."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
from typing import Any, cast

from local.gateway_context import compact_json, short_id, substitute
from local.gateway_invocation import invoke_within
from local.gateway_throttle import TokenBucket
from local.model import Invoker, LambdaIntegration, MockIntegration, SocketApi, SocketRoute
from local.websocket_gateway_chaos import Chaos
from local.websocket_gateway_connections import Connection
from local.websocket_gateway_events import SocketEvents
from local.websocket_gateway_limits import SocketLimits

log = logging.getLogger("local.websocket_gateway")

_LIFECYCLE = frozenset(("$connect", "$disconnect"))


class RouteSelector:
    """Evaluates the route selection expression (`$request.body.action`, `${request.body.a.b}`) on a frame."""

    def __init__(self, api: SocketApi) -> None:
        parsed = re.fullmatch(r"\$\{?request\.body\.([\w.-]+)\}?", api.selection)
        if parsed is None:
            raise ValueError(f"unsupported route selection expression {api.selection!r}")
        self._path = parsed[1].split(".")
        self._routes = api.routes

    def select(self, text: str) -> SocketRoute | None:
        """The route a frame meets: by key, else `$default`; None when the API has neither."""
        key = self._key(text)
        route = self._routes.get(key) if key is not None and key not in _LIFECYCLE else None
        return route or self._routes.get("$default")

    def _key(self, text: str) -> str | None:
        try:
            value: object = json.loads(text)
        except (ValueError, RecursionError):
            return None
        for name in self._path:
            if not isinstance(value, dict):
                return None
            value = cast("dict[str, object]", value).get(name)
        return value if isinstance(value, str) else None


class Dispatcher:
    """Runs frames against the API's integrations."""

    def __init__(
        self, api: SocketApi, invoker: Invoker, events: SocketEvents, limits: SocketLimits, chaos: Chaos
    ) -> None:
        self._invoker = invoker
        self._chaos = chaos
        self._events = events
        self._jitter = limits.dispatch_jitter
        self._selector = RouteSelector(api)
        self._bucket = TokenBucket(api.throttle.rate, api.throttle.burst) if api.throttle else None

    async def run(self, connection: Connection, text: str) -> None:
        """Handle one frame and send what the client is to see of it."""
        if self._jitter:
            await asyncio.sleep(random.uniform(0, self._jitter))  # noqa: S311 - order of frames, not a secret
        if self._bucket and not self._bucket.take():
            await connection.send(error_frame("Too Many Requests", connection.client.connection_id))
            return
        route = self._selector.select(text)
        if route is None:
            await connection.send(error_frame("Forbidden", connection.client.connection_id))
            return
        event = self._events.message(connection.client, connection.authorizer, route.key, text)
        frame = await self._integrate(route, event)
        if frame is not None and not self._chaos.loses_answer():
            await connection.send(frame)

    async def _integrate(self, route: SocketRoute, event: dict[str, Any]) -> bytes | None:
        context = event["requestContext"]
        integration = route.integration
        if isinstance(integration, MockIntegration):
            body = substitute(integration.body, lambda name: str(context.get(name, "")))
            return body.encode() if route.two_way else None
        outcome = await invoke_within(
            self._invoker, integration.function, event, integration.timeout_ms / 1000
        )
        if outcome is not None and outcome.ok:
            return _answer(route, integration, outcome.payload, context)
        return error_frame("Internal server error", context["connectionId"], context["requestId"])


def _answer(
    route: SocketRoute, integration: LambdaIntegration, payload: object, context: dict[str, Any]
) -> bytes | None:
    """The frame a two-way route sends: the returned body, empty when there is none."""
    if not route.two_way:
        return None
    body = cast("dict[str, Any]", payload).get("body", "") if isinstance(payload, dict) else None
    if not isinstance(body, str):
        log.warning("malformed answer of %s on route %s", integration.function, route.key)
        return error_frame("Internal server error", context["connectionId"], context["requestId"])
    return body.encode()


def error_frame(message: str, connection_id: str, request_id: str | None = None) -> bytes:
    """The frame API Gateway itself sends when a message could not be served."""
    fields = {"message": message, "connectionId": connection_id, "requestId": request_id or short_id()}
    return compact_json(fields).encode()
