"""The `@connections` API (apigatewaymanagementapi, 2018-11-29): post to, look at and close a connection."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import unquote

from aiohttp import web

from local.connections_api_signature import SignatureError, SignatureVerifier
from local.gateway_context import compact_json, request_id
from local.model import SocketApi
from local.websocket_gateway_chaos import Chaos
from local.websocket_gateway_connections import Connection, Connections
from local.websocket_gateway_limits import SocketLimits

BODY_SECONDS = 30.0
_CONNECTION_ID = re.compile(r"[A-Za-z0-9+/_-]{15}=")
_CLOGGED = (
    "The client is sending more than the allowed number of requests per unit of time "
    "or the WebSocket client side buffer is full."
)


class ConnectionsApi:
    """Serves `/{stage}/@connections/{id}`, encoded or not; x-amzn-ErrorType types every error."""

    def __init__(
        self,
        api: SocketApi,
        connections: Connections,
        verifier: SignatureVerifier,
        limits: SocketLimits,
        chaos: Chaos,
    ) -> None:
        self._prefix = f"/{api.stage}/@connections/"
        self._connections = connections
        self._verifier = verifier
        self._limits = limits
        self._chaos = chaos

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one signed request."""
        path = unquote(request.rel_url.raw_path)
        if not path.startswith(self._prefix) or request.method not in ("POST", "GET", "DELETE"):
            return _error(403, "ForbiddenException", "Forbidden")
        if (request.content_length or 0) > 2 * self._limits.message_bytes:
            return _error(413, "PayloadTooLargeException", "Message too long")
        # aiohttp never ends a body whose sender went away before the request was taken up.
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.content.read()
        try:
            self._verifier.verify(request, body)
        except SignatureError as error:
            return _error(403, "ForbiddenException", str(error))
        connection_id = path[len(self._prefix) :]
        if not _CONNECTION_ID.fullmatch(connection_id):
            return _error(400, "BadRequestException", f"Invalid connectionId: {connection_id}")
        connection = self._connections.get(connection_id)
        if connection is None:
            return _error(410, "GoneException", None)
        return await self._serve(request.method, connection, body)

    async def _serve(self, method: str, connection: Connection, body: bytes) -> web.Response:
        if method == "GET":
            return _description(connection)
        if method == "DELETE":
            self._connections.remove(connection)
            await connection.close(1000, "Connection Closed Normally")
            return _answer(204)
        if len(body) > self._limits.message_bytes:
            return _error(413, "PayloadTooLargeException", "Message too long")
        if self._connections.is_clogged(connection) or self._chaos.throttles():
            return _error(429, "LimitExceededException", _CLOGGED)
        if not _is_text(body):
            return _error(400, "BadRequestException", "The payload is not UTF-8")
        await self._chaos.push(connection, body)
        return _answer(200)


def _is_text(body: bytes) -> bool:
    if body.isascii():
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _description(connection: Connection) -> web.Response:
    client = connection.client
    identity = {"sourceIp": client.source_ip, "userAgent": client.header("user-agent") or ""}
    fields = {
        "connectedAt": client.connected_at.iso,
        "identity": identity,
        "lastActiveAt": connection.active_at.iso,
    }
    return _answer(200, compact_json(fields).encode())


def _error(status: int, kind: str, message: str | None) -> web.Response:
    body = b"" if message is None else compact_json({"message": message}).encode()
    response = _answer(status, body)
    response.headers["x-amzn-ErrorType"] = kind
    return response


def _answer(status: int, body: bytes = b"") -> web.Response:
    headers = {"x-amzn-RequestId": request_id(), "Content-Type": "application/json"}
    return web.Response(status=status, body=body, headers=headers)
