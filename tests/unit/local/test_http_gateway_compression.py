"""Which answers of the REST API are compressed, and how."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from typing import Any

import pytest

from local.http_gateway_answers import Answer
from local.http_gateway_compression import compressed
from tests.fixtures.gateways import Functions, rest_api, run_rest

TEXT = b'{"data": []}' * 100
PAGE = Answer(200, (("Content-Type", "application/json"),), TEXT)


@pytest.mark.parametrize(
    "accepted", ["gzip", "GZIP", "gzip, deflate, br", "br;q=0.5, gzip", "identity;q=0, gzip;q=1.0"]
)
def test_who_likes_gzip_best_gets_gzip(accepted: str) -> None:
    answer = compressed(PAGE, accepted, 1024)

    assert answer.headers == (*PAGE.headers, ("Content-Encoding", "gzip"))
    assert gzip.decompress(answer.body) == TEXT


def test_deflate_is_spoken_too() -> None:
    answer = compressed(PAGE, "deflate, gzip", 1024)

    assert answer.headers[-1] == ("Content-Encoding", "deflate")
    assert zlib.decompress(answer.body) == TEXT


@pytest.mark.parametrize("accepted", [None, "", "*", "identity", "br, gzip", "gzip;q=0", "gzip;q=x", "zstd"])
def test_others_get_it_as_it_is(accepted: str | None) -> None:
    assert compressed(PAGE, accepted, 1024) is PAGE


def test_small_answers_are_left_alone() -> None:
    assert compressed(PAGE, "gzip", len(TEXT) + 1) is PAGE
    assert compressed(PAGE, "gzip", len(TEXT)) is not PAGE
    assert compressed(Answer(204, (), b""), "gzip", 0).body == b""


def test_an_api_without_a_minimum_compresses_nothing() -> None:
    assert compressed(PAGE, "gzip", None) is PAGE


def test_what_the_function_has_coded_is_left_alone() -> None:
    coded = Answer(200, (("content-encoding", "br"),), TEXT)

    assert compressed(coded, "gzip", 0) is coded


async def test_a_client_of_the_gateway_reads_what_the_function_said(functions: Functions) -> None:
    async def says(_: Mapping[str, Any]) -> Any:
        return {"statusCode": 200, "body": TEXT.decode()}

    functions.by_name["Rest"] = says

    async with run_rest(functions, rest_api(minimum_compression_size=1024)) as gateway:
        plain = await gateway.http.get("health", headers={"Accept-Encoding": "identity"})
        coded = await gateway.http.get("health", headers={"Accept-Encoding": "gzip"})

        assert "Content-Encoding" not in plain.headers
        assert coded.headers["Content-Encoding"] == "gzip"
        assert int(coded.headers["Content-Length"]) < len(TEXT) / 5
        assert await plain.read() == await coded.read() == TEXT
