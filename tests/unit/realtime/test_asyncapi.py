"""The description of the protocol is the code's, and the page about it shows frames that are valid."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fixtures.frame_schemas import kind, problems
from wedsync.realtime import frames, sessions

ROOT = Path(__file__).parents[3]
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "docs/asyncapi.yaml").read_text(encoding="utf-8"))
SHOWN = re.findall(
    r"^```json\n(.*?)^```", (ROOT / "docs/realtime.md").read_text(encoding="utf-8"), re.M | re.S
)


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [each for value in node.values() for each in references(value)]
    return [each for value in node for each in references(value)] if isinstance(node, list) else []


def test_the_description_is_what_the_code_says() -> None:
    check = [sys.executable, str(ROOT / "tools/asyncapi.py"), "--check"]

    assert subprocess.run(check, check=False).returncode == 0  # noqa: S603


def test_every_reference_leads_somewhere() -> None:
    found = references(DOCUMENT)

    assert found
    for reference in found:
        node = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_every_frame_is_shown_on_the_page() -> None:
    shown = {kind(frame) for frame in map(json.loads, SHOWN)}

    assert shown == {*DOCUMENT["components"]["messages"]} - {"ping", "pong"}


@pytest.mark.parametrize("text", SHOWN)
def test_what_the_page_shows_is_valid(text: str) -> None:
    assert problems(json.loads(text)) == []


@pytest.mark.parametrize(
    "frame", [sessions.TOKEN_EXPIRED, sessions.REVOKED, sessions.REPLACED, sessions.UNKNOWN]
)
def test_how_we_part_is_described(frame: Any) -> None:
    assert problems(frame) == []


def test_refusals_are_described() -> None:
    for text in ("hello", '{"action":"dance"}'):
        assert problems({**frames.unroutable(text)}) == []


def test_a_frame_that_is_not_as_described_is_seen() -> None:
    bye = {**sessions.UNKNOWN}

    for frame in (
        {"action": "read", "epoch": "a1", "seq": 1},
        {**bye, "why": "a field that nobody described"},
        {**bye, "code": 4444},
        {"type": "dance"},
        {"no": "type"},
    ):
        assert problems(frame) != []


def test_what_the_gateway_says_of_itself_is_none_of_ours() -> None:
    assert problems({"message": "Internal server error", "connectionId": "x", "requestId": "y"}) == []
