"""All providers of one stack, each on a loopback port of its own, and the secrets that open them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from local.model import Template
from local.providers.faults import Faults
from local.providers.outbox import Outbox
from local.providers.push import PushService
from local.providers.resend import Resend
from local.providers.twilio import Account, Twilio
from local.providers.web_push import Devices, application_server_keys


@dataclass(frozen=True, slots=True)
class ProviderPorts:
    """Where the stand-ins listen."""

    twilio: int
    resend: int
    push: int


def make_keys() -> dict[str, str]:
    """Everything secret about the providers of one stack, to be kept: devices live as long as their keys."""
    vapid = application_server_keys()
    return {
        "account_sid": "AC" + secrets.token_hex(16),
        "auth_token": secrets.token_hex(16),
        "api_key": "re_" + secrets.token_urlsafe(24),
        "vapid_private": vapid["private_key"],
        "vapid_public": vapid["public_key"],
        "devices": secrets.token_hex(32),
    }


class StandIns:
    """Twilio, Resend and a Web Push service; `faults` are their knobs by name."""

    def __init__(self, ports: ProviderPorts, keys: Mapping[str, str]) -> None:
        self.outbox = Outbox()
        self._keys = keys
        url = f"http://127.0.0.1:{ports.push}"
        twilio = Twilio(Account(keys["account_sid"], keys["auth_token"]), self.outbox)
        resend = Resend(keys["api_key"], self.outbox)
        self.push = PushService(url, Devices(keys["devices"]), keys["vapid_public"], self.outbox)
        self.faults: dict[str, Faults] = {
            "twilio": twilio.faults,
            "resend": resend.faults,
            "push": self.push.faults,
        }
        self._services = (
            (ports.twilio, twilio.routes()),
            (ports.resend, resend.routes()),
            (ports.push, self.push.routes()),
        )
        self._runners: list[web.AppRunner] = []

    async def start(self) -> None:
        """Listen."""
        for port, routes in self._services:
            app = web.Application()
            app.add_routes(routes)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            self._runners.append(runner)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()

    async def stop(self) -> None:
        """Stop; hanging requests are cut."""
        for runner in self._runners:
            await runner.cleanup()

    def secrets(self, template: Template) -> dict[str, str]:
        """Values of the providers' secrets by name, for those that a function of the template names."""
        values = {
            "TWILIO_SECRET": {key: self._keys[key] for key in ("account_sid", "auth_token")},
            "RESEND_SECRET": {"api_key": self._keys["api_key"]},
            "VAPID_SECRET": {"private_key": self._keys["vapid_private"]},
        }
        return {
            spec.environment[variable]: json.dumps(value)
            for spec in template.functions.values()
            for variable, value in values.items()
            if variable in spec.environment
        }
