"""Golden tests: our signatures are botocore's, byte for byte."""

from __future__ import annotations

import datetime
import json
from unittest import mock

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from wedsync.platform import signing
from wedsync.platform.settings import Credentials

MOMENT = "20260613T140311Z"
KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "")
SESSION = Credentials("ASIAEXAMPLE", KEYS.secret_key, "FwoGZXIvYXdzEJr//////////wEaDExample+token/==")


class FrozenTime(datetime.datetime):
    """botocore asks for the time in several ways; each gets `MOMENT`."""

    @classmethod
    def utcnow(cls) -> FrozenTime:
        return cls(2026, 6, 13, 14, 3, 11)

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> FrozenTime:
        return cls(2026, 6, 13, 14, 3, 11, tzinfo=tz)


@pytest.fixture(autouse=True)
def at_one_moment() -> object:
    with (
        mock.patch("botocore.compat.datetime.datetime", FrozenTime),
        mock.patch("botocore.auth.datetime.datetime", FrozenTime, create=True),
    ):
        yield


def botocore_authorization(
    method: str, url: str, body: bytes, headers: dict[str, str], service: str, keys: Credentials
) -> str:
    request = AWSRequest(method=method, url=url, data=body, headers=headers)
    signer = SigV4Auth(
        BotoCredentials(keys.access_key, keys.secret_key, keys.session_token or None), service, "eu-west-1"
    )
    signer.add_auth(request)
    assert request.headers["X-Amz-Date"] == MOMENT
    return request.headers["Authorization"]


def our_authorization(rendered: bytes) -> str:
    head = rendered.partition(b"\r\n\r\n")[0].decode()
    return next(line for line in head.split("\r\n") if line.startswith("authorization: "))[15:]


@pytest.mark.parametrize("keys", [KEYS, SESSION], ids=["long-lived", "session"])
def test_a_dynamodb_call_is_signed_as_botocore_signs_it(keys: Credentials) -> None:
    body = json.dumps({"TableName": "connections", "Key": {"pk": {"S": "U#ü"}}}).encode()
    headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.GetItem"}

    ours = signing.RequestSigner(
        "POST",
        "dynamodb.eu-west-1.amazonaws.com",
        body,
        service="dynamodb",
        region="eu-west-1",
        credentials=keys,
        moment=MOMENT,
        headers=headers,
    ).render("/")

    theirs = botocore_authorization(
        "POST", "https://dynamodb.eu-west-1.amazonaws.com/", body, headers, "dynamodb", keys
    )
    assert our_authorization(ours) == theirs
    assert ours.endswith(b"\r\n\r\n" + body)
    assert (b"x-amz-security-token: " in ours) == bool(keys.session_token)


def pushed(method: str, path: str, body: bytes, keys: Credentials) -> str:
    signer = signing.RequestSigner(
        method,
        "a1b2c3.execute-api.eu-west-1.amazonaws.com",
        body,
        service="execute-api",
        region="eu-west-1",
        credentials=keys,
        moment=MOMENT,
    )
    return our_authorization(signer.render(path))


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("keys", [KEYS, SESSION], ids=["long-lived", "session"])
@pytest.mark.parametrize("wire_id", ["L0SM9cOFvHcCIhw%3D", "a-b_c%3D", "ab%2Fcd%3D", "ab%2Bcd%3D", "plain"])
def test_a_connection_id_is_signed_percent_encoded_twice(
    method: str, keys: Credentials, wire_id: str
) -> None:
    body = b'{"type":"events"}' if method == "POST" else b""
    path = f"/v1/@connections/{wire_id}"

    theirs = botocore_authorization(
        method, f"https://a1b2c3.execute-api.eu-west-1.amazonaws.com{path}", body, {}, "execute-api", keys
    )

    assert pushed(method, path, body, keys) == theirs


@given(st.text(alphabet="ABCxyz019-_~%/+=@ ", min_size=1, max_size=24), st.binary(max_size=64))
def test_any_connection_id_and_payload_is_signed_as_botocore_signs_it(path: str, body: bytes) -> None:
    wire = "/v1/@connections/" + signing.quote(path, safe="")

    theirs = botocore_authorization(
        "POST", f"https://a1b2c3.execute-api.eu-west-1.amazonaws.com{wire}", body, {}, "execute-api", KEYS
    )

    assert pushed("POST", wire, body, KEYS) == theirs


@pytest.mark.parametrize("keys", [KEYS, SESSION], ids=["long-lived", "session"])
def test_a_database_token_is_the_one_boto3_makes(keys: Credentials) -> None:
    client = boto3.client(
        "rds",
        region_name="eu-west-1",
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        aws_session_token=keys.session_token or None,
    )

    theirs = client.generate_db_auth_token("db.proxy.example", 5432, "wedsync_app", Region="eu-west-1")

    ours = signing.rds_token(
        "db.proxy.example", 5432, "wedsync_app", region="eu-west-1", credentials=keys, moment=MOMENT
    )
    assert dict(part.split("=", 1) for part in ours.partition("?")[2].split("&")) == dict(
        part.split("=", 1) for part in theirs.partition("?")[2].split("&")
    )
    assert ours.partition("?")[0] == theirs.partition("?")[0] == "db.proxy.example:5432/"
