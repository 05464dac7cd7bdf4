"""A socket opens, takes its device's place, and ends."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.unit.realtime.conftest import Gateway
from wedsync.identity import tickets
from wedsync.identity.principals import Principal, kind_of
from wedsync.platform.errors import Invalid, Malformed, Unauthenticated, Unavailable
from wedsync.realtime import connections, sessions

PLANNER = uuid4()

pytestmark = pytest.mark.usefixtures("table")


def request(
    connection_id: str, device_id: str = "phone", expires_in: int = 900, age: int = 0
) -> dict[str, Any]:
    context = {
        "user_id": str(PLANNER),
        "kind": "user",
        "scope": "",
        "expires_at": str(int(time.time()) + expires_in),
        "device_id": device_id,
    }
    connected_at = int((time.time() - age) * 1000)
    return {
        "connectionId": connection_id,
        "connectedAt": connected_at,
        "requestTimeEpoch": connected_at,
        "authorizer": context,
    }


def ticket(user_id: UUID = PLANNER, device_id: str = "phone", scope: str = "", expires_in: int = 3600) -> str:
    scopes = frozenset(scope.split())
    return tickets.issue(
        Principal(user_id, kind_of(scopes), scopes, int(time.time()) + expires_in), device_id
    )


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


def test_the_older_connection_of_a_device_is_not_told_before_the_newer_one_speaks(gateway: Gateway) -> None:
    sessions.connect(request("old="), {})

    sessions.connect(request("new="), {})

    assert gateway.frames == {}
    (connection,) = connections.find([PLANNER])
    assert (connection.connection_id, connection.supersedes) == ("new=", ("old=",))


def test_handshakes_that_fail_one_after_the_other_forget_nobody(gateway: Gateway) -> None:
    for connection_id in ("old=", "failed=", "new="):
        sessions.connect(request(connection_id), {})

    (connection,) = connections.find([PLANNER])

    assert {*connection.supersedes} == {"old=", "failed="}


def test_another_device_is_left_alone(gateway: Gateway) -> None:
    sessions.connect(request("phone="), {})

    sessions.connect(request("laptop=", "laptop"), {})

    assert gateway.closed == []
    assert len(connections.find([PLANNER])) == 2


def test_an_expired_identity_is_not_let_in(gateway: Gateway) -> None:
    with pytest.raises(Unauthenticated):
        sessions.connect(request("new=", expires_in=-1), {})

    assert connections.find([PLANNER]) == []


def test_a_connection_renewed_in_time_outlives_its_first_token(gateway: Gateway) -> None:
    sessions.connect(request("open=", expires_in=900), {})

    until = sessions.renew(sessions.session(request("open=", expires_in=900)), ticket(expires_in=3600))

    later = sessions.session(request("open=", expires_in=-1))
    assert until is not None
    assert later.principal.expires_at == until.timestamp() == pytest.approx(time.time() + 3600, abs=5)
    assert later.principal.user_id == PLANNER


def test_a_renewal_is_looked_up_once_and_again_when_it_has_passed(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon, later = int(time.time()) + 900, int(time.time()) + 3600
    connections.register(connections.opened(PLANNER, "phone", "open=", soon))
    looked_up: list[Any] = []
    find = connections.find
    monkeypatch.setattr(connections, "find", lambda people: (looked_up.append(people), find(people))[1])

    def expires_at() -> int:
        return sessions.session(request("open=", expires_in=-1)).principal.expires_at

    first = [expires_at(), expires_at()]
    connections.prolong(connections.opened(PLANNER, "phone", "open=", later))
    second = [expires_at()]
    monkeypatch.setattr(sessions, "now", lambda: datetime.fromtimestamp(soon, UTC))
    third = [expires_at(), expires_at()]

    assert (first, second, third) == ([soon] * 2, [soon], [later] * 2)
    assert len(looked_up) == 2


def test_of_more_renewals_than_fit_the_oldest_is_forgotten(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "RENEWALS_KEPT", 2)
    for connection_id in ("a=", "b=", "c="):
        sessions.connect(request(connection_id, connection_id), {})
        sessions.session(request(connection_id, connection_id, expires_in=-1))
    looked_up: list[str] = []
    stored = connections.stored
    monkeypatch.setattr(
        connections, "stored", lambda asked: (looked_up.append(asked.connection_id), stored(asked))[1]
    )

    for connection_id in ("b=", "c=", "a="):
        sessions.session(request(connection_id, connection_id, expires_in=-1))

    assert looked_up == ["a="]


def test_a_connection_that_was_not_renewed_ends_with_its_token(gateway: Gateway) -> None:
    connections.register(connections.opened(PLANNER, "phone", "open=", int(time.time()) - 1))

    with pytest.raises(Unauthenticated):
        sessions.session(request("open=", expires_in=-1))


def test_a_token_looked_at_while_it_is_valid_costs_no_look_into_the_table(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "find", lambda *_: pytest.fail("nothing is to be looked up"))

    assert sessions.session(request("open=")).principal.user_id == PLANNER


def test_no_renewal_lasts_longer_than_a_socket_can(gateway: Gateway) -> None:
    opened = request("open=", age=3600)
    sessions.connect(opened, {})

    until = sessions.renew(sessions.session(opened), ticket(expires_in=86_400))

    assert until is not None
    assert until.timestamp() == opened["connectedAt"] // 1000 + connections.LIFETIME_SECONDS


def test_a_renewal_with_an_older_token_shortens_nothing(gateway: Gateway) -> None:
    sessions.connect(request("open=", expires_in=3600), {})

    until = sessions.renew(sessions.session(request("open=", expires_in=3600)), ticket(expires_in=60))

    assert until is not None
    assert until.timestamp() == pytest.approx(time.time() + 3600, abs=5)


@pytest.mark.parametrize(
    "other",
    [{"user_id": uuid4()}, {"device_id": "laptop"}, {"scope": "support"}, {"expires_in": -1}],
    ids=["person", "device", "scope", "expired"],
)
def test_a_ticket_of_another_renews_nothing_and_is_spent(gateway: Gateway, other: dict[str, Any]) -> None:
    sessions.connect(request("open="), {})
    session, foreign = sessions.session(request("open=")), ticket(**other)

    with pytest.raises(Invalid) as refused:
        sessions.renew(session, foreign)

    assert [each.field for each in refused.value.errors] == ["ticket"]
    assert connections.find([PLANNER])[0].expires_at < time.time() + 1000
    with pytest.raises(Unauthenticated):
        tickets.redeem(foreign, other.get("device_id", "phone"))


def test_a_ticket_renews_once(gateway: Gateway) -> None:
    sessions.connect(request("open="), {})
    session, good = sessions.session(request("open=")), ticket()
    sessions.renew(session, good)

    with pytest.raises(Invalid):
        sessions.renew(session, good)


def test_a_connection_that_lost_its_place_is_not_renewed_and_hears_so(gateway: Gateway) -> None:
    sessions.connect(request("old="), {})
    session = sessions.session(request("old="))
    sessions.connect(request("new="), {})

    assert sessions.renew(session, ticket()) is None

    assert [frame["code"] for frame in gateway.frames["old="]] == [4010]
    assert gateway.closed == ["old="]
    with pytest.raises(Unauthenticated):
        sessions.session(request("old=", expires_in=-1))


def test_while_the_table_is_in_trouble_nobody_is_renewed_and_nobody_shown_out(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions.connect(request("open="), {})
    session, good = sessions.session(request("open=")), ticket()
    principal = tickets.redeem(good, "phone")
    monkeypatch.setattr(sessions, "redeem", lambda *_: principal)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    with pytest.raises(Unavailable):
        sessions.renew(session, good)
    with pytest.raises(Unavailable):
        sessions.session(request("open=", expires_in=-1))

    assert gateway.closed == []


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
