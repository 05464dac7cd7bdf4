"""SMS: the real client of Twilio against a stand-in; what may have been sent is never sent again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import pytest

from tests.fixtures.stub_server import Request, answer, serving
from tests.unit.notifications.channels.conftest import TEXT, Delivery, Providers
from wedsync.notifications import deliveries
from wedsync.notifications.channels import sms
from wedsync.notifications.deliveries import Accepted, Claimed, Later, NotificationText, Refused, Unknown

BEN = "+447700900102"


@pytest.fixture
def readable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipient still sees the message when it is asked for at Twilio."""
    text: dict[int, NotificationText] = {1: TEXT}
    monkeypatch.setattr(deliveries, "text", lambda claimed: text.get(claimed.message_id.int))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sms, "SECONDS", 0.2)


def test_an_sms_is_short_and_says_who_and_where(providers: Providers, delivery: Delivery) -> None:
    outcome = sms.send(delivery("sms", BEN), replace(TEXT, message="long " * 200))

    (sent,) = providers.accepted("sms")
    assert outcome == Accepted("twilio", sent["provider_id"])
    assert (sent["to"], sent["sender"]) == (BEN, "+447700900000")
    assert sent["text"].startswith('WedSync URGENT: Petra Hart in "Flowers": long long')
    assert len(sent["text"]) <= 306


def test_emergencies_have_a_sender_of_their_own(providers: Providers, delivery: Delivery) -> None:
    sms.send(delivery("sms", BEN, "emergency"), TEXT)

    (sent,) = providers.accepted("sms")
    assert sent["sender"] == "MG" + "0" * 32
    assert sent["text"].startswith("WedSync EMERGENCY: ")


@pytest.mark.parametrize(
    ("way", "outcome"),
    [
        ("21610", Refused("21610", suppress=True)),
        ("21211", Refused("21211")),
        ("21614", Refused("21614")),
        ("429", Later(code="20429")),
        ("20003", Later(code="20003")),
        ("500", Unknown("20500")),
        ("503", Unknown("20503")),
    ],
)
def test_each_answer_means_one_thing(
    providers: Providers, delivery: Delivery, way: str, outcome: object
) -> None:
    providers.fail("twilio", way)

    assert sms.send(delivery("sms", BEN), TEXT) == outcome
    assert providers.accepted("sms") == []


@pytest.mark.usefixtures("readable", "impatient")
def test_accepted_without_an_answer_is_unknown_and_found_again(
    providers: Providers, delivery: Delivery
) -> None:
    claimed = delivery("sms", BEN)
    providers.fail("twilio", "hang")

    outcome = sms.send(claimed, TEXT)

    (sent,) = providers.accepted("sms")
    assert outcome == Unknown("ReadTimeout")
    assert sms.reconcile(claimed) == Accepted("twilio", sent["provider_id"])
    assert len(providers.accepted("sms")) == 1


def test_an_error_after_acceptance_is_unknown(providers: Providers, delivery: Delivery) -> None:
    providers.fail("twilio", "error_after_accept")

    assert sms.send(delivery("sms", BEN), TEXT) == Unknown("20500")
    assert len(providers.accepted("sms")) == 1


@pytest.mark.parametrize("reply", [None, answer(200, b"<html>"), answer(201, b"{}")])
def test_an_answer_without_sense_is_unknown(
    providers: Providers, delivery: Delivery, monkeypatch: pytest.MonkeyPatch, reply: bytes | None
) -> None:
    asked: list[Request] = []

    def respond(request: Request) -> bytes | None:
        asked.append(request)
        return reply

    with serving(respond) as stub:
        monkeypatch.setenv("TWILIO_API_URL", stub.url)

        assert isinstance(sms.send(delivery("sms", BEN), TEXT), Unknown)
        assert len(asked) == 1


def test_without_a_connection_nothing_was_sent(
    providers: Providers, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_API_URL", "http://127.0.0.1:1")

    assert sms.send(delivery("sms", BEN), TEXT) == Later(code="unreachable")


def test_without_its_account_nothing_was_sent(
    providers: Providers, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    assert sms.send(delivery("sms", BEN), TEXT) == Later(code="Unreachable")


def other_text(claimed: Claimed) -> Claimed:
    return claimed


def later(claimed: Claimed) -> Claimed:
    return replace(claimed, claimed_at=claimed.claimed_at + timedelta(hours=1))


def other_number(claimed: Claimed) -> Claimed:
    return replace(claimed, address="+447700900103")


def unreadable(claimed: Claimed) -> Claimed:
    return replace(claimed, message_id=claimed.delivery_id)


@pytest.mark.usefixtures("readable")
@pytest.mark.parametrize(
    ("said", "asked"),
    [("another message", other_text), (None, later), (None, other_number), (None, unreadable)],
)
def test_what_twilio_does_not_know_was_not_sent(
    providers: Providers, delivery: Delivery, said: str | None, asked: object
) -> None:
    claimed = delivery("sms", BEN)
    sms.send(claimed, replace(TEXT, message=said or TEXT.message))

    assert sms.reconcile(asked(claimed)) == Refused("unreconciled")  # pyright: ignore[reportCallIssue]


@pytest.mark.usefixtures("readable")
def test_while_twilio_cannot_be_asked_it_stays_unknown(
    providers: Providers, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_API_URL", "http://127.0.0.1:1")

    assert sms.reconcile(delivery("sms", BEN)) == Unknown("ConnectionError")


def test_no_number_no_word_and_no_token_is_logged(
    providers: Providers,
    delivery: Delivery,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    providers.fail("twilio", "20003")

    sms.send(delivery("sms", BEN), TEXT)
    sms.send(delivery("sms", BEN), TEXT)

    said = caplog.text + capsys.readouterr().out
    assert "check its account and token" in said
    canaries = (BEN, BEN[1:], "roses", "Petra", *providers.secrets["twilio"].values())
    assert all(canary not in said for canary in canaries)


@pytest.mark.usefixtures("readable")
def test_of_messages_with_the_same_words_the_one_of_that_moment_is_meant(
    providers: Providers, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = delivery("sms", BEN)
    sms.send(claimed, TEXT)
    (body,) = [sent["text"] for sent in providers.accepted("sms")]
    listed = [
        {"sid": f"SM{late}", "body": body, "date_created": format_datetime(moment)}
        for late in (60, 2, -60)
        for moment in [claimed.claimed_at + timedelta(seconds=late)]
    ]
    page = json.dumps({"messages": listed, "page": 0, "page_size": 100}).encode()
    with serving(lambda _: answer(200, page, {"content-type": "application/json"})) as stub:
        monkeypatch.setenv("TWILIO_API_URL", stub.url)

        assert sms.reconcile(claimed) == Accepted("twilio", "SM2")
