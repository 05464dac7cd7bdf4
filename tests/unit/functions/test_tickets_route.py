"""POST /realtime/tickets: the ticket that the authorizer takes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.rest_api import OUR_PAGE, Rest
from tests.fixtures.token_issuer import SOMEBODY
from wedsync.identity.tickets import redeem
from wedsync.platform import aws
from wedsync.platform.errors import Unauthenticated
from wedsync.platform.ids import parse_uuid

EMMA = {"user_id": parse_uuid(SOMEBODY)}


def stored(table: str) -> int:
    return aws.call("dynamodb", "Scan", {"TableName": table})["Count"]


def test_a_ticket_says_where_and_how_to_connect(rest: Rest) -> None:
    answer = rest("POST", "/realtime/tickets", {"device_id": "phone-1"}, **EMMA)

    assert answer.status == 201
    assert answer.body == {
        "ticket": answer.body["ticket"],
        "url": "wss://socket.example/v1",
        "expires_in": 60,
        "protocol": "wedsync.v1",
    }
    assert answer.headers["cache-control"] == "no-store"


def test_it_stands_for_the_caller_on_this_device_once(rest: Rest) -> None:
    ticket = rest("POST", "/realtime/tickets", {"device_id": "phone-1"}, **EMMA, scope="openid").body[
        "ticket"
    ]

    redeemed = redeem(ticket, "phone-1")

    assert (redeemed.user_id, redeemed.scopes) == (EMMA["user_id"], {"openid"})
    with pytest.raises(Unauthenticated):
        redeem(ticket, "phone-1")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"device_id": None},
        {"device_id": ""},
        {"device_id": 5},
        {"device_id": "x" * 65},
        {"device_id": "two words"},
        {"device_id": "phone\n"},
        {"device_id": "phone", "user_id": SOMEBODY},
        [],
    ],
    ids=str,
)
def test_a_device_that_is_not_named_rightly_gets_no_ticket(
    rest: Rest, connections_table: str, body: Any
) -> None:
    answer = rest("POST", "/realtime/tickets", body, **EMMA)

    assert (answer.status, answer.body["code"]) == (422, "invalid")
    assert stored(connections_table) == 0


def test_a_foreign_page_gets_no_ticket(rest: Rest, connections_table: str) -> None:
    def ask(origin: str) -> int:
        headers = {"Origin": origin}
        return rest("POST", "/realtime/tickets", {"device_id": "phone-1"}, **EMMA, headers=headers).status

    assert ask("https://evil.example") == 403
    assert ask("null") == 403
    assert stored(connections_table) == 0
    assert ask(OUR_PAGE) == 201


def test_without_a_table_there_are_no_tickets_for_now(rest: Rest, connections_table: str) -> None:
    aws.call("dynamodb", "DeleteTable", {"TableName": connections_table})

    answer = rest("POST", "/realtime/tickets", {"device_id": "phone-1"}, **EMMA)

    assert (answer.status, answer.body["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "2"


def test_health_asks_nobody(rest: Rest) -> None:
    assert rest("GET", "/health").body == {"status": "ok"}
