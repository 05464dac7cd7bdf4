"""Who is connected, against a DynamoDB endpoint; its troubles against a stub that misbehaves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from unittest import mock
from uuid import UUID, uuid4

import pytest

from tests.fixtures.stub_server import Request, answer, serving
from tests.fixtures.table_server import TABLE
from wedsync.platform import aws
from wedsync.realtime import connections
from wedsync.realtime.connections import Connection

PLANNER, FLORIST = uuid4(), uuid4()
FOREVER = 2**40


def connect(user_id: UUID, device_id: str, connection_id: str, later: int = 0) -> Connection:
    now = connections.opened(user_id, device_id, connection_id, FOREVER)
    return replace(now, connected_at=now.connected_at + later, expires_at=now.expires_at + later)


@pytest.mark.usefixtures("table")
def test_the_connections_of_several_people_are_found_in_one_read() -> None:
    phone = connect(PLANNER, "phone", "p1=")
    laptop = connect(PLANNER, "laptop:2.0", "p2=")
    florist = connect(FLORIST, "phone", "f1=")
    for each in (phone, laptop, florist):
        connections.register(each)

    with mock.patch.object(aws, "call", wraps=aws.call) as call:
        found = connections.find([PLANNER, FLORIST, uuid4()])

    assert {*found} == {phone, laptop, florist}
    assert call.call_count == 1


@pytest.mark.usefixtures("table")
def test_a_device_that_connects_again_takes_the_place_of_its_old_connection() -> None:
    first, second = connect(PLANNER, "phone", "old="), connect(PLANNER, "phone", "new=")
    connections.register(first)

    replaced = connections.register(second)

    assert replaced == (first,)
    assert connections.find([PLANNER]) == [replace(second, supersedes=("old=",))]


@pytest.mark.usefixtures("table")
def test_the_late_disconnect_of_a_replaced_connection_removes_nothing() -> None:
    first, second = connect(PLANNER, "phone", "old="), connect(PLANNER, "phone", "new=")
    connections.register(first)
    connections.register(second)

    connections.remove(first)

    assert [each.connection_id for each in connections.find([PLANNER])] == ["new="]


@pytest.mark.usefixtures("table")
def test_a_removed_connection_is_not_found_and_may_be_removed_twice() -> None:
    phone, laptop = connect(PLANNER, "phone", "p1="), connect(PLANNER, "laptop", "p2=")
    connections.register(phone)
    connections.register(laptop)

    connections.remove(phone)
    connections.remove(phone)

    assert connections.find([PLANNER]) == [laptop]


@pytest.mark.usefixtures("table")
def test_the_oldest_of_too_many_devices_gives_way() -> None:
    devices = [connect(PLANNER, f"d{n}", f"c{n}=", later=n) for n in range(connections.MAX_DEVICES)]
    for each in devices:
        assert connections.register(each) == ()

    replaced = connections.register(connect(PLANNER, "one more", "last=", later=60))

    assert replaced == (devices[0],)
    found = connections.find([PLANNER])
    assert len(found) == connections.MAX_DEVICES
    assert devices[0] not in found
    assert [each.crowds_out for each in found if each.device_id == "one more"] == [("c0=",)]


@pytest.mark.usefixtures("table")
def test_who_was_not_told_yet_is_handed_on_with_the_reason() -> None:
    for number in range(connections.MAX_DEVICES):
        connections.register(connect(PLANNER, f"d{number}", f"c{number}=", later=number))
    connections.register(connect(PLANNER, "one more", "failed=", later=60))

    connections.register(connect(PLANNER, "one more", "last=", later=61))

    last = next(each for each in connections.find([PLANNER]) if each.device_id == "one more")
    assert (last.connection_id, last.supersedes, last.crowds_out) == ("last=", ("failed=",), ("c0=",))


@pytest.mark.usefixtures("table")
def test_connections_that_ended_long_ago_are_cleared_away_in_passing() -> None:
    connections.register(connect(PLANNER, "old phone", "o="))
    new = connect(PLANNER, "phone", "n=", later=connections.LIFETIME_SECONDS + 1)

    assert connections.register(new) == ()

    assert connections.find([PLANNER]) == [new]


@pytest.mark.usefixtures("table")
def test_a_lagging_connection_is_marked_and_no_longer_when_it_settles() -> None:
    phone = connect(PLANNER, "phone", "p1=")
    connections.register(phone)

    connections.mark_lagging(phone)
    assert connections.find([PLANNER]) == [replace(phone, lagging=True)]

    assert connections.settle(phone) == replace(phone, lagging=True)
    [settled] = connections.find([PLANNER])
    assert settled == replace(phone, synced_at=settled.synced_at)


@pytest.mark.usefixtures("table")
def test_who_does_not_know_that_he_lags_is_pushed_to_again_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    phone = connect(PLANNER, "phone", "p1=")
    connections.register(phone)
    monkeypatch.setattr(connections, "LAG_SECONDS", 0.002)

    connections.mark_lagging(phone)
    time.sleep(0.003)

    assert connections.find([PLANNER]) == [phone]


@pytest.mark.usefixtures("table")
def test_one_that_has_synced_since_it_was_read_has_what_it_was_too_slow_for() -> None:
    opened = connect(PLANNER, "phone", "p1=")
    connections.register(opened)
    connections.settle(opened)
    [once] = connections.find([PLANNER])
    time.sleep(0.002)  # the table knows milliseconds
    connections.settle(opened)

    connections.mark_lagging(opened)
    connections.mark_lagging(once)

    [twice] = connections.find([PLANNER])
    assert not twice.lagging
    connections.mark_lagging(twice)
    assert connections.find([PLANNER]) == [replace(twice, lagging=True)]


@pytest.mark.usefixtures("table")
def test_a_replaced_connection_can_neither_lag_nor_settle() -> None:
    first, second = connect(PLANNER, "phone", "old="), connect(PLANNER, "phone", "new=")
    connections.register(first)
    connections.register(second)

    connections.mark_lagging(first)

    assert connections.settle(first) is None
    assert connections.settle(connect(FLORIST, "phone", "never=")) is None
    assert connections.find([PLANNER]) == [replace(second, supersedes=("old=",))]


@pytest.mark.usefixtures("table")
def test_those_whose_place_was_taken_are_named_once() -> None:
    first, second = connect(PLANNER, "phone", "old="), connect(PLANNER, "phone", "new=")
    connections.register(first)
    connections.register(second)

    named = [connections.settle(second), connections.settle(second)]

    assert [each.supersedes for each in named if each] == [("old=",), ()]


def test_a_connection_lives_two_hours_at_most_and_no_longer_than_its_token() -> None:
    long = connections.opened(PLANNER, "phone", "p=", FOREVER)
    short = connections.opened(PLANNER, "phone", "p=", long.connected_at + 60)

    assert long.expires_at == long.connected_at + connections.LIFETIME_SECONDS
    assert short.expires_at == long.connected_at + 60


@pytest.mark.usefixtures("table")
def test_the_table_forgets_a_user_after_all_his_connections_have_ended() -> None:
    phone = connections.opened(
        PLANNER, "phone", "p=", token_expires_at=connect(PLANNER, "", "").connected_at + 9
    )

    connections.register(phone)

    item = aws.call("dynamodb", "GetItem", {"TableName": TABLE, "Key": {"pk": {"S": f"U#{PLANNER}"}}})["Item"]
    assert int(item["ttl"]["N"]) > phone.connected_at + connections.LIFETIME_SECONDS


def served(keys: list[dict[str, dict[str, str]]], unprocessed: list[dict[str, dict[str, str]]]) -> bytes:
    entry = {"connection_id": {"S": "c="}, "connected_at": {"N": "1"}, "expires_at": {"N": "9"}}
    items = [{**key, "connections": {"M": {"phone": {"M": entry}}}} for key in keys]
    left = {TABLE: {"Keys": unprocessed, "ConsistentRead": True}} if unprocessed else {}
    return answer(200, json.dumps({"Responses": {TABLE: items}, "UnprocessedKeys": left}).encode())


def keys_of(request: Request) -> list[dict[str, dict[str, str]]]:
    wanted = json.loads(request.body)["RequestItems"][TABLE]
    assert wanted["ConsistentRead"] is True
    return wanted["Keys"]


def stubbed(
    monkeypatch: pytest.MonkeyPatch, reply: Callable[[Request], bytes | None], people: list[UUID]
) -> tuple[list[Connection], list[Request]]:
    with serving(reply) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)
        return connections.find(people, seconds=5), stub.requests


@pytest.mark.usefixtures("environment")
def test_unprocessed_keys_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def half_of_it(request: Request) -> bytes:
        keys = keys_of(request)
        half = (len(keys) + 1) // 2
        return served(keys[:half], keys[half:])

    people = [uuid4() for _ in range(6)]

    found, requests = stubbed(monkeypatch, half_of_it, people)

    assert {each.user_id for each in found} == {*people}
    assert [len(keys_of(request)) for request in requests] == [6, 3, 1]


@pytest.mark.usefixtures("environment")
def test_keys_that_stay_unprocessed_cost_only_their_pushes(monkeypatch: pytest.MonkeyPatch) -> None:
    found, requests = stubbed(
        monkeypatch, lambda request: served(keys_of(request)[:-1], keys_of(request)[-1:]), [PLANNER, FLORIST]
    )

    assert [each.user_id for each in found] == [PLANNER]
    assert len(requests) == connections.READ_ATTEMPTS


@pytest.mark.usefixtures("environment")
def test_more_than_a_hundred_people_are_read_in_several_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    people = [uuid4() for _ in range(230)]

    found, requests = stubbed(monkeypatch, lambda request: served(keys_of(request), []), people)

    assert len(found) == 230
    assert [len(keys_of(request)) for request in requests] == [100, 100, 30]


@pytest.mark.usefixtures("environment")
def test_nobody_asked_for_is_nobody_read(monkeypatch: pytest.MonkeyPatch) -> None:
    found, requests = stubbed(monkeypatch, lambda _: None, [])

    assert (found, requests) == ([], [])


@pytest.mark.usefixtures("environment")
def test_two_devices_that_open_the_item_at_once_are_both_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = answer(400, b'{"__type":"x#ConditionalCheckFailedException"}')
    replies = iter([refused, refused, answer(200, b"{}")])
    with serving(lambda _: next(replies)) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)

        assert connections.register(connect(PLANNER, "phone", "p=")) == ()

    written = [json.loads(request.body)["ConditionExpression"] for request in stub.requests]
    assert written == [
        "attribute_exists(#connections)",
        "attribute_not_exists(#connections)",
        "attribute_exists(#connections)",
    ]


@pytest.mark.usefixtures("environment")
def test_a_table_that_refuses_is_told_to_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: answer(400, b'{"__type":"x#AccessDeniedException"}')) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)

        with pytest.raises(aws.AwsError, match="AccessDenied"):
            connections.register(connect(PLANNER, "phone", "p="))
        with pytest.raises(aws.AwsError, match="AccessDenied"):
            connections.remove(connect(PLANNER, "phone", "p="))


@pytest.mark.usefixtures("environment")
def test_an_item_that_changes_under_every_attempt_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: answer(400, b'{"__type":"x#ConditionalCheckFailedException"}')) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)

        with pytest.raises(aws.UnavailableError):
            connections.register(connect(PLANNER, "phone", "p="))
