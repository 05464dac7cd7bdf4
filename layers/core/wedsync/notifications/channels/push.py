"""Web Push (RFC 8030) to one device, encrypted for it (RFC 8291). The topic makes a repetition replace the first."""

from __future__ import annotations

import json
from typing import Any

from requests import Response, Session
from requests.exceptions import RequestException, TooManyRedirects

from wedsync.notifications import push_services, templates
from wedsync.notifications.credentials import credentials
from wedsync.notifications.deliveries import Accepted, Claimed, Later, NotificationText, Outcome, Refused
from wedsync.notifications.without_aiohttp import without_aiohttp
from wedsync.platform import aws
from wedsync.platform.settings import settings

with without_aiohttp():
    from pywebpush import WebPushException, webpush

PROVIDER = "webpush"
SECONDS = 5.0  # to connect, and again to answer
KEPT_SECONDS = 12 * 60 * 60  # by the push service while the device is off; 0 would drop it
MESSAGE_CHARACTERS = 300  # four bytes each at most, of the 4,096 that a push service takes
GONE = frozenset({404, 410})


def _without_body(response: Response, **_: object) -> Response:
    """Status and headers say all; people choose push services, and one that never ends would hold up the others."""
    if response.headers.get("Content-Length") == "0":
        return response  # as usual: its line stays open
    response.close()
    bare = Response()
    bare.status_code, bare.headers, bare.url = response.status_code, response.headers, response.url
    return bare


def _session() -> Session:
    """No redirects: the endpoint was checked, what it points to was not. No proxies and .netrc either."""
    session = Session()
    session.hooks["response"].append(_without_body)
    session.trust_env = False
    session.max_redirects = 0
    return session


SESSION = _session()


def send(claimed: Claimed, text: NotificationText) -> Outcome:
    """Hand the message to the device's push service; a device that is gone is not tried again."""
    try:
        subscription: dict[str, Any] = json.loads(claimed.address)
        if not push_services.may_be_called(subscription["endpoint"], resolve=True):
            return Refused("endpoint_not_allowed", suppress=True)
        key = credentials(settings().vapid_secret)["private_key"]
    except aws.AwsError as error:
        return Later(code=error.code)
    except OSError as error:  # its name cannot be resolved
        return Later(code=type(error).__name__)
    except (AttributeError, KeyError, TypeError, ValueError):  # people make subscriptions, too
        return Refused("bad_subscription", suppress=True)
    return _push(claimed, subscription, _payload(claimed, text), key)


def _push(claimed: Claimed, subscription: dict[str, Any], payload: str, key: str) -> Outcome:
    try:
        webpush(
            subscription,
            payload,
            vapid_private_key=key,
            vapid_claims={"sub": settings().vapid_subject},  # a new one each time: `aud` is written into it
            ttl=KEPT_SECONDS,
            headers={
                "Topic": claimed.delivery_id.hex,
                "Urgency": "normal" if claimed.category == "ordinary" else "high",
            },
            timeout=SECONDS,
            requests_session=SESSION,
        )
    except WebPushException as error:
        return _refusal(error)
    except TooManyRedirects:
        return Refused("redirected")
    except RequestException as error:
        return Later(code=type(error).__name__)
    except (ValueError, TypeError, KeyError):  # its keys are no keys
        return Refused("bad_subscription", suppress=True)
    return Accepted(PROVIDER)


def _payload(claimed: Claimed, text: NotificationText) -> str:
    """What the service worker of the page shows; `tag` replaces what is already shown of this message."""
    return json.dumps(
        {
            "title": templates.cut(templates.sender(text), 100),
            "body": templates.cut(text.message, MESSAGE_CHARACTERS),
            "subject": templates.cut(templates.one_line(text.subject), 100),
            "tag": str(claimed.message_id),
            "category": claimed.category,
            "thread_id": str(claimed.thread_id),
            "message_id": str(claimed.message_id),
            "seq": text.seq,
        },
        ensure_ascii=False,
    )


def _refusal(error: WebPushException) -> Outcome:
    status = error.status_code
    if status is None:  # the subscription cannot be used
        return Refused("bad_subscription", suppress=True)
    if status == 429 or status >= 500:
        wait = error.retry_after or ""
        return Later(float(wait) if wait.isdecimal() else 0, str(status))
    return Refused(str(status), suppress=status in GONE)
