"""Limits of the REST API: rate, size, slowness."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from typing import Any

import pytest

from local.model import Throttle
from tests.fixtures.gateways import Functions, RestUnderTest, raw, rest_api, run_rest


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


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /v1/health HTTP/1.1\r\nHost h\r\n\r\n",
        b"FOO /v1/health HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /v1/health HTTP/1.1\r\nHost: h\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_a_malformed_request_never_reaches_a_function(
    rest_gateway: RestUnderTest, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    head = await raw(rest_gateway.port, sent)

    assert b" 400 Bad Request" in head
    assert caplog.records == []
    assert rest_gateway.functions.calls == []


async def test_headers_that_never_end_lose_their_connection(functions: Functions) -> None:
    async with run_rest(functions, keepalive=0.05) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"GET /v1/health HTTP/1.1\r\nHost: h\r\nX-Slow: ")

        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await writer.wait_closed()

    assert functions.calls == []


async def test_a_long_query_and_a_long_header_reach_the_function(rest_gateway: RestUnderTest) -> None:
    asked = await rest_gateway.http.get("health?q=" + "x" * 10_000)
    told = await rest_gateway.http.get("health", headers={"X-Long": "x" * 9_000})

    assert (asked.status, told.status) == (200, 200)


async def test_what_is_not_utf_8_never_reaches_a_function(rest_gateway: RestUnderTest) -> None:
    body = await rest_gateway.http.post(
        "callbacks/x", data=b'"\xff"', headers={"Content-Type": "application/json"}
    )
    query = await raw(
        rest_gateway.port, b"GET /v1/health?q=%ff HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    )

    assert (body.status, await body.json()) == (400, {"message": "Invalid request body"})
    assert query.startswith(b"HTTP/1.1 400")
    assert rest_gateway.functions.calls == []
