"""The stand-ins for Twilio, Resend and a Web Push service, as the real clients find them."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt
import pytest
import resend
from py_vapid import Vapid02
from pywebpush import WebPushException, webpush
from requests import Session
from resend.exceptions import ResendError
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from local.processes import free_port
from local.providers import faults, outbox
from local.providers.stand_ins import ProviderPorts, StandIns, make_keys
from local.providers.web_push import Devices

PHONE, SENDER = "+491701234567", "+15005550006"
SERVICE = "MG" + 32 * "0"
EMAIL: dict[str, Any] = {
    "from": "WedSync <messages@example.com>",
    "to": ["ana@example.com"],
    "subject": "Flowers",
    "text": "On my way",
}


@dataclass(frozen=True)
class Providers:
    """Running stand-ins and what opens them."""

    stand_ins: StandIns
    keys: dict[str, str]
    ports: ProviderPorts
    http: aiohttp.ClientSession

    def accepted(self, channel: outbox.Channel) -> list[dict[str, Any]]:
        return self.stand_ins.outbox.accepted(channel)

    def trouble(self, provider: str, fail: str, times: int = 1) -> None:
        self.stand_ins.faults[provider].set(fail, times)

    async def sms(self, form: dict[str, str], **changes: Any) -> tuple[int, dict[str, Any]]:
        """A raw form, past the checks of the SDK."""
        account = changes.pop("account", self.keys["account_sid"])
        login = f"{self.keys['account_sid']}:{changes.pop('token', self.keys['auth_token'])}"
        headers = {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}
        url = f"http://127.0.0.1:{self.ports.twilio}/2010-04-01/Accounts/{account}/Messages.json"
        async with self.http.post(url, data=form, headers=headers) as answer:
            return answer.status, await answer.json()

    async def email(self, email: Any, key: str | None = None) -> tuple[int, dict[str, Any]]:
        """A raw e-mail, with the API key unless another one is given."""
        headers = {"Authorization": f"Bearer {self.keys['api_key'] if key is None else key}"}
        url = f"http://127.0.0.1:{self.ports.resend}/emails"
        async with self.http.post(url, data=json.dumps(email), headers=headers) as answer:
            return answer.status, await answer.json()

    async def push(self, endpoint: str, body: bytes = b"", **headers: str) -> int:
        """A raw push that is signed as it must be, unless the headers say otherwise."""
        claims = {
            "aud": f"http://127.0.0.1:{self.ports.push}",
            "exp": int(time.time()) + 60,
            "sub": "mailto:ops@example.com",
        }
        given = {"Authorization": vapid(self.keys, claims), "TTL": "60", "Content-Encoding": "aes128gcm"}
        async with self.http.post(endpoint, data=body, headers={**given, **headers}) as answer:
            return answer.status

    def webpush(self, subscription: dict[str, Any], data: str, **changes: Any) -> Any:
        """A push by the real client."""
        options: dict[str, Any] = {
            "vapid_private_key": self.keys["vapid_private"],
            "vapid_claims": {"sub": "mailto:ops@example.com"},
            "ttl": 60,
            **changes,
        }
        with Session() as session:
            return webpush(subscription, data, requests_session=session, **options)


class _Twilio(TwilioHttpClient):
    def __init__(self, port: int) -> None:
        super().__init__(timeout=5)
        self._url = f"http://127.0.0.1:{port}"

    def request(self, method: str, url: str, *rest: Any, **named: Any) -> Any:
        return super().request(method, url.replace("https://api.twilio.com", self._url), *rest, **named)


def vapid(keys: dict[str, str], claims: dict[str, Any]) -> str:
    """An authorization header signed by the application server's key."""
    signer = Vapid02.from_string(keys["vapid_private"])
    token = jwt.encode(claims, signer.private_key, algorithm="ES256")
    return f"vapid t={token}, k={keys['vapid_public']}"


@pytest.fixture
async def providers() -> AsyncIterator[Providers]:
    ports, keys = ProviderPorts(free_port(), free_port(), free_port()), make_keys()
    stand_ins = StandIns(ports, keys)
    await stand_ins.start()
    async with aiohttp.ClientSession() as http:
        yield Providers(stand_ins, keys, ports, http)
    await stand_ins.stop()


@pytest.fixture
def client(providers: Providers) -> Client:
    keys = providers.keys
    return Client(keys["account_sid"], keys["auth_token"], http_client=_Twilio(providers.ports.twilio))


async def test_twilio_takes_a_message_of_the_real_client(providers: Providers, client: Client) -> None:
    def send() -> Any:
        return client.messages.create(to=PHONE, from_=SENDER, body="Running late 💐")

    message = await asyncio.to_thread(send)

    [sent] = providers.accepted("sms")
    assert (message.status, message.sid[:2], len(message.sid)) == ("queued", "SM", 34)
    assert (sent["to"], sent["text"], sent["provider_id"]) == (PHONE, "Running late 💐", message.sid)
    assert await asyncio.to_thread(lambda: message.fetch().status) == "sent"


async def test_twilio_lists_what_was_sent_to_a_number_since_a_moment(
    providers: Providers, client: Client
) -> None:
    def send(to: str, body: str) -> Any:
        return client.messages.create(to=to, messaging_service_sid=SERVICE, body=body)

    first = await asyncio.to_thread(send, PHONE, "first")
    await asyncio.to_thread(send, PHONE, "second")
    await asyncio.to_thread(send, "+15005550009", "other")

    def listed(**filters: Any) -> list[str]:
        return [message.body or "" for message in client.messages.list(to=PHONE, **filters)]

    now = first.date_created
    assert first.status == "accepted"
    assert await asyncio.to_thread(listed) == ["second", "first"]
    assert await asyncio.to_thread(lambda: listed(date_sent_after=now)) == ["second", "first"]
    assert await asyncio.to_thread(lambda: listed(date_sent_after=now.replace(year=2100))) == []
    assert await asyncio.to_thread(lambda: listed(page_size=1)) == ["second", "first"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"To": ""}, 21604),
        ({"To": "0170 1234567"}, 21211),
        ({"From": ""}, 21603),
        ({"From": "WedSync!"}, 21212),
        ({"Body": ""}, 21602),
        ({"Body": 1601 * "x"}, 21617),
        ({"MessagingServiceSid": "MG1"}, 21701),
    ],
)
async def test_twilio_refuses_what_it_could_not_send(
    providers: Providers, change: dict[str, str], code: int
) -> None:
    form = {"To": PHONE, "From": SENDER, "Body": "Hello", **change}

    status, problem = await providers.sms(form)

    assert (status, problem["status"], problem["code"]) == (400, 400, code)
    assert problem["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert providers.accepted("sms") == []


async def test_twilio_knows_its_account_only(providers: Providers) -> None:
    form = {"To": PHONE, "From": SENDER, "Body": "Hello"}

    wrong = await providers.sms(form, token="guessed")
    other = await providers.sms(form, account="AC" + 32 * "0")

    assert (wrong[0], wrong[1]["code"]) == (401, 20003)
    assert (other[0], other[1]["code"]) == (404, 20404)
    assert providers.accepted("sms") == []


@pytest.mark.parametrize(
    ("fail", "status", "code"),
    [("21610", 400, 21610), ("21614", 400, 21614), ("429", 429, 20429), ("500", 500, 20500)],
)
async def test_twilio_refuses_on_purpose_as_often_as_asked(
    providers: Providers, client: Client, fail: str, status: int, code: int
) -> None:
    def send() -> Any:
        return client.messages.create(to=PHONE, from_=SENDER, body="Hello")

    providers.trouble("twilio", fail)
    with pytest.raises(TwilioRestException) as refused:
        await asyncio.to_thread(send)
    await asyncio.to_thread(send)

    assert (refused.value.status, refused.value.code) == (status, code)
    assert len(providers.accepted("sms")) == 1


async def test_twilio_may_accept_and_say_it_did_not(providers: Providers) -> None:
    providers.trouble("twilio", "error_after_accept")

    status, problem = await providers.sms({"To": PHONE, "From": SENDER, "Body": "Hello"})

    assert (status, problem["code"]) == (500, 20500)
    assert len(providers.accepted("sms")) == 1


async def test_twilio_may_accept_and_never_answer(providers: Providers) -> None:
    providers.trouble("twilio", "hang")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await providers.sms({"To": PHONE, "From": SENDER, "Body": "Hello"})

    assert len(providers.accepted("sms")) == 1


async def test_resend_sends_once_for_one_key(providers: Providers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "api_key", providers.keys["api_key"])
    monkeypatch.setattr(resend, "api_url", f"http://127.0.0.1:{providers.ports.resend}")

    def send(text: str) -> str:
        email: Any = {**EMAIL, "text": text}
        return resend.Emails.send(email, {"idempotency_key": "delivery-1"})["id"]

    first = await asyncio.to_thread(send, "On my way")
    again = await asyncio.to_thread(send, "On my way")
    with pytest.raises(ResendError) as refused:
        await asyncio.to_thread(send, "Changed")

    [sent] = providers.accepted("email")
    assert first == again == sent["provider_id"]
    assert (sent["to"], sent["subject"], sent["text"]) == ("ana@example.com", "Flowers", "On my way")
    assert (refused.value.code, refused.value.error_type) == (409, "invalid_idempotent_request")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"to": []}, "missing_required_field"),
        ({"to": ["ana"]}, "validation_error"),
        ({"to": ["ana@example.com\nBcc: all@example.com"]}, "validation_error"),
        ({"to": 51 * ["ana@example.com"]}, "validation_error"),
        ({"from": "WedSync"}, "invalid_from_address"),
        ({"subject": ""}, "missing_required_field"),
        ({"text": ""}, "missing_required_field"),
        ({"reply_to": 7}, "validation_error"),
    ],
)
async def test_resend_refuses_what_it_could_not_send(
    providers: Providers, change: dict[str, Any], name: str
) -> None:
    status, problem = await providers.email({**EMAIL, **change})

    assert (status, problem["statusCode"], problem["name"]) == (422, 422, name)
    assert providers.accepted("email") == []


async def test_resend_knows_its_key_only(providers: Providers) -> None:
    missing, wrong = await providers.email(EMAIL, key=""), await providers.email(EMAIL, key="re_guessed")

    assert (missing[0], missing[1]["name"]) == (401, "missing_api_key")
    assert (wrong[0], wrong[1]["name"]) == (403, "invalid_api_key")
    assert (await providers.email([]))[0] == 422


async def test_resend_tells_when_to_come_back(providers: Providers) -> None:
    providers.trouble("resend", "429")
    headers = {"Authorization": f"Bearer {providers.keys['api_key']}"}
    url = f"http://127.0.0.1:{providers.ports.resend}/emails"

    async with providers.http.post(url, json=EMAIL, headers=headers) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "1")


async def test_a_device_reads_what_the_real_client_encrypted(providers: Providers) -> None:
    subscription = providers.stand_ins.push.subscribe()
    data = json.dumps({"title": "Flora Bloom", "body": "On my way 💐"})

    answer = await asyncio.to_thread(providers.webpush, subscription, data)

    [sent] = providers.accepted("push")
    assert answer.status_code == 201
    assert answer.headers["Location"].endswith(sent["provider_id"])
    assert (sent["to"], sent["subject"], sent["text"]) == (
        subscription["endpoint"],
        "Flora Bloom",
        "On my way 💐",
    )
    assert (sent["ttl"], sent["payload"]["title"]) == (60, "Flora Bloom")


async def test_a_push_that_no_key_of_the_device_opens_is_refused(providers: Providers) -> None:
    mine, other = providers.stand_ins.push.subscribe(), providers.stand_ins.push.subscribe()

    with pytest.raises(WebPushException) as refused:
        await asyncio.to_thread(providers.webpush, {**mine, "keys": other["keys"]}, "{}")

    assert refused.value.status_code == 400
    assert providers.accepted("push") == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"aud": "https://push.example.com"}, 403),
        ({"exp": 1}, 403),
        ({"exp": int(time.time()) + 100_000}, 403),
        ({"sub": "operations"}, 403),
        ({"sub": None}, 403),
    ],
)
async def test_a_push_service_checks_every_claim(
    providers: Providers, changes: dict[str, Any], status: int
) -> None:
    endpoint = str(providers.stand_ins.push.subscribe()["endpoint"])
    right = {
        "aud": f"http://127.0.0.1:{providers.ports.push}",
        "exp": int(time.time()) + 60,
        "sub": "mailto:a@b.c",
    }
    claims = {name: value for name, value in {**right, **changes}.items() if value is not None}

    assert await providers.push(endpoint, Authorization=vapid(providers.keys, claims)) == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"TTL": ""}, 400),
        ({"TTL": "soon"}, 400),
        ({"Urgency": "hurry"}, 400),
        ({"Topic": 33 * "x"}, 400),
        ({"Content-Encoding": "aesgcm"}, 415),
        ({"Authorization": ""}, 401),
        ({"Authorization": "vapid t=a.b.c"}, 401),
        ({}, 400),
    ],
)
async def test_a_push_service_checks_every_header(
    providers: Providers, headers: dict[str, str], status: int
) -> None:
    endpoint = str(providers.stand_ins.push.subscribe()["endpoint"])

    assert await providers.push(endpoint, b"not encrypted", **headers) == status


async def test_another_application_server_cannot_push_to_our_devices(providers: Providers) -> None:
    endpoint = str(providers.stand_ins.push.subscribe()["endpoint"])
    claims = {
        "aud": f"http://127.0.0.1:{providers.ports.push}",
        "exp": int(time.time()) + 60,
        "sub": "mailto:a@b.c",
    }

    assert await providers.push(endpoint, Authorization=vapid(make_keys(), claims)) == 403


async def test_dead_and_unknown_devices_and_long_bodies_are_told_apart(providers: Providers) -> None:
    push = providers.stand_ins.push
    alive, dead = str(push.subscribe()["endpoint"]), str(push.subscribe()["endpoint"])
    known = push.unsubscribe(dead)

    assert known
    assert await providers.push(dead) == 410
    assert await providers.push(f"{alive[:-1]}{'0' if alive[-1] != '0' else '1'}") == 404
    assert await providers.push(f"{alive}zz") == 404
    assert await providers.push(alive, 4097 * b"x") == 413
    assert not push.unsubscribe("http://127.0.0.1/push/ffff")


async def test_a_push_service_refuses_on_purpose(providers: Providers) -> None:
    subscription = providers.stand_ins.push.subscribe()
    providers.trouble("push", "410")

    with pytest.raises(WebPushException) as gone:
        await asyncio.to_thread(providers.webpush, subscription, "plain text")
    await asyncio.to_thread(providers.webpush, subscription, "plain text")

    assert gone.value.status_code == 410
    assert [sent["text"] for sent in providers.accepted("push")] == ["plain text"]


def test_devices_are_found_again_after_a_restart() -> None:
    device = Devices("secret").make()

    found = Devices("secret").find(device.name)

    assert found is not None
    assert found.keys() == device.keys()
    assert Devices("another").find(device.name) is None


def test_an_unknown_trouble_is_refused_and_none_ends_it() -> None:
    knob = faults.Faults(frozenset({"429"}))

    with pytest.raises(ValueError, match="418"):
        knob.set("418", 1)
    with pytest.raises(ValueError, match="429"):
        knob.set("429", -1)


def test_the_outbox_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MOST_KEPT", 2)
    kept = outbox.Outbox()

    for number in range(3):
        kept.accept("sms", PHONE, f"SM{number}", text="Hello")

    assert [sent["provider_id"] for sent in kept.accepted("sms")] == ["SM1", "SM2"]
