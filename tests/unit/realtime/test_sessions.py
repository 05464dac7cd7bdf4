"""A socket opens, takes its device's place, and ends."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import pytest

from tests.unit.realtime.conftest import Gateway
from wedsync.platform.errors import Malformed, Unauthenticated, Unavailable
from wedsync.realtime import connections, sessions

PLANNER = uuid4()

pytestmark = pytest.mark.usefixtures("table")


def request(connection_id: str, device_id: str = "phone", expires_in: int = 900) -> dict[str, Any]:
    context = {
        "user_id": str(PLANNER),
        "kind": "user",
        "scope": "",
        "expires_at": str(int(time.time()) + expires_in),
        "device_id": device_id,
    }
    return {"connectionId": connection_id, "authorizer": context}


def test_a_connection_is_registered_before_its_handshake_is_answered(gateway: Gateway) -> None:
    headers = sessions.connect(request("new="), {"Host": "example.com"})

    assert headers == {}
    (connection,) = connections.find([PLANNER])
    assert (connection.connection_id, connection.device_id) == ("new=", "phone")
    assert 895 <= connection.expires_at - time.time() <= 900


@pytest.mark.parametrize("name", ["Sec-WebSocket-Protocol", "sec-websocket-protocol"])
@pytest.mark.parametrize("offered", ["wedsync.v1", "graphql-ws, wedsync.v1"])
def test_our_sub_protocol_is_chosen_where_it_is_offered(gateway: Gateway, name: str, offered: str) -> None:
    assert sessions.connect(request("new="), {name: offered}) == {"Sec-WebSocket-Protocol": "wedsync.v1"}


def test_only_foreign_sub_protocols_are_refused_and_nothing_is_registered(gateway: Gateway) -> None:
    with pytest.raises(Malformed):
        sessions.connect(request("new="), {"Sec-WebSocket-Protocol": "graphql-ws"})

    assert connections.find([PLANNER]) == []


def test_the_older_connection_of_a_device_is_told_and_closed(gateway: Gateway) -> None:
    sessions.connect(request("old="), {})

    sessions.connect(request("new="), {})

    assert [(frame["type"], frame["code"]) for frame in gateway.frames["old="]] == [("bye", 4009)]
    assert "retry" not in gateway.frames["old="][0]
    assert gateway.closed == ["old="]
    assert [each.connection_id for each in connections.find([PLANNER])] == ["new="]


def test_another_device_is_left_alone(gateway: Gateway) -> None:
    sessions.connect(request("phone="), {})

    sessions.connect(request("laptop=", "laptop"), {})

    assert gateway.closed == []
    assert len(connections.find([PLANNER])) == 2


def test_an_expired_identity_is_not_let_in(gateway: Gateway) -> None:
    with pytest.raises(Unauthenticated):
        sessions.connect(request("new=", expires_in=-1), {})

    assert connections.find([PLANNER]) == []


def test_a_table_in_trouble_turns_newcomers_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    with pytest.raises(Unavailable):
        sessions.connect(request("new="), {})


def test_a_disconnect_forgets_the_connection_even_if_its_token_has_expired(gateway: Gateway) -> None:
    sessions.connect(request("gone="), {})

    sessions.disconnect(request("gone=", expires_in=-1))

    assert connections.find([PLANNER]) == []


def test_the_disconnect_of_a_replaced_connection_changes_nothing(gateway: Gateway) -> None:
    sessions.connect(request("old="), {})
    sessions.connect(request("new="), {})

    sessions.disconnect(request("old="))

    assert [each.connection_id for each in connections.find([PLANNER])] == ["new="]


def test_a_disconnect_that_cannot_be_written_is_left_to_the_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions.connect(request("gone="), {})

    with monkeypatch.context() as trouble:
        trouble.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        sessions.disconnect(request("gone="))

    assert len(connections.find([PLANNER])) == 1
