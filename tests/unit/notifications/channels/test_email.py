"""E-mail: the real client of Resend against a stand-in that is as strict as the real one."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from tests.fixtures.stub_server import answer, serving
from tests.unit.notifications.channels.conftest import MESSAGE, TEXT, Delivery, Providers
from wedsync.notifications import credentials
from wedsync.notifications.channels import email
from wedsync.notifications.deliveries import Accepted, Later, Refused

ANA = "ana@example.com"


def test_an_email_says_who_wrote_what_and_why_it_came(providers: Providers, delivery: Delivery) -> None:
    outcome = email.send(delivery("email", ANA), TEXT)

    (sent,) = providers.accepted("email")
    assert outcome == Accepted("resend", sent["provider_id"])
    assert (sent["to"], sent["sender"]) == (ANA, "WedSync <hello@mail.example>")
    assert sent["subject"] == "Urgent: Petra Hart in Flowers"
    assert MESSAGE in sent["text"]
    assert "because the message is urgent" in sent["text"]


def test_what_people_write_is_no_markup_and_no_header(providers: Providers, delivery: Delivery) -> None:
    hostile = replace(TEXT, subject="Flowers\r\nBcc: x@example.com", sender_name="<i>Petra</i> $why")

    email.send(delivery("email", ANA), hostile)

    (sent,) = providers.accepted("email")
    assert sent["subject"] == "Urgent: <i>Petra</i> $why in Flowers Bcc: x@example.com"
    assert "not &lt;b&gt;red&lt;/b&gt; &amp; they cost $90" in sent["html"]
    assert "&lt;i&gt;Petra&lt;/i&gt; $why" in sent["html"]
    assert re.findall(r"<[bi]>", sent["html"]) == []


def test_the_same_delivery_sent_twice_is_one_email(providers: Providers, delivery: Delivery) -> None:
    claimed = delivery("email", ANA)

    first, second = email.send(claimed, TEXT), email.send(claimed, TEXT)

    assert first == second
    assert [sent["idempotency_key"] for sent in providers.accepted("email")] == [str(claimed.delivery_id)]


def test_an_answer_that_was_lost_is_asked_for_again_and_sends_nothing_new(
    providers: Providers, delivery: Delivery
) -> None:
    claimed = delivery("email", ANA)
    providers.fail("resend", "error_after_accept")

    lost = email.send(claimed, TEXT)
    found = email.send(claimed, TEXT)

    assert lost == Later(code="internal_server_error")
    assert isinstance(found, Accepted)
    assert len(providers.accepted("email")) == 1


def test_a_message_that_changed_after_it_was_accepted_is_not_sent_again(
    providers: Providers, delivery: Delivery
) -> None:
    claimed = delivery("email", ANA)
    email.send(claimed, TEXT)

    outcome = email.send(claimed, replace(TEXT, message="edited"))

    assert outcome == Accepted("resend")
    assert len(providers.accepted("email")) == 1


@pytest.mark.parametrize(
    ("way", "outcome"),
    [
        ("429", Later(1, "rate_limit_exceeded")),
        ("409", Later(0, "concurrent_idempotent_requests")),
        ("500", Later(0, "internal_server_error")),
        ("503", Later(0, "service_unavailable")),
        ("403", Later(0, "invalid_api_key")),
        ("422", Refused("validation_error")),
    ],
)
def test_only_what_will_never_succeed_is_given_up(
    providers: Providers, delivery: Delivery, way: str, outcome: Later | Refused
) -> None:
    providers.fail("resend", way)

    assert email.send(delivery("email", ANA), TEXT) == outcome
    assert providers.accepted("email") == []


def test_a_provider_that_cannot_be_reached_is_tried_later(
    providers: Providers, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESEND_API_URL", "http://127.0.0.1:1")

    assert email.send(delivery("email", ANA), TEXT) == Later(0, "HttpClientError")


def test_a_page_of_a_proxy_is_no_answer(
    providers: Providers, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(lambda _: answer(200, b"<html>", {"content-type": "text/html"})) as stub:
        monkeypatch.setenv("RESEND_API_URL", stub.url)

        assert email.send(delivery("email", ANA), TEXT) == Later(0, "application_error")


def test_what_a_proxy_calls_its_refusal_can_be_written_down(
    providers: Providers, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps({"name": "x" * 5000}).encode()
    with serving(lambda _: answer(400, body, {"content-type": "application/json"})) as stub:
        monkeypatch.setenv("RESEND_API_URL", stub.url)

        assert email.send(delivery("email", ANA), TEXT) == Refused("x" * 100)


def test_without_its_key_nothing_is_sent_and_nothing_is_lost(
    providers: Providers, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    assert email.send(delivery("email", ANA), TEXT) == Later(code="Unreachable")
    assert providers.accepted("email") == []


def test_a_key_that_is_known_serves_while_its_store_is_away(
    providers: Providers, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    email.send(delivery("email", ANA), TEXT)
    monkeypatch.setattr(credentials, "CACHE_SECONDS", -1)
    email.send(delivery("email", ANA), TEXT)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    assert isinstance(email.send(delivery("email", ANA), TEXT), Accepted)


def test_no_address_and_no_word_of_a_message_is_logged(
    providers: Providers,
    delivery: Delivery,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    providers.fail("resend", "403")

    email.send(delivery("email", ANA), TEXT)
    email.send(delivery("email", ANA), TEXT)

    said = caplog.text + capsys.readouterr().out
    assert "check its key and domain" in said
    assert all(
        canary not in said for canary in (ANA, "roses", "Petra", providers.secrets["resend"]["api_key"])
    )
