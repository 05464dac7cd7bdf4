"""The events of a REST API (v1): the Lambda proxy event and the REQUEST authorizer's event."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus, unquote_to_bytes

from local.gateway_authorizer import Identity
from local.gateway_context import Moment, Place, invoke_arn
from local.http_gateway_routes import Match
from local.model import RestApi

# Hop-by-hop and length headers never reach a function; the gateway's own ones it writes itself.
_DROPPED = re.compile(
    "connection|content-length|expect|keep-alive|proxy-authenticate|proxy-connection|te|trailer"
    "|transfer-encoding|upgrade|x-forwarded-.*|x-amzn-trace-id",
    re.IGNORECASE,
)
_NO_IDENTITY = (
    "cognitoIdentityPoolId",
    "accountId",
    "cognitoIdentityId",
    "caller",
    "principalOrgId",
    "accessKey",
    "cognitoAuthenticationType",
    "cognitoAuthenticationProvider",
    "userArn",
    "user",
)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it arrived. `path` and `query` are still percent-encoded; `path` has no stage."""

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    source_ip: str
    moment: Moment
    request_id: str
    extended_id: str
    trace: str

    def header(self, name: str) -> str | None:
        """The last value of a header, any case."""
        wanted = name.lower()
        return next((value for key, value in reversed(self.headers) if key.lower() == wanted), None)

    def identity(self) -> Identity:
        """What identity sources may look at."""
        return Identity({key.lower(): value for key, value in self.headers}, last_values(self.parameters()))

    def parameters(self) -> dict[str, list[str]]:
        """Query parameters, decoded. A semicolon separates like an ampersand in REST APIs."""
        found: dict[str, list[str]] = {}
        for pair in self.query.replace(";", "&").split("&"):
            if pair:
                name, _, value = pair.partition("=")
                found.setdefault(unquote_plus(name), []).append(unquote_plus(value))
        return found

    def has_text_query(self) -> bool:
        """Whether the query string decodes to UTF-8."""
        return _is_text(unquote_to_bytes(self.query))


class EventFactory:
    """Builds the events of one REST API."""

    def __init__(self, api: RestApi, place: Place) -> None:
        self._api = api
        self._place = place

    def arn(self, request: Request) -> str:
        """The method ARN that authorizer policies are held against."""
        path = request.path.strip("/")
        return invoke_arn(self._place, self._api.identifier, self._api.stage, request.method, path)

    def proxy(self, request: Request, match: Match, authorizer: Mapping[str, Any] | None) -> dict[str, Any]:
        """The event of an AWS_PROXY integration. `authorizer` is None on open routes."""
        event = self._shared(request, match)
        if authorizer is not None:
            event["requestContext"]["authorizer"] = dict(authorizer)
        for optional in ("queryStringParameters", "multiValueQueryStringParameters", "pathParameters"):
            event[optional] = event[optional] or None
        event["stageVariables"] = None
        event["body"], event["isBase64Encoded"] = self._body(request)
        return event

    def authorizer(self, request: Request, match: Match) -> dict[str, Any]:
        """The event of a REQUEST authorizer: no body, empty objects where the proxy event has nulls."""
        return {
            "type": "REQUEST",
            "methodArn": self.arn(request),
            **self._shared(request, match),
            "stageVariables": {},
        }

    def _shared(self, request: Request, match: Match) -> dict[str, Any]:
        headers, parameters = _forwarded(request), request.parameters()
        return {
            "resource": match.route.path,
            "path": request.path,
            "httpMethod": request.method,
            "headers": last_values(headers),
            "multiValueHeaders": headers,
            "queryStringParameters": last_values(parameters),
            "multiValueQueryStringParameters": parameters,
            "pathParameters": dict(match.parameters),
            "requestContext": self._context(request, match),
        }

    def _context(self, request: Request, match: Match) -> dict[str, Any]:
        domain = (request.header("host") or "").rsplit(":", 1)[0]
        return {
            "resourceId": f"{match.route.method} {match.route.path}",
            "resourcePath": match.route.path,
            "httpMethod": request.method,
            "extendedRequestId": request.extended_id,
            "requestTime": request.moment.text,
            "path": f"/{self._api.stage}{request.path}",
            "accountId": self._place.account,
            "protocol": "HTTP/1.1",
            "stage": self._api.stage,
            "domainPrefix": domain.split(".", 1)[0],
            "requestTimeEpoch": request.moment.epoch_ms,
            "requestId": request.request_id,
            "identity": {
                **dict.fromkeys(_NO_IDENTITY),
                "sourceIp": request.source_ip,
                "userAgent": request.header("user-agent"),
            },
            "domainName": domain,
            "deploymentId": "local",
            "apiId": self._api.identifier,
        }

    def has_text_body(self, request: Request) -> bool:
        """Whether the body is UTF-8, or of a type that the API takes as binary."""
        return self._is_binary(request) or _is_text(request.body)

    def _is_binary(self, request: Request) -> bool:
        return is_binary(request.header("content-type") or "application/json", self._api.binary_media_types)

    def _body(self, request: Request) -> tuple[str | None, bool]:
        if not request.body:
            return None, False
        if self._is_binary(request):
            return base64.b64encode(request.body).decode(), True
        return request.body.decode(), False


def _is_text(sent: bytes) -> bool:
    try:
        sent.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_binary(content_type: str, binary_types: Sequence[str]) -> bool:
    """Whether the API's binaryMediaTypes name this content type (`*/*` names all)."""
    media = content_type.split(";", 1)[0].strip().lower()
    return "*/*" in binary_types or media in binary_types or f"{media.split('/', 1)[0]}/*" in binary_types


def last_values(multi: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The single-valued form: the last value wins."""
    return {name: values[-1] for name, values in multi.items()}


def _forwarded(request: Request) -> dict[str, list[str]]:
    """Headers in the client's own spelling, plus API Gateway's own; TLS ends at the gateway, hence 443."""
    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        if not _DROPPED.fullmatch(name):
            headers.setdefault(name, []).append(value)
    client = request.header("x-forwarded-for")
    headers["X-Amzn-Trace-Id"] = [request.trace]
    headers["X-Forwarded-For"] = [f"{client}, {request.source_ip}" if client else request.source_ip]
    headers["X-Forwarded-Port"] = ["443"]
    headers["X-Forwarded-Proto"] = ["https"]
    return headers
