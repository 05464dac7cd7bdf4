"""One-time tickets, against a DynamoDB that is spoken to over HTTP."""

from __future__ import annotations

import json
import time
from uuid import UUID

import pytest

from tests.fixtures.token_issuer import SOMEBODY
from wedsync.identity import tickets
from wedsync.identity.principals import Principal
from wedsync.platform import aws
from wedsync.platform.errors import Unauthenticated

IN_AN_HOUR = int(time.time()) + 3600
EMMA = Principal(UUID(SOMEBODY), "user", frozenset({"openid"}), IN_AN_HOUR)
PHONE = "phone-1"


def stored(table: str) -> list[dict[str, dict[str, str]]]:
    return aws.call("dynamodb", "Scan", {"TableName": table})["Items"]


def change(table: str, attribute: str, value: str, kind: str = "N") -> None:
    """Changes the one ticket there is, as time would."""
    (item,) = stored(table)
    item[attribute] = {kind: value}
    aws.call("dynamodb", "PutItem", {"TableName": table, "Item": item})


def test_a_ticket_stands_for_the_one_who_asked(connections_table: str) -> None:
    ticket = tickets.issue(EMMA, PHONE)

    assert tickets.redeem(ticket, PHONE) == EMMA
    assert stored(connections_table) == []


def test_the_kind_of_the_caller_travels_with_the_ticket(connections_table: str) -> None:
    del connections_table
    support = Principal(UUID(SOMEBODY), "support", frozenset({"support"}), IN_AN_HOUR)

    assert tickets.redeem(tickets.issue(support, PHONE), PHONE).kind == "support"


def test_a_ticket_opens_once(connections_table: str) -> None:
    del connections_table
    ticket = tickets.issue(EMMA, PHONE)
    tickets.redeem(ticket, PHONE)

    with pytest.raises(Unauthenticated):
        tickets.redeem(ticket, PHONE)


def test_a_ticket_of_another_device_opens_nothing_and_is_spent(connections_table: str) -> None:
    ticket = tickets.issue(EMMA, PHONE)

    for device in ("phone-2", PHONE):
        with pytest.raises(Unauthenticated):
            tickets.redeem(ticket, device)
    assert stored(connections_table) == []


@pytest.mark.parametrize("attribute", ["ticket_expires_at", "token_expires_at"])
def test_an_expired_ticket_opens_nothing_even_if_it_was_not_deleted_yet(
    connections_table: str, attribute: str
) -> None:
    ticket = tickets.issue(EMMA, PHONE)
    change(connections_table, attribute, str(int(time.time())))

    with pytest.raises(Unauthenticated):
        tickets.redeem(ticket, PHONE)


def test_a_ticket_lasts_a_minute_and_is_deleted_after_it(connections_table: str) -> None:
    before = int(time.time())
    tickets.issue(EMMA, PHONE)

    (item,) = stored(connections_table)

    assert before + 60 <= int(item["ticket_expires_at"]["N"]) <= int(time.time()) + 60
    assert item["ttl"] == item["ticket_expires_at"]


def test_the_table_does_not_hold_what_opens_the_door(connections_table: str) -> None:
    ticket = tickets.issue(EMMA, PHONE)

    assert ticket not in json.dumps(stored(connections_table))


def test_no_two_tickets_are_the_same(connections_table: str) -> None:
    del connections_table

    assert len({tickets.issue(EMMA, PHONE) for _ in range(20)}) == 20


@pytest.mark.parametrize(
    "ticket",
    [
        "",
        "x",
        "a" * 42,
        "a" * 44,
        "a" * 43,
        "a" * 42 + "\n",
        "a" * 42 + "é",
        "a" * 100_000,
        "' or true --",
        "U#1",
    ],
    ids=lambda ticket: repr(ticket[:12]),
)
def test_what_was_never_issued_opens_nothing(connections_table: str, ticket: str) -> None:
    tickets.issue(EMMA, PHONE)

    with pytest.raises(Unauthenticated):
        tickets.redeem(ticket, PHONE)
    assert len(stored(connections_table)) == 1
