"""The stand-ins of the providers, the secrets that open them, and a delivery to hand over."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from unittest import mock
from uuid import UUID, uuid4

import pytest

from local.processes import free_port
from local.providers.stand_ins import ProviderPorts, StandIns, make_keys
from tests.fixtures.stub_server import Request, answer, serving
from wedsync.notifications import credentials
from wedsync.notifications.deliveries import Claimed, NotificationText
from wedsync.platform import aws, wire

MESSAGE = "The roses are white,\nnot <b>red</b> & they cost $90"
TEXT = NotificationText(
    thread_id=UUID("0190a000-0000-7000-8000-000000000901"),
    subject="Flowers",
    message=MESSAGE,
    message_type="text",
    priority_level="urgent",
    seq=7,
    created_at=datetime(2026, 6, 6, 14, 30, tzinfo=UTC),
    sender_name="Petra Hart",
)


@dataclass
class Providers:
    """What the providers accepted, and their knobs."""

    stand_ins: StandIns
    secrets: dict[str, dict[str, str]]

    def accepted(self, channel: Any) -> list[dict[str, Any]]:
        return self.stand_ins.outbox.accepted(channel)

    def fail(self, provider: str, way: str, times: int = 1) -> None:
        self.stand_ins.faults[provider].set(way, times)


@pytest.fixture(scope="session")
def keys() -> dict[str, str]:
    return make_keys()


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Where the stand-ins run while a test waits for its SDK."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def providers(
    loop: asyncio.AbstractEventLoop, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Providers]:
    """The stand-ins with nothing in them, and a Secrets Manager that opens them."""
    ports = ProviderPorts(*(free_port() for _ in range(3)))
    stand_ins = StandIns(ports, keys)
    asyncio.run_coroutine_threadsafe(stand_ins.start(), loop).result(10)
    secrets = {
        "resend": {"api_key": keys["api_key"]},
        "twilio": {"account_sid": keys["account_sid"], "auth_token": keys["auth_token"]},
        "vapid": {"private_key": keys["vapid_private"]},
    }

    def secret(request: Request) -> bytes:
        name = json.loads(request.body)["SecretId"]
        return answer(200, json.dumps({"SecretString": json.dumps(secrets[name])}).encode())

    lines = wire.Lines()
    with serving(secret) as manager, mock.patch.object(aws, "LINES", lines):
        for name, value in {
            "AWS_ENDPOINT_URL": manager.url,
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "RESEND_SECRET": "resend",
            "RESEND_API_URL": f"http://127.0.0.1:{ports.resend}",
            "EMAIL_FROM": "WedSync <hello@mail.example>",
            "TWILIO_SECRET": "twilio",
            "TWILIO_API_URL": f"http://127.0.0.1:{ports.twilio}",
            "TWILIO_FROM": "+447700900000",
            "TWILIO_FROM_EMERGENCY": "MG" + "0" * 32,
            "VAPID_SECRET": "vapid",
            "VAPID_SUBJECT": "mailto:ops@wedsync.example",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(credentials, "_cached", {})
        yield Providers(stand_ins, secrets)
        lines.close()
    asyncio.run_coroutine_threadsafe(stand_ins.stop(), loop).result(10)


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Also what the SDKs would say to a root logger that listens."""
    caplog.set_level(logging.INFO)


Delivery = Callable[..., Claimed]


@pytest.fixture
def delivery() -> Delivery:
    """A delivery that has just been claimed."""

    def make(channel: str, address: str, category: str = "urgent") -> Claimed:
        return Claimed(
            delivery_id=uuid4(),
            token=uuid4(),
            message_id=UUID(int=1),
            thread_id=UUID(int=2),
            user_id=UUID(int=3),
            channel=channel,  # pyright: ignore[reportArgumentType]
            lane="emergency" if category == "emergency" else "ordinary",
            category=category,  # pyright: ignore[reportArgumentType]
            contact_point_id=uuid4(),
            address=address,
            attempt=1,
            claimed_at=datetime.now(UTC),
            possible_duplicate=False,
            locale="en-GB",
            time_zone="Europe/London",
        )

    return make
