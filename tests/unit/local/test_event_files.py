"""The event files for `sam local invoke` have the keys of the golden events, so that neither drifts alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from tests.fixtures.golden_events import golden

EVENTS = Path(__file__).parents[3] / "events"
# What they hold is the request's and the authorizer's business; a user agent is there when the client named one.
FREE = {"headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters"}
FREE |= {"pathParameters", "authorizer"}
OPTIONAL = {".requestContext.identity.userAgent", ".requestContext.operationName"}
GOLDEN = {
    "authorizer-rest": "rest_authorizer",
    "authorizer-connect": "socket_authorizer",
    "rest-health": "rest_proxy_bare",
    "rest-send-message": "rest_proxy",
    "rest-sync": "rest_proxy",
    "websocket-connect": "socket_connect",
    "websocket-disconnect": "socket_disconnect",
    **{
        f"websocket-{route}": "socket_message"
        for route in ("ack", "auth", "focus", "typing", "read", "send", "sync", "unknown")
    },
}


def keys(event: Any, at: str = "") -> set[str]:
    """Every key, by path."""
    if not isinstance(event, dict):
        return set()
    found: set[str] = set()
    for key, value in cast("dict[str, Any]", event).items():
        found |= {f"{at}.{key}"} | (set() if key in FREE else keys(value, f"{at}.{key}"))
    return found


@pytest.mark.parametrize("name", GOLDEN)
def test_an_event_file_has_the_keys_of_the_event_that_the_gateway_makes(name: str) -> None:
    event = json.loads((EVENTS / f"{name}.json").read_text())

    assert keys(event) - OPTIONAL == keys(golden(GOLDEN[name])) - OPTIONAL


def test_every_event_of_a_gateway_is_compared() -> None:
    files = {path.stem: json.loads(path.read_text()) for path in EVENTS.glob("*.json")}

    assert {name for name, event in files.items() if "requestContext" in event} == GOLDEN.keys()
