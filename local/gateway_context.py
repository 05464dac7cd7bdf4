"""What both gateways put into every event: account and region, ids, times as API Gateway writes them."""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Place:
    """The account and region that ARNs and events carry."""

    region: str
    account: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant as events carry it: epoch milliseconds and Common Log Format (UTC)."""

    epoch_ms: int

    @property
    def text(self) -> str:
        """`11/Nov/2024:11:35:24 +0000`."""
        return datetime.fromtimestamp(self.epoch_ms / 1000, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")

    @property
    def iso(self) -> str:
        """`2024-11-11T11:35:24.561Z`, as GetConnection answers."""
        at = datetime.fromtimestamp(self.epoch_ms / 1000, UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{self.epoch_ms % 1000:03d}Z"


def now() -> Moment:
    """The current moment."""
    return Moment(time.time_ns() // 1_000_000)


def request_id() -> str:
    """A REST request id (UUID)."""
    return str(uuid.uuid4())


def short_id() -> str:
    """16 characters ending in `=`: connection ids, message ids and extended request ids all look so."""
    return base64.urlsafe_b64encode(secrets.token_bytes(11)).decode()


def trace_id(given: str | None, moment: Moment) -> str:
    """The X-Amzn-Trace-Id to pass on: the client's when it has a root, else a new one."""
    if given and "Root=" in given:
        return given
    return f"Root=1-{moment.epoch_ms // 1000:08x}-{secrets.token_hex(12)}"


def invoke_arn(place: Place, api: str, *parts: str) -> str:
    """The execute-api ARN of a method or route, e.g. `…:api/v1/GET/threads` or `…:api/v1/$connect`."""
    return f"arn:aws:execute-api:{place.region}:{place.account}:{api}/" + "/".join(parts)


def compact_json(value: object) -> str:
    """JSON as the gateways write it themselves."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


_VARIABLE = re.compile(r"\$context((?:\.[A-Za-z]+)+)")


def substitute(template: str, lookup: Callable[[str], str]) -> str:
    """Fill `$context.…` variables of a mapping template; `lookup` gets the name after `$context.`."""
    return _VARIABLE.sub(lambda found: lookup(found[1][1:]), template)
