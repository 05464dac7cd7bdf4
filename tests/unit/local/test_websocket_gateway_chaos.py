"""Trouble on purpose: what is lost, late, doubled or refused, and that nothing is without being asked for."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote

import aiohttp
import pytest

from local.websocket_gateway_chaos import NAMES, Chaos, Trouble, TroubleError
from tests.fixtures.callbacks import post, signed
from tests.fixtures.gateways import Functions, SocketUnderTest, eventually, run_socket


async def push(gateway: SocketUnderTest, body: str, index: int = -1) -> int:
    """The status of one post to a connection."""
    path = f"/v1/@connections/{quote(gateway.connection_id(index))}"
    headers = signed("POST", f"http://127.0.0.1:{gateway.port}{path}", body.encode())
    status, _, _ = await post(gateway, path, headers, body.encode())
    return status


async def received(socket: aiohttp.ClientWebSocketResponse) -> list[str]:
    """Everything up to the answer of a ping."""
    await socket.send_str('{"action":"ping"}')
    found: list[str] = []
    while "pong" not in (text := await socket.receive_str(timeout=5)):
        found.append(text)
    return found


async def test_nothing_goes_wrong_by_itself(socket_gateway: SocketUnderTest) -> None:
    socket = await socket_gateway.connect()

    statuses = [await push(socket_gateway, str(number)) for number in range(20)]

    assert statuses == [200] * 20
    assert await received(socket) == [str(number) for number in range(20)]


@pytest.mark.parametrize(("trouble", "times"), [(Trouble(drop=1), 0), (Trouble(duplicate=1), 2)])
async def test_a_push_is_accepted_and_comes_never_or_twice(
    functions: Functions, trouble: Trouble, times: int
) -> None:
    async with run_socket(functions, chaos=Chaos(trouble)) as gateway:
        socket = await gateway.connect()

        status = await push(gateway, "hello")

        assert status == 200
        assert await received(socket) == ["hello"] * times


@pytest.mark.parametrize("trouble", [Trouble(reorder=0.5, seed=1), Trouble(delay_ms=100, seed=1)])
async def test_pushes_overtake_each_other(functions: Functions, trouble: Trouble) -> None:
    async with run_socket(functions, chaos=Chaos(trouble)) as gateway:
        socket = await gateway.connect()

        for number in range(10):
            await push(gateway, str(number))

        arrived = [int(await socket.receive_str(timeout=5)) for _ in range(10)]
        assert arrived != sorted(arrived)
        assert sorted(arrived) == list(range(10))


async def test_what_is_held_back_when_the_gateway_stops_is_lost(functions: Functions) -> None:
    async with run_socket(functions, chaos=Chaos(Trouble(delay_ms=60_000, seed=1))) as gateway:
        await gateway.connect()

        assert await push(gateway, "late") == 200


async def test_an_answer_is_lost_and_what_it_answered_has_happened(functions: Functions) -> None:
    async with run_socket(functions, chaos=Chaos(Trouble(lose_acks=1))) as gateway:
        socket = await gateway.connect()

        await socket.send_str('{"action":"send"}')

        await eventually(lambda: bool(functions.route("send")))
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=0.1)


async def test_a_lost_disconnect_reaches_nobody(functions: Functions) -> None:
    async with run_socket(functions, chaos=Chaos(Trouble(lose_disconnect=1))) as gateway:
        socket = await gateway.connect()

        await socket.close()

        await eventually(lambda: gateway.gateway.connection_count == 0)
        assert functions.route("$disconnect") == []


async def test_a_half_open_connection_takes_everything_and_passes_nothing(functions: Functions) -> None:
    chaos = Chaos(Trouble(half_open=1))
    async with run_socket(functions, chaos=chaos) as gateway:
        dead = await gateway.connect()
        chaos.begin(Trouble())
        alive = await gateway.connect()

        statuses = [await push(gateway, "hello", index) for index in (0, 1)]
        await dead.send_str('{"action":"send"}')

        assert statuses == [200, 200]
        assert await received(alive) == ["hello"]
        assert functions.route("send") == []
        with pytest.raises(TimeoutError):
            await dead.receive(timeout=0.1)


async def test_a_throttled_push_is_refused_and_does_not_come(functions: Functions) -> None:
    async with run_socket(functions, chaos=Chaos(Trouble(throttle=1))) as gateway:
        socket = await gateway.connect()

        assert await push(gateway, "hello") == 429
        assert await received(socket) == []


async def test_upgrades_are_refused_as_by_a_proxy_that_knows_no_websockets(functions: Functions) -> None:
    async with run_socket(functions, chaos=Chaos(Trouble(reject_upgrades=1))) as gateway:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await gateway.connect()

        assert refused.value.status == 403
        assert functions.calls == []


async def test_everybody_is_cut_at_once_without_a_word(functions: Functions) -> None:
    async with run_socket(functions) as gateway:
        sockets = [await gateway.connect() for _ in range(5)]

        count = gateway.gateway.cut()

        assert count == 5
        ends = await asyncio.gather(*(socket.receive(timeout=5) for socket in sockets))
        assert {end.type for end in ends} <= {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
        assert {socket.close_code for socket in sockets} == {1006}
        events = await gateway.disconnected(5)
        assert {event["requestContext"]["disconnectStatusCode"] for event in events} == {1006}


def test_the_same_seed_decides_the_same() -> None:
    def decisions() -> list[bool]:
        chaos = Chaos(Trouble(throttle=0.5, seed=7))
        return [chaos.throttles() for _ in range(50)]

    assert decisions() == decisions()
    assert len({*decisions()}) == 2


def test_trouble_is_written_as_text_or_json() -> None:
    assert Trouble.from_text("drop=0.1, seed=7,delay_ms=20") == Trouble(drop=0.1, seed=7, delay_ms=20)
    assert Trouble.of(json.loads('{"lose_acks": 1}')) == Trouble(lose_acks=1)
    assert Trouble.of({}) == Trouble()
    assert "half_open" in NAMES


@pytest.mark.parametrize("text", ["drop=2", "drop=x", "drop", "wind=0.1", "delay_ms=99999999", "seed=-1", ""])
def test_what_is_no_trouble_is_refused(text: str) -> None:
    with pytest.raises(TroubleError):
        Trouble.from_text(text)


@pytest.mark.parametrize("wish", [{"drop": True}, {"seed": 0.5}, {"delay_ms": "1"}, {"drop": -0.1}])
def test_json_is_checked_as_well(wish: dict[str, object]) -> None:
    with pytest.raises(TroubleError):
        Trouble.of(wish)
