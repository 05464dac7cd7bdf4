"""A Web Push service (RFC 8030) whose devices are made on request: it checks, decrypts and keeps what arrives."""

from __future__ import annotations

import secrets

from aiohttp import web

from local.providers.faults import Faults
from local.providers.outbox import Outbox
from local.providers.web_push import Device, Devices, RefusedError, check_vapid, decrypt, readable

MOST_BYTES = 4096
_URGENCIES = ("very-low", "low", "normal", "high")


class PushService:
    """Endpoints are `{url}/push/{device}`; a device is dead for ever once it has unsubscribed."""

    def __init__(self, url: str, devices: Devices, public_key: str, outbox: Outbox) -> None:
        self.faults = Faults(frozenset({"400", "401", "403", "404", "410", "413", "429", "500", "503"}))
        self._url = url
        self._devices = devices
        self._public_key = public_key
        self._outbox = outbox
        self._gone: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        """What the service answers."""
        return [web.post("/push/{device}", self._push)]

    def subscribe(self) -> dict[str, object]:
        """A new device's PushSubscription, as `PushManager.subscribe()` gives it to a page."""
        device = self._devices.make()
        return {"endpoint": f"{self._url}/push/{device.name}", "expirationTime": None, "keys": device.keys()}

    def unsubscribe(self, endpoint: str) -> bool:
        """The device's endpoint answers 410 from now on; False for one that was never made here."""
        device = self._devices.find(endpoint.rpartition("/")[2])
        if device is not None:
            self._gone.add(device.name)
        return device is not None

    async def _push(self, request: web.Request) -> web.Response:
        try:
            device = self._live(request.match_info["device"])
            text = await self._opened(request, device)
        except RefusedError as refused:
            return _answer(refused.status, str(refused))
        return await self.faults.answer(
            lambda: self._accept(request, text),
            lambda code: _answer(int(code), "refused on purpose"),
            lambda: _answer(500, "broken on purpose"),
        )

    def _live(self, name: str) -> Device:
        device = self._devices.find(name)
        if device is None:
            raise RefusedError(404, "no such subscription")
        if device.name in self._gone:
            raise RefusedError(410, "this device has unsubscribed")
        return device

    async def _opened(self, request: web.Request, device: Device) -> bytes:
        """The decrypted text of a request that is right in every way."""
        headers = request.headers
        check_vapid(headers.get("Authorization", ""), self._url, self._public_key)
        if not headers.get("TTL", "").isdecimal():
            raise RefusedError(400, "TTL is missing or no number of seconds")
        if headers.get("Urgency", "normal") not in _URGENCIES:
            raise RefusedError(400, "Urgency is none of very-low, low, normal, high")
        if len(headers.get("Topic", "")) > 32:
            raise RefusedError(400, "Topic has more than 32 characters")
        if headers.get("Content-Encoding") != "aes128gcm":
            raise RefusedError(415, "Content-Encoding is not aes128gcm")
        body = await request.read()
        if len(body) > MOST_BYTES:
            raise RefusedError(413, f"the body has more than {MOST_BYTES} bytes")
        return decrypt(device, body)

    def _accept(self, request: web.Request, text: bytes) -> web.Response:
        payload = readable(text)
        body = payload.get("body", payload) if isinstance(payload, dict) else payload
        message_id = secrets.token_hex(12)
        self._outbox.accept(
            "push",
            f"{self._url}{request.path}",
            message_id,
            subject=payload.get("title") if isinstance(payload, dict) else None,
            text=body if isinstance(body, str) else text.decode(errors="replace"),
            payload=payload,
            ttl=int(request.headers["TTL"]),
            urgency=request.headers.get("Urgency", "normal"),
            topic=request.headers.get("Topic"),
        )
        headers = {"Location": f"{self._url}/message/{message_id}", "TTL": request.headers["TTL"]}
        return web.Response(status=201, headers=headers)


def _answer(status: int, reason: str) -> web.Response:
    headers = {"Retry-After": "1"} if status in (429, 503) else None
    return web.json_response({"status": status, "reason": reason}, status=status, headers=headers)
