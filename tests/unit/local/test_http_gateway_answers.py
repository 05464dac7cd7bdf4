"""What clients of the REST API get: mapped answers, gateway responses of the template, limits."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

import pytest

from local.http_gateway_answers import MalformedAnswerError, proxy_answer
from local.model import GatewayResponse, LambdaIntegration, Outcome, RestRoute
from tests.fixtures.gateways import Functions, RestUnderTest, rest_api, run_rest

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


async def test_any_is_head_too_and_what_the_function_says_comes_without_its_body(
    rest_gateway: RestUnderTest,
) -> None:
    headers = {"Authorization": "Bearer t"}

    answer = await rest_gateway.http.head("threads", headers=headers)

    assert (answer.status, await answer.read()) == (200, b"")
    assert [event["httpMethod"] for event in rest_gateway.functions.events("Rest")] == ["HEAD"]


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


async def test_a_header_mapped_from_one_the_request_lacks_is_left_out(rest_gateway: RestUnderTest) -> None:
    answer = await rest_gateway.http.delete("health")

    assert answer.status == 404
    assert "X-Asked" not in answer.headers


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
