"""`make demo`, played twice as somebody would who did not believe it the first time."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from local.scene import NORMAL, URGENT
from tests.fixtures.stack import RunningStack

ROOT = Path(__file__).parents[2]


def play(console: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local.scene", "--console", console]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 (our own command)


def accepted(console: str, channel: str) -> list[dict[str, Any]]:
    address = f"{console}/_local/outbox?channel={channel}"
    with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 (our own address)
        return json.load(answer)["data"]


def bringing(text: str, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in messages if text in each["text"]]


def test_the_urgent_message_reaches_each_person_once_by_each_way_however_often_it_is_played(
    stack: RunningStack,
) -> None:
    console = stack.console.rstrip("/")
    before = {channel: len(accepted(console, channel)) for channel in ("email", "sms", "push")}

    plays = [play(console) for _ in range(2)]

    assert [(each.returncode, each.stderr) for each in plays] == [(0, "")] * 2, plays[0].stdout
    assert all("Each of them once by each way he has, and nothing for Carlo." in p.stdout for p in plays)
    new = {channel: accepted(console, channel)[count:] for channel, count in before.items()}
    sms = Counter(each["to"] for each in bringing(URGENT, new["sms"]))
    assert sms == {"+447700900101": 2, "+447700900102": 2, "+447700900104": 2}
    assert len(bringing(URGENT, new["email"])) == 6
    assert len(bringing(URGENT, new["push"])) == 4
    assert bringing(NORMAL, new["sms"]) == bringing(NORMAL, new["email"]) == []


def test_without_a_stack_the_demo_says_what_to_do() -> None:
    played = play("http://127.0.0.1:9")

    assert played.returncode == 1
    assert "make up" in played.stderr
