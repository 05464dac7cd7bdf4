"""What the signed client does with good, late, broken and refusing services."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from unittest import mock

import pytest

from tests.fixtures.stub_server import Request, answer, serving
from wedsync.platform import aws, wire

OK = answer(200, b'{"Item":{"pk":{"S":"U#1"}}}')


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    with (
        mock.patch.object(aws, "LINES", wire.Lines()) as lines,
        mock.patch.object(aws, "BACK_OFF_SECONDS", 0),
    ):
        yield
        lines.close()


def test_a_call_names_its_operation_and_returns_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: OK) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)

        item = aws.call("dynamodb", "GetItem", {"TableName": "connections"})["Item"]

    request = stub.requests[0]
    assert item == {"pk": {"S": "U#1"}}
    assert request.headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
    assert request.headers["content-type"] == "application/x-amz-json-1.0"
    assert "/eu-west-1/dynamodb/aws4_request" in request.headers["authorization"]
    assert json.loads(request.body) == {"TableName": "connections"}


def test_calls_share_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: OK) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)

        for _ in range(3):
            aws.call("dynamodb", "GetItem", {})

    assert [request.line for request in stub.requests] == [1, 1, 1]


def test_new_credentials_are_used_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: OK) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)
        aws.call("dynamodb", "GetItem", {})

        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIAROTATED")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "of the next hour")
        aws.call("dynamodb", "GetItem", {})

    assert "Credential=ASIAROTATED/" in stub.requests[1].headers["authorization"]
    assert stub.requests[1].headers["x-amz-security-token"] == "of the next hour"


def test_a_connection_that_the_service_closed_while_idle_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_answer_per_line(request: Request) -> bytes | None:
        seen = [earlier for earlier in stub.requests if earlier.line == request.line]
        return OK if len(seen) == 1 else None

    with serving(one_answer_per_line) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)

        answers = [aws.call("dynamodb", "GetItem", {}) for _ in range(3)]

    assert len(answers) == 3
    assert [request.line for request in stub.requests] == [1, 1, 2, 2, 3]


def test_an_announced_close_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: answer(200, b"{}", {"Connection": "close"})) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)

        aws.call("dynamodb", "GetItem", {})
        aws.call("dynamodb", "GetItem", {})

    assert [request.line for request in stub.requests] == [1, 2]


def test_throttling_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = answer(400, b'{"__type":"com.amazonaws#ThrottlingException","message":"slow down"}')
    with serving(lambda _: refusal if len(stub.requests) < 3 else OK) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)

        assert "Item" in aws.call("dynamodb", "GetItem", {})

    assert len(stub.requests) == 3


@pytest.mark.parametrize(
    ("reply", "error", "code"),
    [
        (answer(429, b""), aws.ThrottledError, "429"),
        (answer(500, b'{"__type":"InternalServerError"}'), aws.UnavailableError, "InternalServerError"),
        (answer(503, b"<html>"), aws.UnavailableError, "503"),
        (None, aws.UnavailableError, "Unreachable"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", aws.UnavailableError, "Unreachable"),
    ],
)
def test_lasting_trouble_is_given_up_after_three_attempts(
    monkeypatch: pytest.MonkeyPatch, reply: bytes | None, error: type[aws.AwsError], code: str
) -> None:
    with serving(lambda _: reply) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)

        with pytest.raises(error) as raised:
            aws.call("dynamodb", "GetItem", {})

    assert raised.value.code == code
    assert len(stub.requests) == 3


def test_a_refusal_is_told_by_its_name_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"no"}'
    with serving(lambda _: answer(400, body)) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)

        with pytest.raises(aws.AwsError) as raised:
            aws.call("dynamodb", "DeleteItem", {})

    assert (raised.value.code, raised.value.detail) == ("ConditionalCheckFailedException", "no")
    assert len(stub.requests) == 1


def test_a_silent_service_costs_no_more_than_the_time_given(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_: Request) -> bytes | None:
        time.sleep(0.2)
        return None

    with serving(silent) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)

        with pytest.raises(aws.UnavailableError):
            aws.call("dynamodb", "GetItem", {}, seconds=0.05)

    assert len(stub.requests) == 1


def test_a_port_where_nobody_listens_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: OK) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)

    with pytest.raises(aws.UnavailableError):
        aws.call("dynamodb", "GetItem", {})


def test_a_chunked_answer_is_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    chunked = b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6;x=1\r\n{"a":1\r\n1\r\n}\r\n0\r\n\r\n'
    with serving(lambda _: chunked) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)

        assert [aws.call("sqs", "SendMessage", {}) for _ in range(2)] == [{"a": 1}, {"a": 1}]

    assert [request.line for request in stub.requests] == [1, 1]


def test_a_secret_is_its_string(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: answer(200, b'{"SecretString":"{}","VersionId":"1"}')) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)

        assert aws.secret("wedsync/context") == "{}"

    assert stub.requests[0].headers["x-amz-target"] == "secretsmanager.GetSecretValue"
    assert json.loads(stub.requests[0].body) == {"SecretId": "wedsync/context"}


def test_a_database_token_names_the_user_and_the_region() -> None:
    token = aws.rds_token("db.example", 5432, "wedsync_app")

    assert token.startswith("db.example:5432/?Action=connect&DBUser=wedsync_app&")
    assert "%2Feu-west-1%2Frds-db%2Faws4_request" in token


def test_tls_verifies_the_name_and_the_chain() -> None:
    context = wire.tls_context()

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_without_an_endpoint_the_service_of_the_region_is_addressed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)

    with mock.patch.object(wire.Lines, "exchange", return_value=wire.Answer(200, {}, b"{}")) as exchange:
        aws.call("secretsmanager", "GetSecretValue", {})

    address, request, _ = exchange.call_args.args
    assert address == wire.Address("secretsmanager.eu-west-1.amazonaws.com", 443, True, "")
    assert b"\r\nhost: secretsmanager.eu-west-1.amazonaws.com\r\n" in request
