"""Twilio's Messages resource: the form API, its ids, its error codes, its list."""

from __future__ import annotations

import binascii
import datetime
import math
import re
import secrets
from base64 import b64decode
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any

from aiohttp import web
from yarl import URL

from local.providers.faults import Faults
from local.providers.outbox import MOST_KEPT, Outbox

_API = "/2010-04-01/Accounts/{account}"
_PHONE = re.compile(r"\+[1-9]\d{6,14}")
_SERVICE = re.compile(r"MG[0-9a-f]{32}")
_MOST_CHARACTERS = 1600
# https://www.twilio.com/docs/api/errors
_ERRORS = {
    "20003": (401, "Authenticate"),
    "20404": (404, "The requested resource was not found"),
    "20429": (429, "Too Many Requests"),
    "20500": (500, "An internal server error has occurred"),
    "20503": (503, "Service is unavailable"),
    "21211": (400, "Invalid 'To' Phone Number: {to}"),
    "21212": (400, "Invalid From Number (caller ID): {sender}"),
    "21602": (400, "Message body is required."),
    "21603": (400, "A 'From' phone number is required."),
    "21604": (400, "A 'To' phone number is required."),
    "21610": (400, "Attempt to send to unsubscribed recipient"),
    "21611": (429, "This 'From' number has exceeded the maximum number of queued messages: {sender}"),
    "21614": (400, "'To' number is not a valid mobile number: {to}"),
    "21617": (400, "The concatenated message body exceeds the 1600 character limit."),
    "21701": (400, "The Messaging Service does not exist"),
}
# The knob also takes what HTTP calls them.
_BY_STATUS = {"429": "20429", "500": "20500", "503": "20503"}


@dataclass(frozen=True, slots=True)
class Account:
    """Whose messages these are."""

    sid: str
    auth_token: str


class Twilio:
    """One account. A message is sent at once; its status stays `sent`."""

    def __init__(self, account: Account, outbox: Outbox) -> None:
        self.faults = Faults(frozenset({*_ERRORS, *_BY_STATUS}))
        self._account = account
        self._outbox = outbox
        self._messages: deque[dict[str, Any]] = deque(maxlen=MOST_KEPT)

    def routes(self) -> list[web.RouteDef]:
        """What the API answers."""
        return [
            web.post(f"{_API}/Messages.json", self._create),
            web.get(f"{_API}/Messages.json", self._list),
            web.get(_API + "/Messages/{sid}.json", self._fetch),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        form = {key: str(value) for key, value in (await request.post()).items()}
        words = {"to": form.get("To", ""), "sender": form.get("From", "")}
        if code := _mistake(form):
            return _error(code, words)
        return await self.faults.answer(
            lambda: web.json_response(self._accept(form), status=201),
            lambda code: _error(_BY_STATUS.get(code, code), words),
            lambda: _error("20500", words),
        )

    def _accept(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The new message as the create call shows it; a later read shows it sent."""
        now = datetime.datetime.now(datetime.UTC)
        sid = "SM" + secrets.token_hex(16)
        service = form.get("MessagingServiceSid")
        message: dict[str, Any] = {
            "account_sid": self._account.sid,
            "api_version": "2010-04-01",
            "body": form["Body"],
            "date_created": format_datetime(now),
            "date_sent": format_datetime(now),
            "date_updated": format_datetime(now),
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": form.get("From"),
            "messaging_service_sid": service,
            "num_media": "0",
            "num_segments": str(_segments(form["Body"])),
            "price": None,
            "price_unit": "USD",
            "sid": sid,
            "status": "sent",
            "subresource_uris": {"media": self._uri(f"/{sid}/Media")},
            "to": form["To"],
            "uri": self._uri(f"/{sid}"),
        }
        self._messages.append(message)
        self._outbox.accept("sms", form["To"], sid, text=form["Body"], sender=form.get("From") or service)
        # With a service Twilio chooses the number later.
        return message | {"status": "accepted" if service else "queued", "date_sent": None}

    async def _fetch(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        wanted = request.match_info["sid"]
        found = [message for message in self._messages if message["sid"] == wanted]
        return web.json_response(found[0]) if found else _error("20404", {})

    async def _list(self, request: web.Request) -> web.Response:
        """Newest first; `To`, `From` and `DateSent` with `>`, `<` (which mean ≥ and ≤) or neither."""
        if refused := self._refused(request):
            return refused
        query = request.query
        try:
            size = min(int(query.get("PageSize", "50")), 1000)
            page = int(query.get("Page", "0"))
            spans = [_span(name, value) for name, value in query.items() if name.startswith("DateSent")]
        except ValueError:
            return web.json_response(_problem("20001", 400, "Invalid parameter"), status=400)
        found = [
            message
            for message in reversed(self._messages)
            if query.get("To", message["to"]) == message["to"]
            and query.get("From", message["from"]) == message["from"]
            and all(first <= _moment(message) < last for first, last in spans)
        ]
        return web.json_response(_page(request.rel_url, found, page, size))

    def _refused(self, request: web.Request) -> web.Response | None:
        kind, _, credentials = request.headers.get("Authorization", "").partition(" ")
        try:
            user, _, password = b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user, password = "", ""
        known = kind == "Basic" and Account(user, password) == self._account
        if known and request.match_info["account"] == self._account.sid:
            return None
        return _error("20404" if known else "20003", {})

    def _uri(self, rest: str) -> str:
        return f"{_API.format(account=self._account.sid)}/Messages{rest}.json"


def _page(asked: URL, found: list[dict[str, Any]], page: int, size: int) -> dict[str, Any]:
    shown = found[page * size : (page + 1) * size]
    more = len(found) > (page + 1) * size

    def uri(number: int) -> str:
        return str(asked.update_query(PageSize=str(size), Page=str(number)))

    return {
        "messages": shown,
        "page": page,
        "page_size": size,
        "start": page * size,
        "end": page * size + max(len(shown) - 1, 0),
        "uri": uri(page),
        "first_page_uri": uri(0),
        "next_page_uri": uri(page + 1) if more else None,
        "previous_page_uri": uri(page - 1) if page else None,
    }


def _mistake(form: Mapping[str, str]) -> str | None:
    """The code of what is wrong with a new message, in the order in which Twilio looks."""
    service, sender = form.get("MessagingServiceSid"), form.get("From")
    checks = (
        ("21604", not form.get("To")),
        ("21603", not service and not sender),
        ("21602", not form.get("Body")),
        ("21211", not _PHONE.fullmatch(form.get("To", ""))),
        ("21701", service and not _SERVICE.fullmatch(service)),
        ("21212", sender and not _PHONE.fullmatch(sender)),
        ("21617", len(form.get("Body", "")) > _MOST_CHARACTERS),
    )
    return next((code for code, wrong in checks if wrong), None)


def _error(code: str, words: Mapping[str, str]) -> web.Response:
    status, text = _ERRORS[code]
    headers = {"Retry-After": "1"} if status == 429 else None
    return web.json_response(
        _problem(code, status, text.format_map({"to": "", "sender": "", **words})),
        status=status,
        headers=headers,
    )


def _problem(code: str, status: int, message: str) -> dict[str, Any]:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return {"code": int(code), "message": message, "more_info": more, "status": status}


def _segments(text: str) -> int:
    """How many SMS carry it: 7-bit while it is ASCII, which is near enough, else UCS-2."""
    units = len(text.encode("utf-16-be")) // 2
    alone, joined = (160, 153) if text.isascii() else (70, 67)
    return 1 if units <= alone else math.ceil(units / joined)


def _moment(message: Mapping[str, Any]) -> datetime.datetime:
    return datetime.datetime.strptime(message["date_sent"], "%a, %d %b %Y %H:%M:%S %z")


def _span(name: str, value: str) -> tuple[datetime.datetime, datetime.datetime]:
    """The moments that `DateSent`, `DateSent>` or `DateSent<` lets through; a day without a time is all of it."""
    unit = datetime.timedelta(days=1) if len(value) == len("2026-01-31") else datetime.timedelta(seconds=1)
    moment = datetime.datetime.fromisoformat(value)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    first = datetime.datetime.min.replace(tzinfo=datetime.UTC)
    last = datetime.datetime.max.replace(tzinfo=datetime.UTC)
    return first if name == "DateSent<" else moment, last if name == "DateSent>" else moment + unit
