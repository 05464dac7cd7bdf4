"""The events of the REST API, held against golden events and against Powertools' own models of them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from aws_lambda_powertools.utilities.parser.models import (
    ApiGatewayAuthorizerRequest,
    APIGatewayProxyEventModel,
)

from tests.fixtures.gateways import RestUnderTest, raw
from tests.fixtures.golden_events import differences, golden

HOST = "abcdef.execute-api.eu-central-1.amazonaws.com"
BODY = '{"message": "süß"}'.encode()
REQUEST = (
    "POST /v1/threads/caf%C3%A9%20one?status=active&status=closed&q=two+words+%26+%C3%BC&flag HTTP/1.1\r\n"
    f"Host: {HOST}\r\nAccept: */*\r\nAuthorization: Bearer x.y.z\r\nContent-Type: application/json\r\n"
    "Origin: https://app.example\r\nUser-Agent: curl/8.5.0\r\nConnection: keep-alive\r\nTE: trailers\r\n"
    f"X-Twice: first\r\nX-Twice: second\r\nContent-Length: {len(BODY)}\r\n\r\n"
).encode() + BODY


async def rest_event(gateway: RestUnderTest, request: bytes) -> dict[str, Any]:
    await raw(gateway.port, request)
    return gateway.functions.events("Rest")[-1]


async def test_the_proxy_event_is_key_for_key_that_of_aws(rest_gateway: RestUnderTest) -> None:
    event = await rest_event(rest_gateway, REQUEST)

    assert differences(golden("rest_proxy"), event) == []


async def test_what_a_bare_request_does_not_have_is_null(rest_gateway: RestUnderTest) -> None:
    event = await rest_event(rest_gateway, f"GET /v1/health HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())

    assert differences(golden("rest_proxy_bare"), event) == []


async def test_the_authorizer_sees_the_request_without_its_body(rest_gateway: RestUnderTest) -> None:
    await raw(rest_gateway.port, REQUEST)

    [event] = rest_gateway.functions.events("Authorizer")
    assert differences(golden("rest_authorizer"), event) == []


async def test_powertools_reads_the_events(rest_gateway: RestUnderTest) -> None:
    event = await rest_event(rest_gateway, REQUEST)
    [question] = rest_gateway.functions.events("Authorizer")

    parsed = APIGatewayProxyEventModel.model_validate(event)
    ApiGatewayAuthorizerRequest.model_validate(question)

    assert parsed.requestContext.requestTimeEpoch.year >= 2025
    data = APIGatewayProxyEvent(event)
    assert data.json_body == {"message": "süß"}
    assert data.request_context.authorizer["user_id"] == "0190aaaa-0000-7000-8000-000000000001"
    assert data.resolved_query_string_parameters["status"] == ["active", "closed"]
    assert data.resolved_headers_field["x-twice"] == ["first", "second"]


async def test_every_request_has_ids_of_its_own_that_the_answer_repeats(rest_gateway: RestUnderTest) -> None:
    answers = [await rest_gateway.http.get("health") for _ in range(2)]

    contexts = [event["requestContext"] for event in rest_gateway.functions.events("Rest")]
    assert [answer.headers["x-amzn-RequestId"] for answer in answers] == [
        one["requestId"] for one in contexts
    ]
    assert [one.headers["x-amz-apigw-id"] for one in answers] == [
        one["extendedRequestId"] for one in contexts
    ]
    assert contexts[0]["requestId"] != contexts[1]["requestId"]


async def test_a_trace_the_client_began_goes_on(rest_gateway: RestUnderTest) -> None:
    root = "Root=1-5759e988-bd862e3fe1be46a994272793"

    answer = await rest_gateway.http.get("health", headers={"X-Amzn-Trace-Id": root})

    assert answer.headers["X-Amzn-Trace-Id"] == root
    [event] = rest_gateway.functions.events("Rest")
    assert event["headers"]["X-Amzn-Trace-Id"] == root


async def test_a_forwarded_address_is_kept_but_never_believed(rest_gateway: RestUnderTest) -> None:
    await rest_gateway.http.get(
        "health", headers={"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "gopher"}
    )

    [event] = rest_gateway.functions.events("Rest")
    assert event["headers"]["X-Forwarded-For"] == "203.0.113.9, 127.0.0.1"
    assert event["headers"]["X-Forwarded-Proto"] == "https"
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("content_type", "encoded"),
    [("image/png", True), ("IMAGE/PNG; x=y", True), ("image/jpeg", False), ("application/json", False)],
)
async def test_bodies_of_binary_types_arrive_in_base64(
    rest_gateway: RestUnderTest, content_type: str, encoded: bool
) -> None:
    await rest_gateway.http.post("callbacks/x", data="é".encode(), headers={"Content-Type": content_type})

    [event] = rest_gateway.functions.events("Rest")
    assert event["isBase64Encoded"] is encoded
    assert event["body"] == (base64.b64encode("é".encode()).decode() if encoded else "é")


async def test_a_semicolon_splits_a_query_like_an_ampersand(rest_gateway: RestUnderTest) -> None:
    event = await rest_event(
        rest_gateway, f"GET /v1/health?a=1;b=2 HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    )

    assert event["queryStringParameters"] == {"a": "1", "b": "2"}
