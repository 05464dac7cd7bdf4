"""Web Push: the real pywebpush against a push service that checks, decrypts and keeps what arrives."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.fixtures.stub_server import Request, answer, serving
from tests.unit.notifications.channels.conftest import MESSAGE, TEXT, Delivery, Providers
from wedsync.notifications.channels import push
from wedsync.notifications.deliveries import Accepted, Later, Refused


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """A warm function keeps its connections to push services; these go away with each test."""
    yield
    push.SESSION.close()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The addresses of names that end in .example; other hosts are asked for as ever."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def answered(host: str, port: int, *args: Any, **more: Any) -> list[Any]:
        if not host.endswith(".example"):
            return real(host, port, *args, **more)
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", answered)
    return known


def subscribed(providers: Providers) -> dict[str, Any]:
    return providers.stand_ins.push.subscribe()


def test_a_push_arrives_encrypted_and_says_who_wrote_what(providers: Providers, delivery: Delivery) -> None:
    device = subscribed(providers)
    claimed = delivery("push", json.dumps(device))

    assert push.send(claimed, TEXT) == Accepted("webpush")

    (sent,) = providers.accepted("push")
    assert (sent["to"], sent["subject"], sent["text"]) == (device["endpoint"], "Petra Hart", MESSAGE)
    assert (sent["topic"], sent["urgency"]) == (claimed.delivery_id.hex, "high")
    assert sent["ttl"] > 0
    assert sent["payload"]["thread_id"] == str(claimed.thread_id)


def test_only_what_is_urgent_wakes_a_device(providers: Providers, delivery: Delivery) -> None:
    push.send(delivery("push", json.dumps(subscribed(providers)), "ordinary"), TEXT)

    assert [sent["urgency"] for sent in providers.accepted("push")] == ["normal"]


def test_a_warm_function_signs_for_each_push_service_anew(
    providers: Providers, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = subscribed(providers)
    with serving(lambda _: answer(201)) as elsewhere:
        push.send(delivery("push", json.dumps(device | {"endpoint": f"{elsewhere.url}/push/1"})), TEXT)

    assert push.send(delivery("push", json.dumps(device)), TEXT) == Accepted("webpush")


def test_the_longest_message_fits(providers: Providers, delivery: Delivery) -> None:
    longest = replace(
        TEXT, message="\U0001f490" * 8000, subject="\U0001f490" * 200, sender_name="\U0001f490" * 200
    )

    assert push.send(delivery("push", json.dumps(subscribed(providers))), longest) == Accepted("webpush")


def test_a_device_that_unsubscribed_is_forgotten(providers: Providers, delivery: Delivery) -> None:
    device = subscribed(providers)
    providers.stand_ins.push.unsubscribe(device["endpoint"])

    assert push.send(delivery("push", json.dumps(device)), TEXT) == Refused("410", suppress=True)


@pytest.mark.parametrize(
    ("way", "outcome"),
    [
        ("404", Refused("404", suppress=True)),
        ("400", Refused("400")),
        ("403", Refused("403")),
        ("413", Refused("413")),
        ("429", Later(1, "429")),
        ("500", Later(0, "500")),
        ("503", Later(1, "503")),
        ("error_after_accept", Later(0, "500")),
    ],
)
def test_each_answer_means_one_thing(
    providers: Providers, delivery: Delivery, way: str, outcome: object
) -> None:
    providers.fail("push", way)

    assert push.send(delivery("push", json.dumps(subscribed(providers))), TEXT) == outcome


@pytest.mark.parametrize(
    "address",
    [
        "no JSON",
        "[]",
        '{"keys": {}}',
        '{"endpoint": 7, "keys": {}}',
        '{"endpoint": "https://push.example/1"}',
        '{"endpoint": "https://push.example/1", "keys": {"p256dh": "AAAA", "auth": "AAAA"}}',
        '{"endpoint": "https://push.example/1", "keys": {"p256dh": "not base64!", "auth": 7}}',
    ],
)
def test_a_subscription_that_is_none_is_forgotten(
    providers: Providers, delivery: Delivery, names: dict[str, list[str]], address: str
) -> None:
    names["push.example"] = ["1.1.1.1"]

    assert push.send(delivery("push", address), TEXT) == Refused("bad_subscription", suppress=True)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://push.example/1",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.7/",
        "https://[fd00::1]/",
        "https://127.1/",
        "https://0x7f.0.0.1/",
        "https://localhost./",
        "https://vault/",
        "https://vault.internal/",
        "https://push.example:8443/1",
        "https://user@push.example/1",
        "file:///etc/passwd",
        "https://push.example:no/1",
    ],
)
def test_nobody_can_point_us_at_what_is_not_public(
    providers: Providers, delivery: Delivery, endpoint: str
) -> None:
    outcome = push.send(delivery("push", json.dumps(subscribed(providers) | {"endpoint": endpoint})), TEXT)

    assert isinstance(outcome, Refused)
    assert outcome.suppress


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["1.1.1.1", "10.0.0.7"],
        ["169.254.169.254"],
        ["100.64.0.1"],
        ["224.0.0.1"],
        ["::1"],
        ["fd00::1"],
        ["::ffff:127.0.0.1"],
    ],
)
def test_a_name_that_leads_inside_is_not_called(
    providers: Providers, delivery: Delivery, names: dict[str, list[str]], addresses: list[str]
) -> None:
    names["push.example"] = addresses
    device = subscribed(providers) | {"endpoint": "https://push.example/1"}

    outcome = push.send(delivery("push", json.dumps(device)), TEXT)

    assert outcome == Refused("endpoint_not_allowed", suppress=True)


def test_a_name_without_an_address_is_tried_later(
    providers: Providers, delivery: Delivery, names: dict[str, list[str]]
) -> None:
    device = subscribed(providers) | {"endpoint": "https://push.example/1"}

    assert push.send(delivery("push", json.dumps(device)), TEXT) == Later(code="gaierror")


def test_in_the_cloud_loopback_is_not_called(
    providers: Providers, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")

    outcome = push.send(delivery("push", json.dumps(subscribed(providers))), TEXT)

    assert outcome == Refused("endpoint_not_allowed", suppress=True)
    assert providers.accepted("push") == []


def test_a_redirect_is_not_followed(providers: Providers, delivery: Delivery) -> None:
    asked: list[Request] = []

    def redirect(request: Request) -> bytes:
        asked.append(request)
        return answer(307, headers={"Location": "/elsewhere"})

    with serving(redirect) as stub:
        device = subscribed(providers) | {"endpoint": f"{stub.url}/push/1"}

        assert push.send(delivery("push", json.dumps(device)), TEXT) == Refused("redirected")
    assert len(asked) == 1


def test_what_a_push_service_says_besides_its_status_is_not_waited_for(
    providers: Providers, delivery: Delivery
) -> None:
    endless = b"HTTP/1.1 201 Created\r\nContent-Length: 1000000000\r\n\r\nand so on"
    with serving(lambda _: endless) as stub:
        device = subscribed(providers) | {"endpoint": f"{stub.url}/push/1"}

        assert push.send(delivery("push", json.dumps(device)), TEXT) == Accepted("webpush")


def test_a_warm_function_keeps_its_line_to_a_push_service(providers: Providers, delivery: Delivery) -> None:
    with serving(lambda _: answer(201)) as stub:
        device = json.dumps(subscribed(providers) | {"endpoint": f"{stub.url}/push/1"})
        outcomes = [push.send(delivery("push", device), TEXT) for _ in range(2)]
        push.SESSION.close()

    assert outcomes == [Accepted("webpush")] * 2
    assert stub.lines == 1


def test_an_unreachable_push_service_is_tried_later(providers: Providers, delivery: Delivery) -> None:
    device = subscribed(providers) | {"endpoint": "http://127.0.0.1:1/push/1"}

    assert push.send(delivery("push", json.dumps(device)), TEXT) == Later(code="ConnectionError")


def test_without_its_key_nothing_is_sent(
    providers: Providers, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    assert push.send(delivery("push", json.dumps(subscribed(providers))), TEXT) == Later(code="Unreachable")


def test_no_endpoint_and_no_word_is_logged(
    providers: Providers,
    delivery: Delivery,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    device = subscribed(providers)
    providers.fail("push", "500")

    push.send(delivery("push", json.dumps(device)), TEXT)
    push.send(delivery("push", json.dumps(device)), TEXT)

    said = caplog.text + capsys.readouterr().out
    canaries = (device["endpoint"].rpartition("/")[2], "roses", "Petra", device["keys"]["auth"])
    assert all(canary not in said for canary in canaries)
