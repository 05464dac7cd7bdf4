"""E-mail by Resend. Its idempotency key is the delivery's id, so that a repetition within 24 h sends nothing new."""

from __future__ import annotations

from html import escape

import resend
from resend.exceptions import ResendError
from resend.http_client_requests import RequestsClient

from wedsync.notifications import templates
from wedsync.notifications.credentials import credentials
from wedsync.notifications.deliveries import Accepted, Claimed, Later, NotificationText, Outcome, Refused
from wedsync.platform import aws
from wedsync.platform.observability import logger
from wedsync.platform.settings import settings

PROVIDER = "resend"
API_URL = "https://api.resend.com"
SECONDS = 5  # to connect, and again to answer
# Ours to mend, or nobody's: to be tried again. 500 is also what the client says when the network failed.
TEMPORARY = frozenset({"401", "403", "408", "429"})
IN_FLIGHT = "concurrent_idempotent_requests"
KNOWN = "invalid_idempotent_request"  # it has this delivery in words that were edited since
MARKS = {"ordinary": "", "urgent": "Urgent: ", "emergency": "EMERGENCY: "}
WHY = {
    "ordinary": "You have asked for messages by e-mail.",
    "urgent": "You get this e-mail because the message is urgent and you had not read it yet.",
    "emergency": "You get this e-mail because this is an emergency and you had not read it yet.",
}

resend.default_http_client = RequestsClient(timeout=SECONDS)


def send(claimed: Claimed, text: NotificationText) -> Outcome:
    """Hand the message to Resend; what it does not refuse for good is tried again under the same key."""
    current = settings()
    try:
        resend.api_key = credentials(current.resend_secret)["api_key"]
    except aws.AwsError as error:
        return Later(code=error.code)
    resend.api_url = current.resend_api_url or API_URL
    options: resend.Emails.SendOptions = {"idempotency_key": str(claimed.delivery_id)}
    try:
        return Accepted(PROVIDER, resend.Emails.send(_email(claimed, text), options)["id"])
    except ResendError as error:
        return _trouble(error)


def _email(claimed: Claimed, text: NotificationText) -> resend.Emails.SendParams:
    sender, subject = templates.sender(text), templates.one_line(text.subject)
    why = WHY[claimed.category]
    message = escape(text.message).replace("\n", "<br>\n")
    return {
        "from": settings().email_from,
        "to": [claimed.address],
        "subject": f"{MARKS[claimed.category]}{sender} in {subject}",
        "text": templates.render("email.txt", sender=sender, subject=subject, message=text.message, why=why),
        "html": templates.render(
            "email.html", sender=escape(sender), subject=escape(subject), message=message, why=why
        ),
    }


def _trouble(error: ResendError) -> Outcome:
    """https://resend.com/docs/api-reference/errors"""
    status, code = str(error.code), error.error_type[:100] or "unnamed"  # a proxy may have named it
    if status in ("401", "403"):
        logger().error("the e-mail provider refuses us: check its key and domain", extra={"code": code})
    if status in TEMPORARY or status >= "500" or code == IN_FLIGHT:
        wait = {name.lower(): value for name, value in error.headers.items()}.get("retry-after", "")
        return Later(float(wait) if wait.isdecimal() else 0, code)
    return Accepted(PROVIDER) if code == KNOWN else Refused(code)
