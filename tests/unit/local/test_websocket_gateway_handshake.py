"""Who gets a WebSocket: authorizer, `$connect`, sub-protocol, and the rate of new connections."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from local.model import LambdaIntegration, MockIntegration, Outcome, SocketRoute
from local.websocket_gateway_limits import SocketLimits
from tests.fixtures.gateways import (
    TICKET,
    Functions,
    SocketUnderTest,
    eventually,
    policy,
    raw,
    run_socket,
    socket_api,
)


async def refused(gateway: SocketUnderTest, query: str = "ticket=t-1", path: str = "/v1") -> int:
    """The HTTP status an upgrade is turned away with."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await gateway.http.ws_connect(f"ws://127.0.0.1:{gateway.port}{path}?{query}")
    return caught.value.status


async def test_without_a_ticket_nobody_is_asked(socket_gateway: SocketUnderTest) -> None:
    assert await refused(socket_gateway, query="device_id=d") == 401
    assert socket_gateway.functions.calls == []


UNAUTHORIZED = Outcome(error_type="Exception", error_message="Unauthorized")


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (UNAUTHORIZED, 401),
        (policy("Deny", "*"), 403),
        (policy("Allow", "arn:aws:execute-api:*:*:socketapi/v1/send"), 403),
        (Outcome(error_type="Exception", error_message="database down"), 500),
        ({"principalId": "p"}, 500),
    ],
)
async def test_who_is_not_allowed_never_reaches_connect(
    socket_gateway: SocketUnderTest, answer: Any, status: int
) -> None:
    async def authorizer(_: Mapping[str, Any]) -> Any:
        return answer

    socket_gateway.functions.by_name["Authorizer"] = authorizer

    assert await refused(socket_gateway) == status
    assert socket_gateway.functions.events("Socket") == []


async def test_the_authorizer_is_asked_for_every_connection(socket_gateway: SocketUnderTest) -> None:
    for _ in range(2):
        await (await socket_gateway.connect()).close()

    assert len(socket_gateway.functions.events("Authorizer")) == 2


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"statusCode": 403}, 403),
        ({"statusCode": "429", "body": "later"}, 429),
        ({"statusCode": 302}, 302),
        ({"body": "no status"}, 502),
        (None, 502),
        (Outcome(error_type="KeyError", error_message="'x'"), 502),
        (Outcome(error_type="Sandbox.Timedout", error_message="timed out", timed_out=True), 502),
        (Outcome(throttled=True), 500),
    ],
)
async def test_what_connect_answers_decides_over_the_handshake(
    socket_gateway: SocketUnderTest, answer: Any, status: int
) -> None:
    async def connect(_: Mapping[str, Any]) -> Any:
        return answer

    socket_gateway.functions.by_name["Socket"] = connect

    assert await refused(socket_gateway) == status
    assert socket_gateway.gateway.connection_count == 0
    assert socket_gateway.functions.route("$disconnect") == []


@pytest.mark.parametrize(
    ("offered", "chosen", "echoed"),
    [
        (("wedsync.v1", "other"), "wedsync.v1", "wedsync.v1"),
        (("other", "wedsync.v1"), "wedsync.v1", "wedsync.v1"),
        (("wedsync.v1",), None, None),
        ((), "wedsync.v1", None),
    ],
)
async def test_only_the_sub_protocol_that_connect_returned_is_echoed(
    socket_gateway: SocketUnderTest, offered: tuple[str, ...], chosen: str | None, echoed: str | None
) -> None:
    async def connect(_: Mapping[str, Any]) -> Any:
        return {
            "statusCode": 200,
            "headers": {"X-Else": "x", "sec-websocket-protocol": chosen} if chosen else {"X-Else": "x"},
        }

    socket_gateway.functions.by_name["Socket"] = connect

    socket = await socket_gateway.connect(protocols=offered)

    assert socket.protocol == echoed


async def test_compression_is_never_agreed_on(socket_gateway: SocketUnderTest) -> None:
    socket = await socket_gateway.connect(compress=15)

    assert socket.compress == 0


@pytest.mark.parametrize("path", ["/", "/v2", "/v1/extra"])
async def test_another_stage_or_path_is_forbidden(socket_gateway: SocketUnderTest, path: str) -> None:
    assert await refused(socket_gateway, path=path) == 403
    assert socket_gateway.functions.calls == []


async def test_more_new_connections_than_the_quota_answer_429(functions: Functions) -> None:
    async with run_socket(functions, limits=SocketLimits(connects_per_second=2)) as gateway:
        await gateway.connect()
        await gateway.connect()

        assert await refused(gateway) == 429
        assert len(functions.route("$connect")) == 2


async def test_a_client_that_leaves_while_connect_runs_is_disconnected_all_the_same(
    socket_gateway: SocketUnderTest,
) -> None:
    leaving, go_on = asyncio.Event(), asyncio.Event()

    async def connect(event: Mapping[str, Any]) -> Any:
        if event["requestContext"]["routeKey"] == "$connect":
            leaving.set()
            await go_on.wait()
        return {"statusCode": 200}

    socket_gateway.functions.by_name["Socket"] = connect
    opening = asyncio.create_task(socket_gateway.connect())
    await leaving.wait()
    opening.cancel()
    await asyncio.wait({opening})
    go_on.set()

    [event] = await socket_gateway.disconnected()

    assert event["requestContext"]["disconnectStatusCode"] == 1006
    await eventually(lambda: socket_gateway.gateway.connection_count == 0)


async def test_an_api_without_a_connect_route_lets_everybody_in(functions: Functions) -> None:
    routes = {key: route for key, route in socket_api().routes.items() if key != "$connect"}

    async with run_socket(functions, socket_api(routes=routes)) as gateway:
        socket = await gateway.connect(query="")
        await socket.send_json({"action": "ping"})

        assert await socket.receive_json(timeout=5) == {"type": "pong"}
    assert [event["requestContext"]["routeKey"] for event in functions.events("Socket")] == ["$disconnect"]


async def test_a_mock_connect_asks_the_authorizer_alone(functions: Functions) -> None:
    mock = SocketRoute("$connect", MockIntegration(200, {}, ""), False, TICKET)

    async with run_socket(functions, socket_api(routes={"$connect": mock})) as gateway:
        socket = await gateway.connect()

        assert not socket.closed
        assert await refused(gateway, query="") == 401
    assert [name for name, _ in functions.calls] == ["Authorizer"]


async def test_a_connect_that_never_answers_is_given_up(functions: Functions) -> None:
    async def hangs(_: Mapping[str, Any]) -> Any:
        await asyncio.sleep(0.2)

    functions.by_name["Socket"] = hangs
    slow = SocketRoute("$connect", LambdaIntegration("Socket", timeout_ms=20), False, TICKET)

    async with run_socket(functions, socket_api(routes={"$connect": slow})) as gateway:
        assert await refused(gateway) == 504


@pytest.mark.parametrize(
    ("method", "lost"),
    [
        ("GET", b"Sec-WebSocket-Key: +W5xw47OHh3OTFsWKjGu9Q==\r\n"),
        ("GET", b"Sec-WebSocket-Version: 13\r\n"),
        ("GET", b"Connection: upgrade\r\n"),
        ("POST", b""),
    ],
)
async def test_a_broken_upgrade_is_refused_before_anybody_is_asked(
    socket_gateway: SocketUnderTest, method: str, lost: bytes
) -> None:
    request = (
        method.encode()
        + b" /v1?ticket=t HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: +W5xw47OHh3OTFsWKjGu9Q==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )

    head = await raw(socket_gateway.port, request.replace(lost, b""))

    assert head.startswith(b"HTTP/1.1 400 ")
    assert socket_gateway.functions.calls == []
