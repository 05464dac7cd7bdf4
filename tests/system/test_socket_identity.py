"""A socket and the identity behind it: renewed in time, announced before it ends, ended when nothing is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import uuid4

from tests.fixtures.wedding_devices import PEOPLE, WEDDING, Device, Party

Connect = Callable[..., Device]

SERVICE = "0190a000-0000-7000-8000-00000000a001"
BLOOM = "0190a000-0000-7000-8000-000000000002"


def ticket(party: Party, person: str, device_id: str, expires_in: int) -> str:
    token = party.stack.token(PEOPLE[person], expires_in=expires_in)
    return party.stack.call("POST", "/realtime/tickets", token, {"device_id": device_id}).body["ticket"]


def test_a_socket_that_is_renewed_outlives_the_token_it_was_opened_with(party: Party) -> None:
    thread = party.thread("ana", "flora")
    flora = party.open(ticket(party, "flora", "flora-glasses", 3), "flora-glasses")
    until = time.monotonic() + 3
    flora.sync()
    announced = flora.wait("auth_expiring")

    flora.send("auth", id="a1", ticket=ticket(party, "flora", "flora-glasses", 3600))
    renewed = flora.wait("auth_ok", re="a1")
    while time.monotonic() < until:
        time.sleep(0.1)

    sent = party.send("ana", thread, "still there?")
    flora.wait_seq(thread, sent.body["seq"])
    flora.sync()
    assert renewed["expires_at"] > announced["expires_at"]
    assert [frame["type"] for frame in flora.frames if frame["type"] in ("bye", "auth_expiring")] == [
        "auth_expiring"
    ]
    flora.close()


def test_nobody_is_renewed_by_a_ticket_of_somebody_else(party: Party, connected: Connect) -> None:
    flora = connected("flora", "flora-reader")

    flora.send("auth", id="a1", ticket=ticket(party, "carlo", "flora-reader", 3600))

    refused = flora.wait("error", re="a1")
    assert (refused["code"], refused["errors"][0]["field"]) == ("invalid", "ticket")
    flora.sync()


def test_who_leaves_his_organization_hears_what_he_lost_and_is_shown_out(party: Party) -> None:
    service = party.stack.token(SERVICE, scope="service")
    helper = str(uuid4())

    def state(method: str, path: str, body: object = None) -> int:
        return party.stack.call(method, f"/directory/{path}", service, body).status

    assert state("PUT", f"users/{helper}", {"display_name": "Hal Reed", "email": "hal@example.com"}) == 201
    assert state("PUT", f"organizations/{BLOOM}/members/{helper}", {"role": "member"}) == 201
    member = {"role": "vendor", "organization_id": BLOOM, "service": "flowers"}
    assert state("PUT", f"weddings/{WEDDING}/members/{helper}", member) == 201
    thread = party.thread("ana", "flora")
    assert party.call("ana", "POST", f"/threads/{thread}/participants", {"user_id": helper}).status == 201
    token = party.stack.token(helper)
    asked = party.stack.call("POST", "/realtime/tickets", token, {"device_id": "hal-phone"})
    hal = party.open(asked.body["ticket"], "hal-phone")
    hal.sync()

    assert state("DELETE", f"organizations/{BLOOM}/members/{helper}") == 204

    assert hal.wait("bye")["code"] == 4003
    hal.wait_closed()
    assert [frame["type"] for frame in hal.frames][-2:] == ["access", "bye"]
    assert party.send("ana", thread, "without Hal").status == 201
    hal.close()
