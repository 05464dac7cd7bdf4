"""/me/devices: whom a person lets us push to, and which addresses are refused."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.fixtures.postgres import Database
from tests.fixtures.rest_api import Rest
from tests.fixtures.wedding import ANA, FLORA, STRANGER, behind, new_id
from wedsync.notifications import devices

POINT = base64.urlsafe_b64encode(b"\x04" + bytes(range(64))).rstrip(b"=").decode()
SECRET = base64.urlsafe_b64encode(bytes(16)).rstrip(b"=").decode()
KEYS = {"p256dh": POINT, "auth": SECRET}


def subscription(endpoint: str = "https://push.example.com/send/one", **more: Any) -> dict[str, Any]:
    """What `PushSubscription.toJSON()` gives, and more."""
    return {"endpoint": endpoint, "expirationTime": None, "keys": KEYS, **more}


def stored(database: Database) -> list[dict[str, Any]]:
    return behind(
        database,
        "select id, user_id, address::jsonb as address, name from wedsync.contact_points "
        "where channel = 'device' order by created_at",
    )


@pytest.fixture(autouse=True)
def no_devices(wedding: Database) -> None:
    behind(wedding, "delete from wedsync.contact_points where channel = 'device'")


@pytest.fixture
def in_the_cloud(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> Rest:
    """The routes where no AWS service is emulated."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return rest


def test_a_device_is_registered_listed_and_forgotten(wedding: Database, rest: Rest) -> None:
    made = rest("POST", "/me/devices", subscription(name="Flora's phone"), user_id=FLORA.user_id)
    listed = rest("GET", "/me/devices", user_id=FLORA.user_id)

    assert made.status == 201
    assert made.body["name"] == "Flora's phone"
    assert listed.body == {"data": [made.body], "next_cursor": None}
    [kept] = stored(wedding)
    assert kept["address"] == {"endpoint": "https://push.example.com/send/one", "keys": KEYS}

    forgotten = rest("DELETE", f"/me/devices/{made.body['id']}", user_id=FLORA.user_id)
    again = rest("DELETE", f"/me/devices/{made.body['id']}", user_id=FLORA.user_id)

    assert (forgotten.status, again.status) == (204, 404)
    assert stored(wedding) == []


def test_the_same_endpoint_again_is_the_same_device_with_its_new_keys(wedding: Database, rest: Rest) -> None:
    renewed = {**KEYS, "auth": base64.urlsafe_b64encode(b"1" * 16).rstrip(b"=").decode()}
    first = rest("POST", "/me/devices", subscription(name="Phone"), user_id=FLORA.user_id)

    again = rest("POST", "/me/devices", {**subscription(), "keys": renewed}, user_id=FLORA.user_id)

    assert again.status == 200
    assert again.body == first.body
    [kept] = stored(wedding)
    assert kept["address"]["keys"] == renewed


def test_a_browser_that_changes_hands_belongs_to_its_new_person_only(wedding: Database, rest: Rest) -> None:
    rest("POST", "/me/devices", subscription(), user_id=FLORA.user_id)

    taken = rest("POST", "/me/devices", subscription(), user_id=ANA.user_id)

    assert taken.status == 201
    assert [device["user_id"] for device in stored(wedding)] == [ANA.user_id]
    assert rest("GET", "/me/devices", user_id=FLORA.user_id).body["data"] == []


def test_nobody_lists_or_forgets_anothers_device(wedding: Database, rest: Rest) -> None:
    made = rest("POST", "/me/devices", subscription(), user_id=FLORA.user_id).body

    refused = rest("DELETE", f"/me/devices/{made['id']}", user_id=ANA.user_id)
    missing = rest("DELETE", f"/me/devices/{new_id()}", user_id=ANA.user_id)

    assert refused == missing
    assert refused.status == 404
    assert rest("GET", "/me/devices", user_id=ANA.user_id).body["data"] == []
    assert len(stored(wedding)) == 1


def test_an_address_of_the_directory_is_no_device(wedding: Database, rest: Rest) -> None:
    [email] = behind(
        wedding,
        "select id from wedsync.contact_points where user_id = %(user)s and channel = 'email'",
        user=FLORA.user_id,
    )

    assert rest("DELETE", f"/me/devices/{email['id']}", user_id=FLORA.user_id).status == 404
    assert behind(wedding, "select id from wedsync.contact_points where id = %(id)s", id=email["id"])


def test_one_device_too_many_is_refused_and_a_known_one_is_not(wedding: Database, rest: Rest) -> None:
    for number in range(devices.DEVICES):
        rest("POST", "/me/devices", subscription(f"https://push.example.com/{number}"), user_id=FLORA.user_id)

    refused = rest("POST", "/me/devices", subscription(), user_id=FLORA.user_id)
    known = rest("POST", "/me/devices", subscription("https://push.example.com/0"), user_id=FLORA.user_id)

    assert (refused.status, known.status) == (409, 200)
    assert len(stored(wedding)) == devices.DEVICES


def test_who_is_not_in_the_directory_has_no_device(wedding: Database, rest: Rest) -> None:
    assert rest("POST", "/me/devices", subscription(), user_id=STRANGER.user_id).status == 403
    assert stored(wedding) == []


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://push.example.com/send",
        "http://127.0.0.1:9000/send",
        "https://127.0.0.1/send",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/send",
        "https://localhost/send",
        "https://127.1/send",
        "https://127.0.0.1./send",
        "https://0177.0.0.1/send",
        "https://0x7f.1/send",
        "https://2130706433/send",
        "https://10.0.0.0x1/send",
        "https://localhost./send",
        "https://host.internal./send",
        "https://%31%32%37.0.0.1/send",
        "https://intranet/send",
        "https://push..example.com/send",
        "https://" + "x" * 64 + ".example.com/send",
        "https://push.example.com/send#fragment",
        "https://user:password@push.example.com/send",
        "https://push.example.com:8443/send",
        "https://push.example.com:x/send",
        "https://push.example.com/with space",
        "https://[push.example.com/send",
        "javascript:alert(1)",
        "https://push.example.com/" + "x" * devices.ENDPOINT_CHARACTERS,
        "",
    ],
)
def test_an_endpoint_that_is_no_push_service_is_refused(
    wedding: Database, in_the_cloud: Rest, endpoint: str
) -> None:
    answered = in_the_cloud("POST", "/me/devices", subscription(endpoint), user_id=FLORA.user_id)

    assert answered.status == 422
    assert [error["field"] for error in answered.body["errors"]] == ["endpoint"]
    assert stored(wedding) == []


def test_on_one_machine_a_stand_in_on_loopback_is_a_push_service(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")

    answers = [
        rest("POST", "/me/devices", subscription(endpoint), user_id=FLORA.user_id).status
        for endpoint in ("http://127.0.0.1:9000/send", "http://10.0.0.1/send")
    ]

    assert answers == [201, 422]


@pytest.mark.parametrize(
    "keys",
    [
        {"p256dh": POINT},
        {"p256dh": POINT[:-4], "auth": SECRET},
        {"p256dh": "A" + POINT[1:], "auth": SECRET},
        {"p256dh": POINT, "auth": "short"},
        {"p256dh": POINT, "auth": SECRET, "more": "x"},
        {"p256dh": "é" * 87, "auth": SECRET},
    ],
)
def test_keys_that_nothing_can_be_encrypted_with_are_refused(
    wedding: Database, rest: Rest, keys: object
) -> None:
    answered = rest("POST", "/me/devices", {**subscription(), "keys": keys}, user_id=FLORA.user_id)

    assert answered.status == 422
    assert stored(wedding) == []
