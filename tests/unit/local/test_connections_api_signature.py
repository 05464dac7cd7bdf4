"""Signatures on `@connections`: what botocore signs is taken, everything else is forbidden and does nothing."""

from __future__ import annotations

import re
import time
from urllib.parse import quote

import pytest

from local.connections_api_signature import SignatureVerifier
from tests.fixtures.callbacks import KEY, post, signed
from tests.fixtures.gateways import CREDENTIALS, Functions, SocketUnderTest, run_socket

SIGNATURE_FAULTS = {
    "none": lambda headers: headers.pop("Authorization"),
    "not a signature": lambda headers: headers.update(Authorization="Bearer abc"),
    "another key": lambda headers: headers.update(
        Authorization=headers["Authorization"].replace(f"Credential={KEY}", "Credential=OTHER")
    ),
    "another signature": lambda headers: headers.update(
        Authorization=re.sub("Signature=.*", "Signature=" + "0" * 64, headers["Authorization"])
    ),
    "another date": lambda headers: headers.update({"X-Amz-Date": "20200101T000000Z"}),
    "no date": lambda headers: headers.pop("X-Amz-Date"),
    "host unsigned": lambda headers: headers.update(
        Authorization=headers["Authorization"].replace("SignedHeaders=host;", "SignedHeaders=")
    ),
}


@pytest.mark.parametrize("fault", SIGNATURE_FAULTS)
async def test_who_does_not_sign_properly_is_forbidden_and_nothing_is_sent(
    socket_gateway: SocketUnderTest, fault: str
) -> None:
    socket = await socket_gateway.connect()
    path = f"/v1/@connections/{quote(socket_gateway.connection_id())}"
    url = f"http://127.0.0.1:{socket_gateway.port}{path}"
    headers = signed("POST", url, b"hello")
    SIGNATURE_FAULTS[fault](headers)

    status, kind, _ = await post(socket_gateway, path, headers)

    assert (status, kind) == (403, "ForbiddenException")
    await post(socket_gateway, path, signed("POST", url, b"signed"), b"signed")
    assert await socket.receive_str(timeout=5) == "signed"


async def test_a_signature_covers_body_path_and_service(socket_gateway: SocketUnderTest) -> None:
    socket = await socket_gateway.connect()
    path = f"/v1/@connections/{quote(socket_gateway.connection_id())}"
    url = f"http://127.0.0.1:{socket_gateway.port}{path}"

    answers = [
        await post(socket_gateway, path, signed("POST", url, b"another body")),
        await post(socket_gateway, path, signed("POST", url[:-4] + "x%3D", b"hello")),
        await post(socket_gateway, path, signed("POST", url, b"hello", service="sqs")),
        await post(socket_gateway, path, signed("DELETE", url, b"hello")),
    ]

    assert [answer[0] for answer in answers] == [403] * 4
    assert not socket.closed


async def test_an_old_signature_has_expired(functions: Functions) -> None:
    async with run_socket(functions) as gateway:
        socket = await gateway.connect()
        verifier = SignatureVerifier(CREDENTIALS, clock=lambda: time.time() + 301)
        gateway.gateway._callbacks._verifier = verifier  # pyright: ignore[reportPrivateUsage]
        path = f"/v1/@connections/{quote(gateway.connection_id())}"
        headers = signed("POST", f"http://127.0.0.1:{gateway.port}{path}", b"hello")

        status, _, body = await post(gateway, path, headers)

    assert (status, body) == (403, '{"message":"Signature expired"}')
    assert socket is not None
