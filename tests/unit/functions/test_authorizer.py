"""The authorizer of both APIs, with events as the gateways send them."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from functions.authorizer.app import handler
from tests.fixtures.token_issuer import AUDIENCE, ISSUER, SOMEBODY, Issuer, rsa_key, token
from wedsync.identity import tickets
from wedsync.identity.principals import Principal, from_authorizer
from wedsync.identity.tokens import trust
from wedsync.platform import aws
from wedsync.platform.clock import now
from wedsync.platform.errors import Unavailable

EVENTS = Path(__file__).parents[3] / "events"
EMMA = Principal(UUID(SOMEBODY), "user", frozenset({"openid"}), int(time.time()) + 3600)
OUR_PAGE = "https://app.wedsync.example"


@pytest.fixture
def environment(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("JWT_ISSUER", ISSUER)
    monkeypatch.setenv("JWT_AUDIENCE", AUDIENCE)
    monkeypatch.setenv("JWT_JWKS_URL", issuer.url)
    monkeypatch.setenv("ALLOWED_ORIGINS", OUR_PAGE)
    trust.cache_clear()
    yield
    trust.cache_clear()


pytestmark = pytest.mark.usefixtures("environment")


def event(name: str) -> dict[str, Any]:
    return json.loads((EVENTS / f"authorizer-{name}.json").read_text())


def request(bearer: str | None, **multi: list[str]) -> dict[str, Any]:
    """A request with this Authorization header."""
    sent = event("rest")
    sent["headers"].pop("Authorization")
    sent["multiValueHeaders"].pop("Authorization")
    if bearer is not None:
        sent["headers"]["Authorization"] = bearer
        sent["multiValueHeaders"]["Authorization"] = [bearer]
    sent["multiValueHeaders"].update(multi)
    return sent


def connect(ticket: str, device: str = "phone-1", origin: str | None = OUR_PAGE) -> dict[str, Any]:
    sent = event("connect")
    sent["queryStringParameters"] = {"ticket": ticket, "device_id": device}
    sent["multiValueQueryStringParameters"] = {"ticket": [ticket], "device_id": [device]}
    for headers, value in ((sent["headers"], origin), (sent["multiValueHeaders"], [origin])):
        headers.pop("Origin")
        if origin is not None:
            headers["Origin"] = value
    return sent


def refused(sent: dict[str, Any]) -> bool:
    """Whether the gateway would answer 401: the message must be this word exactly."""
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handler(sent, None)
    return True


def tickets_left(table: str) -> int:
    return aws.call("dynamodb", "Scan", {"TableName": table})["Count"]


def test_a_good_token_opens_the_whole_stage() -> None:
    answer = handler(request(f"Bearer {token(scope='openid service')}"), None)

    assert answer["principalId"] == SOMEBODY
    assert answer["policyDocument"]["Statement"] == [
        {
            "Action": "execute-api:Invoke",
            "Effect": "Allow",
            "Resource": "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/v1/*/*",
        }
    ]


def test_the_context_is_flat_text_that_handlers_can_read_back() -> None:
    expiry = int(time.time()) + 90

    context = handler(request(f"Bearer {token(scope='openid support', exp=expiry)}"), None)["context"]

    assert context == {
        "user_id": SOMEBODY,
        "kind": "support",
        "scope": "openid support",
        "expires_at": str(expiry),
    }
    principal = from_authorizer(context, now())
    assert principal == Principal(UUID(SOMEBODY), "support", frozenset({"openid", "support"}), expiry)


def test_without_a_good_token_the_answer_is_401() -> None:
    assert refused(request(None))
    assert refused(request("Basic ZW1tYTplbW1h"))
    assert refused(request("Bearer header.claims.signature"))
    assert refused(request(f"Bearer {token(exp=int(time.time()) - 1)}"))
    assert refused(request(f"Bearer {token(rsa_key(2048, 'stranger'))}"))


def test_of_two_tokens_none_is_taken() -> None:
    good = f"Bearer {token()}"

    assert refused(request(None, Authorization=[good, good]))
    assert refused(request(good, authorization=["Bearer a.b.c"]))


def test_the_name_of_the_header_may_be_written_in_any_way() -> None:
    assert handler(request(None, AUTHORIZATION=[f"Bearer {token()}"]), None)


def test_a_request_without_any_header_is_refused() -> None:
    bare = request(None)
    bare["headers"] = bare["multiValueHeaders"] = None

    assert refused(bare)


def test_an_issuer_out_of_reach_is_not_a_bad_token(issuer: Issuer) -> None:
    issuer.status = 500

    with pytest.raises(Unavailable):
        handler(request(f"Bearer {token()}"), None)


def test_a_ticket_opens_its_connection_and_nothing_else(connections_table: str) -> None:
    sent = connect(tickets.issue(EMMA, "phone-1"))

    answer = handler(sent, None)

    assert answer["policyDocument"]["Statement"] == [
        {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": sent["methodArn"]}
    ]
    assert answer["context"] == {
        "user_id": SOMEBODY,
        "kind": "user",
        "scope": "openid",
        "expires_at": str(EMMA.expires_at),
        "device_id": "phone-1",
    }
    assert tickets_left(connections_table) == 0


def test_a_ticket_opens_once(connections_table: str) -> None:
    del connections_table
    sent = connect(tickets.issue(EMMA, "phone-1"))

    assert handler(copy.deepcopy(sent), None)
    assert refused(sent)


def test_a_ticket_of_another_device_is_refused(connections_table: str) -> None:
    del connections_table

    assert refused(connect(tickets.issue(EMMA, "phone-1"), "phone-2"))


@pytest.mark.parametrize("parameters", [None, {}, {"ticket": ["x"]}, {"device_id": ["phone-1"]}])
def test_a_connection_without_a_ticket_is_refused(
    connections_table: str, parameters: dict[str, list[str]] | None
) -> None:
    del connections_table
    sent = connect("")
    sent["multiValueQueryStringParameters"] = parameters

    assert refused(sent)


def test_of_two_tickets_none_is_taken(connections_table: str) -> None:
    first, second = tickets.issue(EMMA, "phone-1"), tickets.issue(EMMA, "phone-1")
    sent = connect(first)
    sent["multiValueQueryStringParameters"]["ticket"] = [first, second]

    assert refused(sent)
    assert tickets_left(connections_table) == 2


def test_a_token_is_no_ticket(connections_table: str) -> None:
    del connections_table

    assert refused(connect(token()))


def test_a_native_client_sends_no_origin_and_may_connect(connections_table: str) -> None:
    del connections_table

    answer = handler(connect(tickets.issue(EMMA, "phone-1"), origin=None), None)

    assert answer["policyDocument"]["Statement"][0]["Effect"] == "Allow"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", f"{OUR_PAGE}.evil.example", "http://app.wedsync.example", ""]
)
def test_a_foreign_page_is_denied_and_spends_no_ticket(connections_table: str, origin: str) -> None:
    sent = connect(tickets.issue(EMMA, "phone-1"), origin=origin)

    answer = handler(sent, None)

    assert answer["policyDocument"]["Statement"] == [
        {"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": sent["methodArn"]}
    ]
    assert answer["context"] == {}
    assert tickets_left(connections_table) == 1


def test_nothing_that_opens_a_door_is_written_to_the_log(
    connections_table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    del connections_table
    expired, ticket = token(exp=1), tickets.issue(EMMA, "phone-1")

    refused(request(f"Bearer {expired}"))
    handler(connect(ticket), None)
    refused(connect(ticket))

    written = capsys.readouterr().out
    assert [json.loads(line)["reason"] for line in written.splitlines()] == [
        "ExpiredSignatureError",
        "ticket unknown or used",
    ]
    for secret in (expired, *expired.split("."), ticket):
        assert secret not in written
