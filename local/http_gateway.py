"""The REST API on one machine: an aiohttp handler that behaves as API Gateway (v1) in front of the functions.

Order of a request, as in the cloud: size, stage throttle, route, authorizer, integration, answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from local.gateway_authorizer import Authorizers
from local.gateway_context import Place, now, request_id, short_id, trace_id
from local.gateway_invocation import invoke_within
from local.gateway_throttle import TokenBucket
from local.http_gateway_answers import Answer, MalformedAnswerError, mock_answer, proxy_answer
from local.http_gateway_compression import compressed
from local.http_gateway_event import EventFactory, Request
from local.http_gateway_responses import GatewayResponses
from local.http_gateway_routes import Match, RouteTable
from local.model import Invoker, LambdaIntegration, RestApi

log = logging.getLogger("local.http_gateway")

# Quotas of REST APIs: payload 10 MB; a body that does not arrive in 30 s is given up.
PAYLOAD_BYTES = 10 * 1024 * 1024
BODY_SECONDS = 30.0
KEEPALIVE_SECONDS = 60.0
# Request line and headers together; aiohttp counts each line by itself.
HEAD_BYTES = 10_240


def is_ours(record: logging.LogRecord) -> bool:
    """Whether a line of aiohttp's server tells of us: what it cannot read as HTTP is the client's, and answered 400."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


class HttpGateway:
    """One REST API. Mount `routes()` on an aiohttp application; run it with `keepalive_timeout=KEEPALIVE_SECONDS`,
    and HEAD_BYTES as `max_line_size` and `max_field_size`.

    aiohttp closes a connection whose headers have not arrived by then, which is the limit on slow headers.
    """

    def __init__(
        self, api: RestApi, invoker: Invoker, place: Place, body_seconds: float = BODY_SECONDS
    ) -> None:
        self._api = api
        self._invoker = invoker
        self._body_seconds = body_seconds
        self._table = RouteTable(api)
        self._events = EventFactory(api, place)
        self._responses = GatewayResponses(api, place)
        self._authorizers = Authorizers(invoker)
        self._bucket = TokenBucket(api.throttle.rate, api.throttle.burst) if api.throttle else None

    def routes(self) -> list[web.RouteDef]:
        """Everything under `/{stage}`, any method."""
        stage = f"/{self._api.stage}"
        return [web.route("*", stage, self.handle), web.route("*", stage + "/{rest:(?s:.*)}", self.handle)]

    async def handle(self, incoming: web.Request) -> web.Response:
        """Answer one request of the API."""
        body = await self._read(incoming)
        request = self._request(incoming, body or b"")
        answer = self._refused("REQUEST_TOO_LARGE", request) if body is None else await self._answer(request)
        accepted, minimum = request.header("accept-encoding"), self._api.minimum_compression_size
        return _response(compressed(answer, accepted, minimum), request)

    async def _read(self, incoming: web.Request) -> bytes | None:
        """The body, None when it is above the quota. Raises HTTPRequestTimeout."""
        if (incoming.content_length or 0) > PAYLOAD_BYTES:
            return None
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._body_seconds):
                async for chunk in incoming.content.iter_any():
                    size += len(chunk)
                    if size > PAYLOAD_BYTES:
                        return None
                    chunks.append(chunk)
        except TimeoutError:
            raise web.HTTPRequestTimeout(headers={"Connection": "close"}) from None
        return b"".join(chunks)

    def _request(self, incoming: web.Request, body: bytes) -> Request:
        moment = now()
        return Request(
            method=incoming.method,
            path=incoming.rel_url.raw_path.removeprefix(f"/{self._api.stage}") or "/",
            query=incoming.rel_url.raw_query_string,
            headers=[
                (name.decode("latin-1"), value.decode("utf-8", "replace"))
                for name, value in incoming.raw_headers
            ],
            body=body,
            source_ip=incoming.remote or "127.0.0.1",
            moment=moment,
            request_id=request_id(),
            extended_id=short_id(),
            trace=trace_id(incoming.headers.get("X-Amzn-Trace-Id"), moment),
        )

    async def _answer(self, request: Request) -> Answer:
        if self._bucket and not self._bucket.take():
            return self._refused("THROTTLED", request)
        if not request.has_text_query():
            return self._refused("BAD_REQUEST_PARAMETERS", request)
        if not self._events.has_text_body(request):
            return self._refused("BAD_REQUEST_BODY", request)
        match = self._table.match(request.method, request.path)
        if match is None:
            return self._refused("MISSING_AUTHENTICATION_TOKEN", request)
        spec = match.route.authorizer
        if spec is None:
            return await self._integrate(request, match, None)
        verdict = await self._authorizers.decide(
            spec,
            request.identity(),
            self._events.arn(request),
            lambda: self._events.authorizer(request, match),
        )
        if verdict.refusal:
            return self._refused(verdict.refusal, request, match)
        return await self._integrate(request, match, verdict.context)

    async def _integrate(
        self, request: Request, match: Match, authorizer: Mapping[str, Any] | None
    ) -> Answer:
        integration = match.route.integration
        if not isinstance(integration, LambdaIntegration):
            return mock_answer(integration)
        event = self._events.proxy(request, match, authorizer)
        outcome = await invoke_within(
            self._invoker, integration.function, event, integration.timeout_ms / 1000
        )
        if outcome is None:
            return self._refused("INTEGRATION_TIMEOUT", request, match)
        if (
            outcome.error_type == "RequestTooLargeException"
        ):  # Lambda takes 6 MB of what the gateway takes 10 of
            return self._refused("REQUEST_TOO_LARGE", request, match)
        if not outcome.ok:
            return self._refused("INTEGRATION_FAILURE", request, match)
        try:
            return proxy_answer(outcome.payload, request.header("accept"), self._api.binary_media_types)
        except MalformedAnswerError as error:
            log.warning("malformed proxy response from %s: %s", integration.function, error)
            return self._refused("INTEGRATION_FAILURE", request, match)

    def _refused(self, kind: str, request: Request, match: Match | None = None) -> Answer:
        return self._responses.render(kind, request, match.route.path if match else None)


def _response(answer: Answer, request: Request) -> web.Response:
    response = web.Response(status=answer.status, body=answer.body)
    response.headers.popall("Content-Type", None)
    for name, value in answer.headers:
        response.headers.add(name, value)
    response.headers["x-amzn-RequestId"] = request.request_id
    response.headers["x-amz-apigw-id"] = request.extended_id
    response.headers["X-Amzn-Trace-Id"] = request.trace
    return response
