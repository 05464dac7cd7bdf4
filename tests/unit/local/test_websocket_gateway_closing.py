"""How connections end: too big, binary, idle, too old, by either side; and what `$disconnect` hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from local import websocket_gateway
from local.websocket_gateway_limits import SocketLimits
from tests.fixtures.gateways import PLACE, Functions, SocketUnderTest, eventually, run_socket, socket_api

KB = 1024


async def closing_code(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    """Read until the server closes."""
    async for _ in socket:
        continue
    return socket.close_code


async def disconnect_of(gateway: SocketUnderTest) -> tuple[int, str]:
    """Code and reason of the first `$disconnect`."""
    context = (await gateway.disconnected())[0]["requestContext"]
    return context["disconnectStatusCode"], context["disconnectReason"]


async def send_fragments(socket: aiohttp.ClientWebSocketResponse, sizes: list[int]) -> None:
    """One text message in frames of these sizes."""
    transport = socket.get_extra_info("socket")
    assert transport is not None
    writer = socket._writer.transport  # pyright: ignore[reportPrivateUsage] - aiohttp cannot send fragments
    for index, size in enumerate(sizes):
        first = (0 if index else 1) | (0x80 if index == len(sizes) - 1 else 0)
        writer.write(bytes([first, 0xFF]) + size.to_bytes(8, "big") + bytes(4) + b"x" * size)


async def test_a_frame_of_32_kb_passes(socket_gateway: SocketUnderTest) -> None:
    socket = await socket_gateway.connect()

    await socket.send_str("x" * 32 * KB)

    await eventually(lambda: bool(socket_gateway.functions.route("$default")))
    assert len(socket_gateway.functions.route("$default")[0]["body"]) == 32 * KB


async def test_a_frame_above_32_kb_closes_with_1009(socket_gateway: SocketUnderTest) -> None:
    socket = await socket_gateway.connect()

    await socket.send_str("x" * (32 * KB + 1))

    assert await asyncio.wait_for(closing_code(socket), 5) == 1009
    assert (await disconnect_of(socket_gateway))[0] == 1009
    assert socket_gateway.functions.route("$default") == []


async def test_a_message_of_128_kb_in_four_frames_passes(socket_gateway: SocketUnderTest) -> None:
    socket = await socket_gateway.connect()

    await send_fragments(socket, [32 * KB] * 4)

    await eventually(lambda: bool(socket_gateway.functions.route("$default")))
    assert len(socket_gateway.functions.route("$default")[0]["body"]) == 128 * KB


async def test_a_message_above_128_kb_closes_with_1009_whatever_its_frames(
    socket_gateway: SocketUnderTest,
) -> None:
    socket = await socket_gateway.connect()

    await send_fragments(socket, [32 * KB] * 4 + [1])

    assert await asyncio.wait_for(closing_code(socket), 5) == 1009
    assert socket_gateway.functions.route("$default") == []


async def test_a_binary_frame_closes_with_1003(socket_gateway: SocketUnderTest) -> None:
    socket = await socket_gateway.connect()

    await socket.send_bytes(b"\x00")

    assert await asyncio.wait_for(closing_code(socket), 5) == 1003
    assert (await disconnect_of(socket_gateway))[0] == 1003


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not(functions: Functions) -> None:
    async with run_socket(functions, limits=SocketLimits(idle_seconds=0.2)) as gateway:
        idle, busy = await gateway.connect(), await gateway.connect()
        reading = asyncio.create_task(closing_code(idle))
        while not reading.done():
            await busy.send_json({"action": "ping"})
            await busy.receive(timeout=5)

        assert await reading == 1001
        assert await disconnect_of(gateway) == (1001, "Going away")
        assert not busy.closed


async def test_no_connection_outlives_its_lifetime_however_busy(functions: Functions) -> None:
    async with run_socket(functions, limits=SocketLimits(lifetime_seconds=0.2)) as gateway:
        socket = await gateway.connect()
        while not socket.closed:
            await socket.send_json({"action": "ping"})
            await socket.receive(timeout=5)

        assert socket.close_code == 1001


@pytest.mark.parametrize(
    ("code", "reason", "seen"),
    [(1000, b"", (1000, "")), (1001, b"", (1001, "")), (4000, b"no pong", (4000, "no pong"))],
)
async def test_disconnect_repeats_code_and_reason_of_the_client(
    socket_gateway: SocketUnderTest, code: int, reason: bytes, seen: tuple[int, str]
) -> None:
    socket = await socket_gateway.connect()

    await socket.close(code=code, message=reason)

    assert await disconnect_of(socket_gateway) == seen


async def test_a_torn_line_is_1006(socket_gateway: SocketUnderTest) -> None:
    socket = await socket_gateway.connect()

    socket.get_extra_info("socket")
    socket._writer.transport.abort()  # pyright: ignore[reportPrivateUsage] - a torn line has no public way

    assert (await disconnect_of(socket_gateway))[0] == 1006
    assert socket_gateway.gateway.connection_count == 0


async def test_bytes_that_are_no_text_close_with_1007(socket_gateway: SocketUnderTest) -> None:
    socket = await socket_gateway.connect()

    await socket.send_frame(b"\xff", aiohttp.WSMsgType.TEXT)

    assert (await disconnect_of(socket_gateway))[0] == 1007


async def test_disconnect_is_best_effort_and_may_never_come(functions: Functions) -> None:
    async with run_socket(functions, limits=SocketLimits(disconnects=False)) as gateway:
        await (await gateway.connect()).close()
        await eventually(lambda: gateway.gateway.connection_count == 0)

    assert functions.route("$disconnect") == []


async def test_stopping_sends_everybody_away_and_tells_the_function(functions: Functions) -> None:
    async with run_socket(functions) as gateway:
        sockets = [await gateway.connect() for _ in range(3)]
        leaving = [asyncio.create_task(closing_code(socket)) for socket in sockets]
        await gateway.gateway.stop()

        assert await asyncio.gather(*leaving) == [1001, 1001, 1001]

    assert len(functions.route("$disconnect")) == 3


async def test_stopping_does_not_wait_for_a_function_that_hangs(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled = asyncio.Event()

    async def hangs(event: Mapping[str, Any]) -> Any:
        if event["requestContext"]["routeKey"] == "$disconnect":
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.set()
                raise
        return {"statusCode": 200}

    functions.by_name["Socket"] = hangs
    monkeypatch.setattr(websocket_gateway, "STOP_SECONDS", 0.05)

    async with run_socket(functions) as gateway:
        await (await gateway.connect()).close()
        await gateway.disconnected()

    assert cancelled.is_set()


async def test_a_gateway_that_never_started_stops_too() -> None:
    gateway = websocket_gateway.WebSocketGateway(socket_api(), Functions(), PLACE, {})

    await gateway.stop()

    assert gateway.connection_count == 0
