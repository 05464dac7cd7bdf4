"""The events of the WebSocket API, held against recorded shapes and Powertools' own models of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes.api_gateway_websocket_event import (
    APIGatewayWebSocketEvent,
)
from aws_lambda_powertools.utilities.parser.models import (
    APIGatewayWebSocketConnectEventModel,
    APIGatewayWebSocketDisconnectEventModel,
    APIGatewayWebSocketMessageEventModel,
)

from tests.fixtures.gateways import Functions, SocketUnderTest, eventually, run_socket, socket_api
from tests.fixtures.golden_events import differences, golden

UPGRADE = (
    "GET /v1?ticket=t-1&device_id=d%201 HTTP/1.1\r\n"
    "Host: fjnq7njcv2.execute-api.eu-central-1.amazonaws.com\r\n"
    "Connection: upgrade\r\nUpgrade: websocket\r\nOrigin: https://app.example\r\nUser-Agent: Mozilla/5.0\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    "Sec-WebSocket-Key: +W5xw47OHh3OTFsWKjGu9Q==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MESSAGE = '{"action": "send", "text": "süß"}'


def masked(payload: bytes, first: int = 0x81) -> bytes:
    """A client frame (mask 0) of up to 125 bytes."""
    return bytes([first, 0x80 | len(payload), 0, 0, 0, 0]) + payload


@asynccontextmanager
async def wire(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A socket opened by hand, so that the headers are exactly ours."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(UPGRADE.encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert head.startswith(b"HTTP/1.1 101"), head
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def life(socket_gateway: SocketUnderTest) -> Mapping[str, dict[str, Any]]:
    """The events of one connection's life: question to the authorizer, connect, message, disconnect."""
    functions = socket_gateway.functions
    async with wire(socket_gateway.port) as (_, writer):
        writer.write(masked(MESSAGE.encode()))
        await eventually(lambda: bool(functions.route("send")))
        writer.write(masked(b"", first=0x88))
        await socket_gateway.disconnected()
    routes = {key: functions.route(key)[0] for key in ("$connect", "send", "$disconnect")}
    return {"authorizer": functions.events("Authorizer")[0], **routes}


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("socket_authorizer", "authorizer"),
        ("socket_connect", "$connect"),
        ("socket_message", "send"),
        ("socket_disconnect", "$disconnect"),
    ],
)
async def test_events_are_key_for_key_those_of_aws(
    life: Mapping[str, dict[str, Any]], name: str, event: str
) -> None:
    assert differences(golden(name), life[event]) == []


async def test_one_connection_keeps_its_id_and_its_start_and_no_two_requests_share_an_id(
    life: Mapping[str, dict[str, Any]],
) -> None:
    contexts = [event["requestContext"] for event in life.values()]

    assert len({context["connectionId"] for context in contexts}) == 1
    assert len({context["connectedAt"] for context in contexts}) == 1
    assert all(context["requestId"] == context["extendedRequestId"] for context in contexts)
    assert len({context["requestId"] for context in contexts}) == 4


async def test_powertools_reads_the_events(life: Mapping[str, dict[str, Any]]) -> None:
    APIGatewayWebSocketConnectEventModel.model_validate(life["$connect"])
    APIGatewayWebSocketDisconnectEventModel.model_validate(life["$disconnect"])
    message = APIGatewayWebSocketMessageEventModel.model_validate(life["send"])

    assert message.request_context.route_key == "send"
    data = APIGatewayWebSocketEvent(life["send"])
    assert data.body == MESSAGE
    assert data.request_context.connection_id == life["$connect"]["requestContext"]["connectionId"]


async def test_without_query_string_and_authorizer_a_connect_has_no_keys_for_them(
    functions: Functions,
) -> None:
    routes = {key: replace(route, authorizer=None) for key, route in socket_api().routes.items()}

    async with run_socket(functions, socket_api(routes=routes)) as gateway, await gateway.connect(query=""):
        [event] = functions.route("$connect")

    assert event.keys() == {"headers", "multiValueHeaders", "requestContext", "isBase64Encoded"}
    assert "authorizer" not in event["requestContext"]
