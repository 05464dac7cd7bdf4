"""SMS by Twilio, which has no idempotency key: what may have been sent is never sent again, but asked for.

Certain: an answer of the API, or no connection at all. Everything else is `Unknown`, and `reconcile`
looks for the message at Twilio three minutes later.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from urllib3.exceptions import MaxRetryError, NewConnectionError

from wedsync.notifications import deliveries, templates
from wedsync.notifications.credentials import credentials
from wedsync.notifications.deliveries import (
    Accepted,
    Claimed,
    Later,
    NotificationText,
    Outcome,
    Refused,
    Unknown,
)
from wedsync.platform import aws
from wedsync.platform.observability import logger
from wedsync.platform.settings import settings

PROVIDER = "twilio"
API_URL = "https://api.twilio.com"
SECONDS = 5.0  # to connect, and again to answer
CHARACTERS = 306  # two segments of GSM-7, three times as many of anything else
MARKS = {"ordinary": "", "urgent": " URGENT", "emergency": " EMERGENCY"}
STOPPED = 21610
BUSY = frozenset({14107, 20429, 21611})
CLAIM_LIVES = timedelta(seconds=120)  # a claim is taken from a dead worker after 90 s
LOOKED_THROUGH = 100  # messages to one number, the newest first


class _HttpClient(TwilioHttpClient):
    """Twilio's own, which can be pointed nowhere else (twilio-python#521), logs numbers and keeps lines open."""

    def __init__(self) -> None:
        silent = logging.Logger("twilio", logging.CRITICAL)
        super().__init__(timeout=SECONDS, logger=silent)

    def request(
        self,
        method: str,
        url: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        url = (settings().twilio_api_url or API_URL) + url.removeprefix(API_URL)
        # A line that died while it was idle would leave us not knowing whether this was taken.
        headers = {**(headers or {}), "Connection": "close"}
        return super().request(method, url, params, data, headers, auth, timeout, allow_redirects)


def send(claimed: Claimed, text: NotificationText) -> Outcome:
    """Hand the message to Twilio, once."""
    try:
        client = _client()
    except aws.AwsError as error:
        return Later(code=error.code)
    try:
        message = client.messages.create(
            to=claimed.address, body=_body(claimed, text), **_sender(claimed.lane)
        )
    except TwilioRestException as error:
        return _refusal(error)
    except requests.RequestException as error:
        return Later(code="unreachable") if _never_left(error) else Unknown(type(error).__name__)
    except (TwilioException, KeyError, TypeError, ValueError) as error:  # an answer that makes no sense
        return Unknown(type(error).__name__)
    return Accepted(PROVIDER, message.sid) if message.sid else Unknown("no_sid")


def reconcile(claimed: Claimed) -> Outcome:
    """What Twilio knows of an SMS that may have been sent: Accepted, or Refused; Unknown if it cannot be asked."""
    text = deliveries.text(claimed)
    if text is None:
        return Refused("unreconciled")
    body, claimed_at = _body(claimed, text), claimed.claimed_at
    try:
        # Not by date_sent: what still waits in Twilio's queue has none.
        listed = _client().messages.list(to=claimed.address, limit=LOOKED_THROUGH)
    except (TwilioException, requests.RequestException, aws.AwsError, ValueError) as error:
        return Unknown(type(error).__name__)
    same = [(abs(each.date_created - claimed_at), each.sid) for each in listed if each.body == body]
    within = [each for each in same if each[0] <= CLAIM_LIVES]
    return Accepted(PROVIDER, min(within)[1]) if within else Refused("unreconciled")


def _client() -> Client:
    account = credentials(settings().twilio_secret)
    return Client(account["account_sid"], account["auth_token"], http_client=_HttpClient())


def _body(claimed: Claimed, text: NotificationText) -> str:
    return templates.cut(
        templates.render(
            "sms.txt",
            mark=MARKS[claimed.category],
            sender=templates.sender(text),
            subject=templates.cut(templates.one_line(text.subject), 40),
            message=text.message,
        ),
        CHARACTERS,
    )


def _sender(lane: str) -> Mapping[str, str]:
    """Emergencies have a sender of their own: a number sends one segment a second, in order."""
    sender = settings().twilio_from_emergency if lane == "emergency" else settings().twilio_from
    return {"messaging_service_sid" if sender.startswith("MG") else "from_": sender}


def _refusal(error: TwilioRestException) -> Outcome:
    """https://www.twilio.com/docs/api/errors"""
    code = str(error.code or error.status)
    if error.status == 429 or error.code in BUSY:
        return Later(code=code)
    if error.status in (401, 403):
        logger().error("the SMS provider refuses us: check its account and token", extra={"code": code})
        return Later(code=code)
    if error.status >= 500:
        return Unknown(code)
    return Refused(code, suppress=error.code == STOPPED)


def _never_left(error: requests.RequestException) -> bool:
    """Whether there was no connection to send anything on."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
