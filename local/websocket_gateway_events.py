"""The events of a WebSocket API, key for key as API Gateway sends them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from local.gateway_authorizer import Identity
from local.gateway_context import Moment, Place, invoke_arn, now, short_id, trace_id
from local.http_gateway_event import last_values
from local.model import SocketApi

# $connect does not show what the upgrade itself needed; the authorizer sees it.
_UPGRADE_HEADERS = frozenset(("connection", "upgrade", "content-length"))
_GATEWAY_HEADERS = ("x-forwarded-", "x-amzn-trace-id")
_DISCONNECT_HEADERS = {"x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}


@dataclass(frozen=True, slots=True)
class Handshake:
    """What is known of a client from its upgrade request. `query` is still percent-encoded."""

    connection_id: str
    connected_at: Moment
    headers: Sequence[tuple[str, str]]
    query: str
    source_ip: str

    def header(self, name: str) -> str | None:
        """The last value of a header; `name` in lower case."""
        return next((value for key, value in reversed(self.headers) if key.lower() == name), None)

    @property
    def domain(self) -> str:
        """The host the client asked for, without the port."""
        return (self.header("host") or "").rsplit(":", 1)[0]

    def identity(self) -> Identity:
        """What identity sources may look at."""
        return Identity({key.lower(): value for key, value in self.headers}, last_values(self.parameters()))

    def parameters(self) -> dict[str, list[str]]:
        """Query parameters, decoded."""
        found: dict[str, list[str]] = {}
        for pair in self.query.split("&"):
            if pair:
                name, _, value = pair.partition("=")
                found.setdefault(unquote_plus(name), []).append(unquote_plus(value))
        return found


class SocketEvents:
    """Builds the events of one WebSocket API."""

    def __init__(self, api: SocketApi, place: Place) -> None:
        self._api = api
        self._place = place

    def connect_arn(self) -> str:
        """The route ARN the authorizer's policy is held against."""
        return invoke_arn(self._place, self._api.identifier, self._api.stage, "$connect")

    def authorizer(self, client: Handshake) -> dict[str, Any]:
        """The event of the REQUEST authorizer of `$connect`."""
        headers, parameters = _headers(client, with_upgrade=True), client.parameters()
        return {
            "type": "REQUEST",
            "methodArn": self.connect_arn(),
            "headers": last_values(headers),
            "multiValueHeaders": headers,
            "queryStringParameters": last_values(parameters),
            "multiValueQueryStringParameters": parameters,
            "stageVariables": {},
            "requestContext": self._context(client, None, "$connect", "CONNECT"),
        }

    def connect(self, client: Handshake, authorizer: Mapping[str, Any] | None) -> dict[str, Any]:
        """`$connect`: headers, and the query string when there is one; no body."""
        headers, parameters = _headers(client, with_upgrade=False), client.parameters()
        query: dict[str, Any] = {}
        if parameters:
            query = {
                "queryStringParameters": last_values(parameters),
                "multiValueQueryStringParameters": parameters,
            }
        return {
            "headers": last_values(headers),
            "multiValueHeaders": headers,
            **query,
            "requestContext": self._context(client, authorizer, "$connect", "CONNECT"),
            "isBase64Encoded": False,
        }

    def message(
        self, client: Handshake, authorizer: Mapping[str, Any] | None, route_key: str, body: str
    ) -> dict[str, Any]:
        """A frame of a client: neither headers nor query string."""
        context = self._context(client, authorizer, route_key, "MESSAGE", {"messageId": short_id()})
        return {"requestContext": context, "body": body, "isBase64Encoded": False}

    def disconnect(
        self, client: Handshake, authorizer: Mapping[str, Any] | None, code: int, reason: str
    ) -> dict[str, Any]:
        """`$disconnect`: AWS's odd set of mostly empty headers, close code and reason."""
        headers = {"Host": client.domain, **_DISCONNECT_HEADERS}
        closing = {"disconnectStatusCode": code, "disconnectReason": reason}
        return {
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "requestContext": self._context(client, authorizer, "$disconnect", "DISCONNECT", closing),
            "isBase64Encoded": False,
        }

    def _context(
        self,
        client: Handshake,
        authorizer: Mapping[str, Any] | None,
        route_key: str,
        event_type: str,
        particular: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        moment, request_id = now(), short_id()
        identity = {"sourceIp": client.source_ip}
        if agent := client.header("user-agent"):
            identity["userAgent"] = agent
        return {
            "routeKey": route_key,
            **({} if authorizer is None else {"authorizer": dict(authorizer)}),
            **(particular or {}),
            "eventType": event_type,
            "extendedRequestId": request_id,
            "requestTime": moment.text,
            "messageDirection": "IN",
            "stage": self._api.stage,
            "connectedAt": client.connected_at.epoch_ms,
            "requestTimeEpoch": moment.epoch_ms,
            "identity": identity,
            "requestId": request_id,
            "domainName": client.domain,
            "connectionId": client.connection_id,
            "apiId": self._api.identifier,
        }


def _headers(client: Handshake, *, with_upgrade: bool) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in client.headers:
        lower = name.lower()
        if not lower.startswith(_GATEWAY_HEADERS) and (with_upgrade or lower not in _UPGRADE_HEADERS):
            headers.setdefault(name, []).append(value)
    if with_upgrade:
        headers.setdefault("content-length", ["0"])
    headers["X-Amzn-Trace-Id"] = [trace_id(client.header("x-amzn-trace-id"), client.connected_at)]
    headers["X-Forwarded-For"] = [client.source_ip]
    headers["X-Forwarded-Port"] = ["443"]
    headers["X-Forwarded-Proto"] = ["https"]
    return headers
