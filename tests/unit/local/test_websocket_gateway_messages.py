"""Frames of a client: route selection, concurrency, answers, failures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from local.model import LambdaIntegration, MockIntegration, Outcome, SocketRoute, Throttle
from local.websocket_gateway_dispatch import RouteSelector
from local.websocket_gateway_limits import SocketLimits
from tests.fixtures.gateways import Functions, SocketUnderTest, eventually, run_socket, socket_api


@pytest.mark.parametrize(
    ("frame", "route"),
    [
        ('{"action":"send"}', "send"),
        ('{"action":"unknown"}', "$default"),
        ('{"action":"$connect"}', "$default"),
        ('{"action":"$disconnect"}', "$default"),
        ('{"action":5}', "$default"),
        ('{"action":null}', "$default"),
        ('{"other":"send"}', "$default"),
        ('["action","send"]', "$default"),
        ('"send"', "$default"),
        ("not json", "$default"),
        ("", "$default"),
        ("[" * 20_000, "$default"),
    ],
)
def test_the_selection_expression_picks_the_route(frame: str, route: str) -> None:
    selected = RouteSelector(socket_api()).select(frame)

    assert selected is not None
    assert selected.key == route


def test_a_selection_expression_may_look_deeper() -> None:
    selector = RouteSelector(socket_api(selection="${request.body.meta.kind}"))

    routes = [selector.select('{"meta":{"kind":"send"}}'), selector.select('{"meta":"send"}')]

    assert [route.key for route in routes if route] == ["send", "$default"]


def test_other_selection_expressions_are_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="unsupported"):
        RouteSelector(socket_api(selection="$request.header.x"))


async def test_a_frame_nobody_takes_is_forbidden(functions: Functions) -> None:
    routes = {key: route for key, route in socket_api().routes.items() if key != "$default"}

    async with run_socket(functions, socket_api(routes=routes)) as gateway:
        socket = await gateway.connect()
        await socket.send_str("not json")
        frame = await socket.receive_json(timeout=5)

        assert frame == {
            "message": "Forbidden",
            "connectionId": gateway.connection_id(),
            "requestId": frame["requestId"],
        }


async def test_only_routes_with_a_route_response_answer(socket_gateway: SocketUnderTest) -> None:
    async def echo(event: Mapping[str, Any]) -> Any:
        return {"statusCode": 200, "body": f"answer to {event['requestContext']['routeKey']}"}

    socket_gateway.functions.by_name["Socket"] = echo
    socket = await socket_gateway.connect()

    for action in ("sync", "nothing", "send"):
        await socket.send_json({"action": action})

    assert await socket.receive_str(timeout=5) == "answer to send"
    await socket.send_json({"action": "ping"})
    assert await socket.receive_str(timeout=5) == '{"type":"pong"}'


@pytest.mark.parametrize("answer", [{"statusCode": 200}, {"statusCode": 200, "body": ""}])
async def test_a_two_way_route_without_a_body_sends_an_empty_frame(
    socket_gateway: SocketUnderTest, answer: Any
) -> None:
    async def silent(_: Mapping[str, Any]) -> Any:
        return answer

    socket_gateway.functions.by_name["Socket"] = silent
    socket = await socket_gateway.connect()

    await socket.send_json({"action": "send"})

    assert await socket.receive_str(timeout=5) == ""


async def test_a_mock_fills_its_template_from_the_context_and_calls_nobody(functions: Functions) -> None:
    mock = MockIntegration(200, {}, '{"of":"$context.connectionId","x":"$context.nothing"}')
    routes = {**socket_api().routes, "ping": SocketRoute("ping", mock, True, None)}

    async with run_socket(functions, socket_api(routes=routes)) as gateway:
        socket = await gateway.connect()
        await socket.send_json({"action": "ping"})

        assert await socket.receive_json(timeout=5) == {"of": gateway.connection_id(), "x": ""}
        assert len(functions.events("Socket")) == 1


@pytest.mark.parametrize("action", ["send", "sync"])
@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(error_type="KeyError", error_message="secret"),
        Outcome(error_type="Sandbox.Timedout", error_message="timed out", timed_out=True),
        Outcome(throttled=True),
    ],
)
async def test_a_failed_function_sends_the_error_frame_and_nothing_of_its_error(
    socket_gateway: SocketUnderTest, action: str, outcome: Outcome
) -> None:
    async def fails(event: Mapping[str, Any]) -> Any:
        return outcome if event["requestContext"]["eventType"] == "MESSAGE" else {"statusCode": 200}

    socket_gateway.functions.by_name["Socket"] = fails
    socket = await socket_gateway.connect()

    await socket.send_json({"action": action})

    frame = await socket.receive_json(timeout=5)
    [event] = socket_gateway.functions.route(action)
    assert frame == {
        "message": "Internal server error",
        "connectionId": socket_gateway.connection_id(),
        "requestId": event["requestContext"]["requestId"],
    }


@pytest.mark.parametrize("answer", ["text", None, {"statusCode": 200, "body": {"a": 1}}])
async def test_a_malformed_answer_on_a_two_way_route_is_an_error(
    socket_gateway: SocketUnderTest, answer: Any
) -> None:
    async def odd(event: Mapping[str, Any]) -> Any:
        return answer if event["requestContext"]["eventType"] == "MESSAGE" else {"statusCode": 200}

    socket_gateway.functions.by_name["Socket"] = odd
    socket = await socket_gateway.connect()

    await socket.send_json({"action": "send"})

    assert (await socket.receive_json(timeout=5))["message"] == "Internal server error"


async def test_a_function_slower_than_the_integration_is_given_up(functions: Functions) -> None:
    async def slow(event: Mapping[str, Any]) -> Any:
        if event["requestContext"]["eventType"] == "MESSAGE":
            await asyncio.sleep(0.2)
        return {"statusCode": 200, "body": "late"}

    functions.by_name["Socket"] = slow
    hasty = SocketRoute("send", LambdaIntegration("Socket", timeout_ms=50), True, None)

    async with run_socket(functions, socket_api(routes={**socket_api().routes, "send": hasty})) as gateway:
        socket = await gateway.connect()
        await socket.send_json({"action": "send"})

        assert (await socket.receive_json(timeout=5))["message"] == "Internal server error"


async def test_frames_of_one_connection_run_at_the_same_time(socket_gateway: SocketUnderTest) -> None:
    both = asyncio.Barrier(2)

    async def meets(event: Mapping[str, Any]) -> Any:
        if event["requestContext"]["eventType"] == "MESSAGE":
            await asyncio.wait_for(both.wait(), 5)
        return {"statusCode": 200, "body": event.get("body")}

    socket_gateway.functions.by_name["Socket"] = meets
    socket = await socket_gateway.connect()
    await socket.send_json({"action": "send", "n": 1})
    await socket.send_json({"action": "send", "n": 2})

    answers = [await socket.receive_json(timeout=5) for _ in range(2)]

    assert sorted(answer["n"] for answer in answers) == [1, 2]


async def test_frames_can_be_shuffled_to_show_who_relies_on_their_order(functions: Functions) -> None:
    async def echo(event: Mapping[str, Any]) -> Any:
        return {"statusCode": 200, "body": event.get("body")}

    functions.by_name["Socket"] = echo
    sent = [json.dumps({"action": "send", "n": n}) for n in range(30)]

    async with run_socket(functions, limits=SocketLimits(dispatch_jitter=0.05)) as gateway:
        socket = await gateway.connect()
        for frame in sent:
            await socket.send_str(frame)
        answers = [await socket.receive_str(timeout=5) for _ in sent]

    assert sorted(answers) == sorted(sent)
    assert answers != sent


async def test_frames_above_the_stage_rate_are_refused_one_by_one(functions: Functions) -> None:
    throttled = replace(socket_api(), throttle=Throttle(0.001, 1))

    async with run_socket(functions, throttled) as gateway:
        socket = await gateway.connect()
        await socket.send_json({"action": "ping"})
        await socket.send_json({"action": "ping"})

        frames = [await socket.receive_json(timeout=5) for _ in range(2)]

    assert {"type": "pong"} in frames
    assert "Too Many Requests" in [frame.get("message") for frame in frames]


async def test_authorizer_context_comes_with_every_event(socket_gateway: SocketUnderTest) -> None:
    socket = await socket_gateway.connect()
    await socket.send_json({"action": "sync"})
    await eventually(lambda: bool(socket_gateway.functions.route("sync")))
    await socket.close()
    await socket_gateway.disconnected()

    contexts = [event["requestContext"]["authorizer"] for event in socket_gateway.functions.events("Socket")]
    assert len(contexts) == 3
    assert all(context == contexts[0] for context in contexts)
    assert contexts[0]["user_id"] == "0190aaaa-0000-7000-8000-000000000001"
