"""The WebSocket API on one machine: upgrade requests, connections, and `@connections` on the same port."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, cast

from aiohttp import WebSocketError, WSMessage, WSMsgType, web

from local.connections_api import ConnectionsApi
from local.connections_api_signature import SignatureVerifier
from local.gateway_context import Place, now, short_id
from local.gateway_throttle import TokenBucket
from local.http_gateway import KEEPALIVE_SECONDS
from local.model import Invoker, MockIntegration, SocketApi
from local.websocket_gateway_chaos import Chaos, cut
from local.websocket_gateway_connections import Connection, Connections
from local.websocket_gateway_dispatch import Dispatcher
from local.websocket_gateway_events import Handshake, SocketEvents
from local.websocket_gateway_frames import GatedProtocol, GatedServer
from local.websocket_gateway_handshake import Admission, Refused, refusal
from local.websocket_gateway_limits import SocketLimits

log = logging.getLogger("local.websocket_gateway")

# How long `$disconnect` calls may take when the gateway stops.
STOP_SECONDS = 3.0
BACKLOG = 2048
NO_WRITE_PAUSE = 2**31


class WebSocketGateway:
    """One WebSocket API. `credentials` are the access keys (id → secret) that may call `@connections`."""

    def __init__(
        self,
        api: SocketApi,
        invoker: Invoker,
        place: Place,
        credentials: Mapping[str, str],
        limits: SocketLimits | None = None,
        chaos: Chaos | None = None,
    ) -> None:
        self._api = api
        self._invoker = invoker
        self._limits = limits or SocketLimits()
        self._chaos = chaos or Chaos()
        self._events = SocketEvents(api, place)
        self._admission = Admission(api, invoker, self._events)
        self._dispatcher = Dispatcher(api, invoker, self._events, self._limits, self._chaos)
        self._bucket = TokenBucket(self._limits.connects_per_second, self._limits.connects_per_second)
        self._connections = Connections(self._limits)
        self._callbacks = ConnectionsApi(
            api, self._connections, SignatureVerifier(credentials), self._limits, self._chaos
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._http: GatedServer | None = None
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; answers the port bound (`port` 0 = any free one)."""
        # aiohttp warns of every client whose sub-protocol was not chosen; that is the function's business.
        logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)
        loop = asyncio.get_running_loop()
        limits = self._limits
        self._http = GatedServer(
            self._entry,
            limits.frame_bytes,
            limits.message_bytes,
            access_log=None,
            keepalive_timeout=KEEPALIVE_SECONDS,
        )
        self._server = await loop.create_server(self._http, host, port, backlog=BACKLOG)
        self._sweeper = loop.create_task(self._sweep())
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close every connection (1001), let `$disconnect` run for a moment, stop listening."""
        if self._server is None or self._http is None or self._sweeper is None:
            return
        self._server.close()
        self._sweeper.cancel()
        await self._chaos.stop()
        leaving = list(self._connections)
        for connection in leaving:
            await connection.close(1001, "Going away")
        for connection in leaving:
            await connection.ended.wait()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
        late = list(self._tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        self._http.pre_shutdown()
        await self._http.shutdown(STOP_SECONDS)

    @property
    def connection_count(self) -> int:
        """Open connections."""
        return len(self._connections)

    def cut(self) -> int:
        """Break every line, without a word to anybody; how many there were."""
        return cut(self._connections)

    async def _entry(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._upgrade(request)
        return await self._callbacks.handle(request)

    async def _upgrade(self, request: web.BaseRequest) -> web.StreamResponse:
        client = _handshake(request)
        if request.rel_url.raw_path.rstrip("/") != f"/{self._api.stage}":
            return refusal(403, client)
        if request.method != "GET" or not web.WebSocketResponse().can_prepare(request):
            return refusal(400, client)
        if self._chaos.refuses_upgrade():
            return refusal(403, client)
        if not self._bucket.take():
            return refusal(429, client)
        admitted = await self._admission.decide(client)
        if isinstance(admitted, Refused):
            return refusal(admitted.status, client)
        protocols = (admitted.protocol,) if admitted.protocol else ()
        socket = web.WebSocketResponse(
            protocols=protocols,
            autoclose=False,
            compress=False,
            max_msg_size=0,
            writer_limit=NO_WRITE_PAUSE,
        )
        transport = cast("asyncio.WriteTransport", request.transport)
        connection = Connection(client, admitted.authorizer, socket, transport)
        try:
            await self._serve(request, connection)
        finally:
            self._connections.remove(connection)
            connection.ended.set()
            code, reason = connection.closing or (1006, ABNORMAL)
            self._spawn(self._disconnected(connection, code, reason))
        return socket if socket.prepared else refusal(400, client)  # the client has left meanwhile

    async def _serve(self, request: web.BaseRequest, connection: Connection) -> None:
        protocol = cast("GatedProtocol", request.protocol)
        protocol.oversized = lambda: self._spawn(connection.close(1009, "Message too big"))
        try:
            await connection.socket.prepare(request)
        except ConnectionError:
            return
        self._chaos.opens(connection)
        self._connections.add(connection)
        message = await self._read(connection)
        if connection.closing is None:
            connection.closing = _closing(message)
            if message.type is WSMsgType.CLOSE:
                await connection.send_close_frame(connection.closing[0])
        connection.transport.close()

    async def _read(self, connection: Connection) -> WSMessage:
        """Dispatch what comes; answers the message that ends it: a close frame or a broken line."""
        while True:
            message = await connection.socket.receive()
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return message
            if connection.closing is not None or connection.half_open:
                continue
            if message.type is WSMsgType.TEXT:
                connection.touch()
                self._spawn(self._dispatcher.run(connection, message.data))
            else:
                await connection.close(1003, "Binary frames are not supported")

    async def _disconnected(self, connection: Connection, code: int, reason: str) -> None:
        route = self._api.routes.get("$disconnect")
        if route is None or isinstance(route.integration, MockIntegration):
            return
        if not self._limits.disconnects or self._chaos.loses_disconnect():
            return
        event = self._events.disconnect(connection.client, connection.authorizer, code, reason)
        await self._invoker.invoke(route.integration.function, event)

    async def _sweep(self) -> None:
        period = min(self._limits.idle_seconds, self._limits.lifetime_seconds, 20.0) / 4
        while True:
            await asyncio.sleep(period)
            for connection in self._connections.expired():
                await connection.close(1001, "Going away")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


ABNORMAL = "Connection closed abnormally"


def _closing(message: WSMessage) -> tuple[int, str]:
    """Code and reason of a close that the client began; 1005 and 1006 never travel (RFC 6455 §7.4.1)."""
    if message.type is WSMsgType.CLOSE:
        if not message.data:
            return 1005, "Client-side close frame status not set"
        return int(message.data), str(message.extra or "")
    if message.type is WSMsgType.ERROR and isinstance(message.data, WebSocketError):
        return int(message.data.code), "Protocol error"
    return 1006, ABNORMAL


def _handshake(request: web.BaseRequest) -> Handshake:
    headers = [
        (name.decode("latin-1"), value.decode("utf-8", "replace")) for name, value in request.raw_headers
    ]
    return Handshake(
        short_id(), now(), headers, request.rel_url.raw_query_string, request.remote or "127.0.0.1"
    )
