"""What clients of the REST API get: mapped answers, gateway responses of the template, limits."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from local.http_gateway_answers import MalformedAnswerError, proxy_answer
from local.model import GatewayResponse, LambdaIntegration, Outcome, RestRoute, Throttle
from tests.fixtures.gateways import Functions, RestUnderTest, raw, rest_api, run_rest

PIXEL = base64.b64encode(b"\x89PNG").decode()


def test_status_headers_and_body_are_mapped() -> None:
    payload = {
        "statusCode": "201",
        "headers": {"Location": "/threads/1", "X-Count": 3, "X-Flag": True},
        "multiValueHeaders": {"Set-Thing": ["a", "b"], "location": ["/threads/1"]},
        "body": "ü",
    }

    answer = proxy_answer(payload, None, ())

    assert answer.status == 201
    assert sorted(answer.headers) == [
        ("Content-Type", "application/json"),
        ("Location", "/threads/1"),
        ("Set-Thing", "a"),
        ("Set-Thing", "b"),
        ("X-Count", "3"),
        ("X-Flag", "true"),
    ]
    assert answer.body == "ü".encode()


def test_headers_that_api_gateway_keeps_for_itself_come_back_renamed() -> None:
    headers = {"WWW-Authenticate": "Bearer", "Content-Type": "text/plain"}

    answer = proxy_answer({"statusCode": 401, "headers": headers}, None, ())

    assert answer.headers == (
        ("x-amzn-Remapped-WWW-Authenticate", "Bearer"),
        ("Content-Type", "text/plain"),
    )


@pytest.mark.parametrize(
    ("accept", "types", "body"),
    [
        ("image/png", ("image/png",), b"\x89PNG"),
        ("image/png,text/html", ("image/*",), b"\x89PNG"),
        (None, ("*/*",), b"\x89PNG"),
        ("text/html,image/png", ("image/png",), PIXEL.encode()),
        (None, (), PIXEL.encode()),
    ],
)
def test_base64_is_decoded_only_for_those_who_accept_it_first(
    accept: str | None, types: tuple[str, ...], body: bytes
) -> None:
    payload = {"statusCode": 200, "isBase64Encoded": True, "body": PIXEL}

    assert proxy_answer(payload, accept, types).body == body


@pytest.mark.parametrize(
    "payload",
    [
        None,
        "text",
        [],
        {},
        {"statusCode": "ok"},
        {"statusCode": True},
        {"statusCode": 99},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "cookies": []},
        {"statusCode": 200, "headers": []},
        {"statusCode": 200, "headers": {"X": None}},
        {"statusCode": 200, "headers": {"X": "a\r\nSet-Cookie: b"}},
        {"statusCode": 200, "headers": {"X: y": "a"}},
        {"statusCode": 200, "multiValueHeaders": {"X": "a"}},
    ],
)
def test_anything_else_is_malformed(payload: Any) -> None:
    with pytest.raises(MalformedAnswerError):
        proxy_answer(payload, None, ())


def test_a_body_that_is_not_base64_is_malformed() -> None:
    with pytest.raises(MalformedAnswerError):
        proxy_answer({"statusCode": 200, "isBase64Encoded": True, "body": "%"}, None, ("*/*",))


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(payload={"body": "no status"}),
        Outcome(error_type="ZeroDivisionError", error_message="secret detail"),
        Outcome(error_type="Runtime.ExitError", error_message="exit status 137"),
        Outcome(error_type="Sandbox.Timedout", error_message="Task timed out", timed_out=True),
        Outcome(throttled=True),
    ],
)
async def test_a_failed_function_answers_502_and_nothing_of_its_error(
    rest_gateway: RestUnderTest, outcome: Outcome
) -> None:
    async def fails(_: Mapping[str, Any]) -> Any:
        return outcome

    rest_gateway.functions.by_name["Rest"] = fails

    answer = await rest_gateway.http.get("health")

    assert (answer.status, await answer.json()) == (502, {"message": "Internal server error"})
    assert answer.headers["x-amzn-ErrorType"] == "InternalServerErrorException"
    assert answer.headers["Retry-After"] == "2"


async def test_a_function_slower_than_the_integration_is_left_behind(functions: Functions) -> None:
    finished = asyncio.Event()

    async def slow(_: Mapping[str, Any]) -> Any:
        await asyncio.sleep(0.2)
        finished.set()
        return {"statusCode": 200}

    functions.by_name["Rest"] = slow
    api = rest_api(routes=(RestRoute("/slow", "GET", LambdaIntegration("Rest", timeout_ms=50), None),))

    async with run_rest(functions, api) as gateway:
        answer = await gateway.http.get("slow")

        assert (answer.status, await answer.json()) == (504, {"message": "Endpoint request timed out"})
        await asyncio.wait_for(finished.wait(), 2)


async def test_an_unknown_route_answers_as_the_template_maps_it(rest_gateway: RestUnderTest) -> None:
    answer = await rest_gateway.http.delete("health?x=1", headers={"X-Ask": "me"})

    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Asked"] == "me"
    assert await answer.json(content_type=None) == {
        "status": 404,
        "detail": "Missing Authentication Token",
        "request_id": answer.headers["x-amzn-RequestId"],
        "path": "/v1/health",
    }


async def test_an_overridden_status_and_family_stand_above_the_default(functions: Functions) -> None:
    api = rest_api(
        gateway_responses={
            "DEFAULT_4XX": GatewayResponse(
                "DEFAULT_4XX",
                None,
                {"X-Id": "context.requestId"},
                {"application/json": "$context.error.responseType!"},
            )
        }
    )

    async with run_rest(functions, api) as gateway:
        answer = await gateway.http.get("threads")

        assert (answer.status, await answer.text()) == (401, "UNAUTHORIZED!")
        assert answer.headers["X-Id"] == answer.headers["x-amzn-RequestId"]


async def test_a_failure_without_a_message_renders_null(rest_gateway: RestUnderTest) -> None:
    async def broken(_: Mapping[str, Any]) -> Any:
        return Outcome(error_type="Exception", error_message="broken")

    rest_gateway.functions.by_name["Authorizer"] = broken

    answer = await rest_gateway.http.get("threads", headers={"Authorization": "Bearer a"})

    assert (answer.status, await answer.json()) == (500, {"message": None})


async def test_preflights_are_answered_by_the_template_alone(rest_gateway: RestUnderTest) -> None:
    answer = await rest_gateway.http.options("threads", headers={"Origin": "https://app.example"})

    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, "*")
    assert rest_gateway.functions.calls == []


async def test_a_stage_above_its_rate_answers_429(functions: Functions) -> None:
    async with run_rest(functions, replace(rest_api(), throttle=Throttle(0.001, 2))) as gateway:
        statuses = [(await gateway.http.get("health")).status for _ in range(3)]

    assert statuses == [200, 200, 429]
    assert len(functions.events("Rest")) == 2


async def test_ten_megabytes_pass_and_one_byte_more_does_not(rest_gateway: RestUnderTest) -> None:
    limit = 10 * 1024 * 1024

    passed = await rest_gateway.http.post("callbacks/x", data=io.BytesIO(b"x" * limit))
    refused = await rest_gateway.http.post("callbacks/x", data=io.BytesIO(b"x" * (limit + 1)))

    assert (passed.status, refused.status, await refused.json()) == (
        200,
        413,
        {"message": "Request Too Long"},
    )
    assert len(rest_gateway.functions.events("Rest")) == 1


async def test_a_chunked_body_without_a_length_is_measured_too(rest_gateway: RestUnderTest) -> None:
    async def chunks() -> Any:
        for _ in range(11):
            yield b"x" * 1024 * 1024

    refused = await rest_gateway.http.post("callbacks/x", data=chunks())

    assert refused.status == 413
    assert rest_gateway.functions.calls == []


async def test_a_body_that_never_comes_is_given_up(functions: Functions) -> None:
    async with run_rest(functions, body_seconds=0.05) as gateway:
        head = await raw(
            gateway.port, b"POST /v1/callbacks/x HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc"
        )

    assert head.startswith(b"HTTP/1.1 408")
    assert functions.calls == []


async def test_a_malformed_request_never_reaches_a_function(rest_gateway: RestUnderTest) -> None:
    head = await raw(rest_gateway.port, b"GET /v1/health HTTP/1.1\r\nHost h\r\n\r\n")

    assert b" 400 Bad Request" in head
    assert rest_gateway.functions.calls == []


async def test_headers_that_never_end_lose_their_connection(functions: Functions) -> None:
    async with run_rest(functions, keepalive=0.05) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"GET /v1/health HTTP/1.1\r\nHost: h\r\nX-Slow: ")

        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await writer.wait_closed()

    assert functions.calls == []
