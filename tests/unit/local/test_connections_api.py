"""`@connections`, called with boto3 as any other team would, and by hand where boto3 is too polite."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from yarl import URL

from local import connections_api
from local.websocket_gateway_limits import SocketLimits
from tests.fixtures.callbacks import post, signed
from tests.fixtures.gateways import CREDENTIALS, Functions, SocketUnderTest, raw, run_socket

KEY, SECRET = next(iter(CREDENTIALS.items()))
ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
UNKNOWN = "AAAAAAAAAAAAAAA="


def client_of(gateway: SocketUnderTest, key: str = KEY, secret: str = SECRET) -> Any:
    """A boto3 client pointed at the gateway as CALLBACK_URL would."""
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=gateway.base,
        region_name="eu-central-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


async def call(method: Callable[..., Any], **arguments: Any) -> Any:
    """boto3 blocks: it runs beside the gateway's loop."""
    return await asyncio.to_thread(method, **arguments)


async def error_of(method: Callable[..., Any], **arguments: Any) -> str:
    """The error code boto3 sees."""
    with pytest.raises(ClientError) as caught:
        await call(method, **arguments)
    return str(caught.value.response.get("Error", {}).get("Code"))


async def test_a_posted_message_arrives_as_one_text_frame(socket_gateway: SocketUnderTest) -> None:
    socket = await socket_gateway.connect()

    answer = await call(
        client_of(socket_gateway).post_to_connection,
        ConnectionId=socket_gateway.connection_id(),
        Data='{"type":"pong","ü":1}'.encode(),
    )

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    message = await socket.receive(timeout=5)
    assert (message.type, message.data) == (aiohttp.WSMsgType.TEXT, '{"type":"pong","ü":1}')


async def test_get_tells_who_is_there_and_since_when(socket_gateway: SocketUnderTest) -> None:
    socket = await socket_gateway.connect(headers={"User-Agent": "wedding-app/1"})
    connection_id = socket_gateway.connection_id()
    path = f"/v1/@connections/{quote(connection_id)}"
    url = f"http://127.0.0.1:{socket_gateway.port}{path}"

    raw = await (await socket_gateway.http.get(URL(url, encoded=True), headers=signed("GET", url))).json()
    answer = await call(client_of(socket_gateway).get_connection, ConnectionId=connection_id)

    assert raw.keys() == {"connectedAt", "identity", "lastActiveAt"}
    assert re.fullmatch(ISO, raw["connectedAt"])
    assert re.fullmatch(ISO, raw["lastActiveAt"])
    assert answer["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "wedding-app/1"}
    assert not socket.closed


async def test_delete_closes_with_1000_and_the_connection_is_gone(socket_gateway: SocketUnderTest) -> None:
    socket = await socket_gateway.connect()
    client, connection_id = client_of(socket_gateway), socket_gateway.connection_id()

    answer = await call(client.delete_connection, ConnectionId=connection_id)
    after = await error_of(client.post_to_connection, ConnectionId=connection_id, Data=b"late")

    assert (answer["ResponseMetadata"]["HTTPStatusCode"], after) == (204, "GoneException")
    assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
    assert socket.close_code == 1000
    [event] = await socket_gateway.disconnected()
    assert event["requestContext"]["disconnectStatusCode"] == 1000
    assert event["requestContext"]["disconnectReason"] == "Connection Closed Normally"


@pytest.mark.parametrize("operation", ["post_to_connection", "get_connection", "delete_connection"])
async def test_an_unknown_connection_is_gone_for_every_operation(
    socket_gateway: SocketUnderTest, operation: str
) -> None:
    client = client_of(socket_gateway)
    data = {"Data": b"x"} if operation.startswith("post") else {}

    with pytest.raises(client.exceptions.GoneException):
        await call(getattr(client, operation), ConnectionId=UNKNOWN, **data)


async def test_gone_has_its_type_in_a_header_and_no_body(socket_gateway: SocketUnderTest) -> None:
    path = f"/v1/@connections/{quote(UNKNOWN)}"
    headers = signed("POST", f"http://127.0.0.1:{socket_gateway.port}{path}", b"hello")

    assert await post(socket_gateway, path, headers) == (410, "GoneException", "")


async def test_a_malformed_id_is_a_bad_request(socket_gateway: SocketUnderTest) -> None:
    code = await error_of(client_of(socket_gateway).post_to_connection, ConnectionId="nonsense", Data=b"x")

    assert code == "BadRequestException"


async def test_nothing_can_be_posted_before_connect_has_returned(socket_gateway: SocketUnderTest) -> None:
    codes: list[str] = []

    async def connect(event: Mapping[str, Any]) -> Any:
        context = event["requestContext"]
        if context["routeKey"] == "$connect":
            client = client_of(socket_gateway)
            posting = client.post_to_connection
            codes.append(await error_of(posting, ConnectionId=context["connectionId"], Data=b"early"))
        return {"statusCode": 200}

    socket_gateway.functions.by_name["Socket"] = connect

    await socket_gateway.connect()

    assert codes == ["GoneException"]


async def test_a_closed_socket_is_gone(socket_gateway: SocketUnderTest) -> None:
    socket = await socket_gateway.connect()
    await socket.close()
    await socket_gateway.disconnected()

    posting = client_of(socket_gateway).post_to_connection
    assert await error_of(posting, ConnectionId=socket_gateway.connection_id(), Data=b"x") == "GoneException"


async def test_128_kb_can_be_posted_and_one_byte_more_cannot(socket_gateway: SocketUnderTest) -> None:
    socket = await socket_gateway.connect(max_msg_size=0)
    client, connection_id = client_of(socket_gateway), socket_gateway.connection_id()

    await call(client.post_to_connection, ConnectionId=connection_id, Data=b"x" * 131072)
    # boto3 itself would refuse more, so these go by hand.
    path = f"/v1/@connections/{quote(connection_id)}"
    url = f"http://127.0.0.1:{socket_gateway.port}{path}"
    refusals = [
        await post(socket_gateway, path, signed("POST", url, body), body)
        for body in (b"x" * 131073, b"x" * 300_000)
    ]

    assert len(await socket.receive_str(timeout=5)) == 131072
    assert [refusal[:2] for refusal in refusals] == [(413, "PayloadTooLargeException")] * 2


async def test_bytes_that_are_no_text_are_refused_and_the_socket_lives(
    socket_gateway: SocketUnderTest,
) -> None:
    socket = await socket_gateway.connect()
    client, connection_id = client_of(socket_gateway), socket_gateway.connection_id()

    code = await error_of(client.post_to_connection, ConnectionId=connection_id, Data=b"\xff\xfe")
    await call(client.post_to_connection, ConnectionId=connection_id, Data=b"ok")

    assert code == "BadRequestException"
    assert await socket.receive_str(timeout=5) == "ok"


async def test_a_body_that_does_not_come_is_given_up(
    socket_gateway: SocketUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections_api, "BODY_SECONDS", 0.05)
    head = f"POST /v1/@connections/{UNKNOWN} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"

    answer = await raw(socket_gateway.port, head.encode())

    assert answer.startswith(b"HTTP/1.1 504 ")


async def test_a_client_that_reads_nothing_is_answered_429_and_others_are_served(
    functions: Functions,
) -> None:
    async with run_socket(functions, limits=SocketLimits(send_buffer_bytes=64 * 1024)) as gateway:
        slow, quick = await gateway.connect(), await gateway.connect()
        client, slow_id = client_of(gateway), gateway.connection_id(0)
        slow._response.connection.protocol.pause_reading()  # pyright: ignore[reportOptionalMemberAccess]

        path, body = f"/v1/@connections/{quote(slow_id)}", b"x" * 100_000
        headers = signed("POST", f"http://127.0.0.1:{gateway.port}{path}", body)
        answer = (200, None, "")
        for _ in range(400):
            if answer[0] == 200:
                answer = await post(gateway, path, headers, body)
        await call(client.post_to_connection, ConnectionId=gateway.connection_id(1), Data=b"served")

        slow._response.connection.protocol.resume_reading()  # pyright: ignore[reportOptionalMemberAccess]
        assert answer[:2] == (429, "LimitExceededException")
        assert await quick.receive_str(timeout=5) == "served"


@pytest.mark.parametrize("path", ["/@connections/x", "/v2/@connections/x", "/v1/connections/x", "/v1"])
async def test_another_path_is_forbidden(socket_gateway: SocketUnderTest, path: str) -> None:
    headers = signed("POST", f"http://127.0.0.1:{socket_gateway.port}{path}", b"hello")

    assert (await post(socket_gateway, path, headers))[:2] == (403, "ForbiddenException")
