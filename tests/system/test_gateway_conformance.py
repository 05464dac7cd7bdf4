"""What a client sees of API Gateway, here and in the cloud: the same tests run against both.

    .venv/bin/pytest tests/system/test_gateway_conformance.py --endpoint deployment.json

Every frame that is exchanged is as docs/asyncapi.yaml says, either way. Binary frames, frames that are too large and
close codes are API Gateway's own matter and stand in no description of ours; text that is no frame is sent as text.
Nobody has run them against AWS yet (docs/gateway-fidelity.md).
"""

from __future__ import annotations

import io
import json
import re
import uuid
from typing import Any

import aiohttp
import pytest

from tests.fixtures.endpoint import Client

PROBLEM = "application/problem+json"
DEVICE = "0190dddd-0000-7000-8000-000000000001"
FOREIGN = {"Origin": "https://evil.example"}


def is_problem(answer: aiohttp.ClientResponse, body: Any, status: int, code: str) -> bool:
    """Whether an answer is this problem document, and traceable."""
    return (
        (answer.status, answer.headers["Content-Type"].split(";")[0]) == (status, PROBLEM)
        and (body["status"], body["code"]) == (status, code)
        and body["request_id"] == answer.headers["X-Request-Id"] == answer.headers["x-amzn-RequestId"]
    )


async def test_every_answer_can_be_traced(client: Client) -> None:
    answer, _ = await client.call("GET", "/health")

    assert answer.status == 200
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-amzn-RequestId"])
    assert re.fullmatch(r"[A-Za-z0-9_-]{15}=", answer.headers["x-amz-apigw-id"])


@pytest.mark.parametrize(("method", "path"), [("POST", "/health"), ("GET", "/"), ("DELETE", "/health")])
async def test_a_route_that_does_not_exist_is_a_problem_404(client: Client, method: str, path: str) -> None:
    answer, body = await client.call(method, path)

    assert is_problem(answer, body, 404, "not_found")


@pytest.mark.parametrize("header", [{}, {"Authorization": ""}, {"Authorization": "Bearer nonsense"}])
async def test_without_a_valid_token_the_gateway_itself_answers_401(
    client: Client, header: dict[str, str]
) -> None:
    answer, body = await client.call("GET", "/threads", headers=header)

    assert is_problem(answer, body, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_with_a_token_the_function_answers_again_and_again(client: Client) -> None:
    answers = [await client.call("GET", "/threads", headers=client.endpoint.bearer) for _ in range(3)]

    assert [answer.status for answer, _ in answers] == [200, 200, 200]
    assert len({answer.headers["x-amzn-RequestId"] for answer, _ in answers}) == 3


async def test_more_than_ten_megabytes_are_refused(client: Client) -> None:
    body = io.BytesIO(json.dumps({"message": "x" * (10 * 1024 * 1024)}).encode())

    try:
        answer, problem = await client.call("POST", "/threads", data=body, headers=client.endpoint.bearer)
    except aiohttp.ClientOSError:
        return  # the line may be cut before all of the body was sent

    assert is_problem(answer, problem, 413, "too_large")


async def test_a_preflight_of_an_allowed_origin_needs_no_token(client: Client) -> None:
    headers = {"Origin": client.endpoint.origin, "Access-Control-Request-Method": "POST"}

    answer, _ = await client.call("OPTIONS", "/threads", headers=headers)

    assert answer.status in (200, 204)
    assert answer.headers["Access-Control-Allow-Origin"] == client.endpoint.origin


async def test_a_ticket_opens_one_socket_once(client: Client) -> None:
    device_id = str(uuid.uuid4())
    query = f"ticket={await client.ticket(device_id)}&device_id={device_id}"

    async with client.http.ws_connect(f"{client.endpoint.ws}?{query}"):
        assert await client.refused(query) == 401


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 401), ("ticket=", 401), ("ticket=nonsense", 401), (f"ticket=a&device_id={DEVICE}", 401)],
)
async def test_no_ticket_no_socket(client: Client, query: str, status: int) -> None:
    assert await client.refused(query) == status


async def test_a_foreign_origin_gets_no_socket(client: Client) -> None:
    device_id = str(uuid.uuid4())
    query = f"ticket={await client.ticket(device_id)}&device_id={device_id}"

    assert await client.refused(query, headers=FOREIGN) == 403


async def test_another_stage_is_forbidden(client: Client) -> None:
    assert await client.refused("ticket=a", suffix="x") == 403


@pytest.mark.parametrize(("offered", "spoken"), [(("wedsync.v1",), "wedsync.v1"), ((), None)])
async def test_the_sub_protocol_is_echoed_to_those_who_offer_it(
    client: Client, offered: tuple[str, ...], spoken: str | None
) -> None:
    async with client.socket(protocols=offered, compress=15) as socket:
        assert (socket.protocol, socket.compress) == (spoken, 0)


async def test_ping_is_answered_without_a_function_and_one_way_routes_return_nothing(client: Client) -> None:
    async with client.socket() as socket:
        await socket.send_json({"action": "ack", "epoch": "none", "cursors": {str(uuid.uuid4()): 1}})
        await socket.send_json({"action": "ping"})

        assert await socket.receive_json(timeout=10) == {"type": "pong"}


async def test_a_two_way_route_answers_on_the_socket(client: Client) -> None:
    async with client.socket() as socket:
        await socket.send_json({"action": "auth", "id": "c1", "ticket": "nonsense"})

        answer = await socket.receive_json(timeout=10)

    assert (answer["type"], answer["re"], answer["code"]) == ("error", "c1", "invalid")


async def test_who_is_disconnected_by_us_sees_1000_after_the_reason(client: Client) -> None:
    device_id = str(uuid.uuid4())
    async with client.socket(device_id) as old, client.socket(device_id) as new:
        await new.send_json({"action": "sync", "id": "c1"})

        bye = await old.receive_json(timeout=10)
        await old.receive(timeout=10)

        assert (bye["type"], bye["code"], old.close_code) == ("bye", 4009, 1000)


@pytest.mark.parametrize("frame", ["no json", '{"action":"$connect"}', '{"action":"unknown"}', "[]"])
async def test_what_no_route_takes_reaches_the_default_route(client: Client, frame: str) -> None:
    async with client.socket() as socket:
        await socket.send_str(frame)

        assert (await socket.receive_json(timeout=10))["type"] == "error"


@pytest.mark.parametrize(
    ("kind", "payload", "code"),
    [
        (aiohttp.WSMsgType.BINARY, b"\x00", 1003),
        (aiohttp.WSMsgType.TEXT, b"x" * (32 * 1024 + 1), 1009),
    ],
)
async def test_frames_that_are_not_taken_close_the_socket(
    client: Client, kind: aiohttp.WSMsgType, payload: bytes, code: int
) -> None:
    async with client.socket() as socket:
        await socket.send_frame(payload, kind)
        await socket.receive(timeout=10)

        assert socket.close_code == code


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_connections_cannot_be_touched_without_a_signature(client: Client, method: str) -> None:
    url = f"{client.endpoint.callbacks}/AAAAAAAAAAAAAAA%3D"

    async with client.http.request(method, url, data=b"{}") as answer:
        assert answer.status == 403
        assert answer.headers["x-amzn-ErrorType"]
