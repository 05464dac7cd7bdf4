"""Resend's e-mail API: its errors, and its idempotency keys."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections import OrderedDict
from typing import Any

from aiohttp import web

from local.providers.faults import Faults
from local.providers.outbox import MOST_KEPT, Outbox

_ADDRESS = re.compile(r"(?:[^<>\r\n]*<)?[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;]+>?")
_MOST_RECIPIENTS = 50
_LONGEST_KEY = 256
# https://resend.com/docs/api-reference/errors
_ERRORS = {
    "401": ("missing_api_key", "Missing API Key"),
    "403": ("invalid_api_key", "API key is invalid"),
    "409": ("concurrent_idempotent_requests", "The original request is still in progress."),
    "422": ("validation_error", "Invalid `to` field."),
    "429": ("rate_limit_exceeded", "Too many requests. Please limit the number of requests per second."),
    "500": ("internal_server_error", "An unexpected error occurred."),
    "503": ("service_unavailable", "The service is unavailable."),
}


class Resend:
    """One account. An idempotency key is remembered with the body it came with."""

    def __init__(self, api_key: str, outbox: Outbox) -> None:
        self.faults = Faults(frozenset(_ERRORS))
        self._api_key = api_key
        self._outbox = outbox
        self._answers: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._emails: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def routes(self) -> list[web.RouteDef]:
        """What the API answers."""
        return [web.post("/emails", self._send), web.get("/emails/{id}", self._fetch)]

    async def _send(self, request: web.Request) -> web.Response:
        if code := self._refused(request):
            return _error(code)
        key = request.headers.get("Idempotency-Key")
        if key is not None and not 1 <= len(key) <= _LONGEST_KEY:
            return _answer(400, "invalid_idempotency_key", "The key must be between 1-256 chars.")
        try:
            email = json.loads(await request.read())
        except ValueError:
            return _answer(400, "validation_error", "The request body is not JSON.")
        if mistake := _mistake(email):
            return _answer(422, *mistake)
        digest = hashlib.sha256(json.dumps(email, sort_keys=True).encode()).hexdigest()
        if key in self._answers and self._answers[key][0] != digest:
            message = "Same idempotency key used with a different request payload."
            return _answer(409, "invalid_idempotent_request", message)
        return await self.faults.answer(
            lambda: web.json_response({"id": self._accept_once(email, key, digest)}),
            _error,
            lambda: _error("500"),
        )

    def _accept_once(self, email: dict[str, Any], key: str | None, digest: str) -> str:
        """The id of the new e-mail, or of the one that came with this key before."""
        if key in self._answers:
            return self._answers[key][1]
        email_id = str(uuid.uuid4())
        if key is not None:
            _keep(self._answers, key, (digest, email_id))
        _keep(self._emails, email_id, {"object": "email", "id": email_id, **email, "last_event": "sent"})
        for address in _listed(email["to"]):
            self._outbox.accept(
                "email",
                address,
                email_id,
                subject=email["subject"],
                text=email.get("text"),
                html=email.get("html"),
                sender=email["from"],
                headers=email.get("headers"),
                idempotency_key=key,
            )
        return email_id

    async def _fetch(self, request: web.Request) -> web.Response:
        if code := self._refused(request):
            return _error(code)
        email = self._emails.get(request.match_info["id"])
        return web.json_response(email) if email else _answer(404, "not_found", "Email not found")

    def _refused(self, request: web.Request) -> str | None:
        kind, _, key = request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer" or not key:
            return "401"
        return None if key == self._api_key else "403"


def _mistake(email: Any) -> tuple[str, str] | None:
    """Name and message of what is wrong with an e-mail."""
    if not isinstance(email, dict):
        return "validation_error", "The request body is no object."
    for field in ("from", "to", "subject"):
        if not email.get(field):
            return "missing_required_field", f"Missing `{field}` field."
    if not email.get("html") and not email.get("text"):
        return "missing_required_field", "Missing `html` or `text` field."
    if not _valid(email["from"]):
        return "invalid_from_address", "Invalid `from` field."
    for field in ("to", "cc", "bcc", "reply_to"):
        if not all(map(_valid, _listed(email.get(field, [])))):
            return "validation_error", f"Invalid `{field}` field."
    if len(_listed(email["to"])) > _MOST_RECIPIENTS:
        return "validation_error", "Too many addresses in `to`."
    return None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _valid(address: Any) -> bool:
    return isinstance(address, str) and _ADDRESS.fullmatch(address) is not None


def _keep(kept: OrderedDict[str, Any], key: str, value: object) -> None:
    kept[key] = value
    if len(kept) > MOST_KEPT:
        kept.popitem(last=False)


def _error(status: str) -> web.Response:
    return _answer(int(status), *_ERRORS[status])


def _answer(status: int, name: str, message: str) -> web.Response:
    limits = {"Retry-After": "1", "ratelimit-limit": "5", "ratelimit-remaining": "0", "ratelimit-reset": "1"}
    body = {"statusCode": status, "name": name, "message": message}
    return web.json_response(body, status=status, headers=limits if status == 429 else None)
