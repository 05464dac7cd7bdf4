"""Every operation once, from beginning to end: the examples of the API's description, and what asking twice does.

The examples in docs/examples.json are what was answered here, with ids and times made steady. `make docs` records
them (`--record-examples`); otherwise they are compared.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.fingerprint import fingerprint
from tests.fixtures.postgres import Database
from tests.fixtures.rest_api import Answer, Rest
from tests.fixtures.story import STORY, Step, filled
from tests.fixtures.wedding import ANA, behind, new_id

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples.json"
OPENAPI = ROOT / "docs" / "openapi.json"
RANDOM_ID = re.compile(r"(?!0190a000)[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
LINK = re.compile(r"[0-9a-f]{64}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
STEADY = {
    "epoch": "5d3c9a1f",
    "since": "c2lnbmVkIHRva2VuIG9mIGEgc3luYw",
    "ticket": "V2VkU3luYyBUaHJlYWRzIG9uZS10aW1lIHRpY2tldCE",
    "wedding_date": "2027-06-12",
}


@dataclass
class Telling:
    """What was asked and answered, and the state before and after the repetition of each POST."""

    answers: list[tuple[Step, Any, Answer]] = field(default_factory=list[tuple[Step, Any, Answer]])
    repeated: list[tuple[Step, Answer, Answer]] = field(default_factory=list[tuple[Step, Answer, Answer]])
    changed_by_repetition: list[str] = field(default_factory=list[str])


def notify(database: Database, kept: dict[str, str]) -> None:
    """As if the workers had told Ana of the message."""
    kept["notification"] = str(new_id())
    values = {"id": kept["notification"], "message": kept["message"], "user": ANA.user_id}
    behind(
        database,
        "insert into wedsync.inbox_items values (%(id)s, %(user)s, %(message)s, 'urgent', clock_timestamp())",
        **values,
    )


def tell(rest: Rest, database: Database) -> Telling:
    """Walk through the story; every POST is asked twice under one key."""
    told, kept = Telling(), dict[str, str]()
    for step in STORY:
        body = filled(step.body, kept)
        headers = step.headers | ({"Idempotency-Key": str(new_id())} if step.method == "POST" else {})

        def ask(step: Step = step, body: Any = body, headers: dict[str, str] = headers) -> Answer:
            scope = "service" if step.who.kind == "service" else ""
            return rest(
                step.method, step.path(kept), body, user_id=step.who.user_id, scope=scope, headers=headers
            )

        answer = ask()
        assert answer.status < 300, (step.operation, answer.body)
        told.answers.append((step, body, answer))
        if step.keep:
            kept[step.keep] = answer.body["id"]
            kept["epoch"] = answer.body.get("epoch", kept.get("epoch", ""))
        if step.keep == "message":
            notify(database, kept)
        if step.method == "POST":
            before = fingerprint(database)
            told.repeated.append((step, answer, ask()))
            if fingerprint(database) != before:
                told.changed_by_repetition.append(step.operation)
    return told


class Steady:
    """Ids, times and secrets of one run, told as they are told in every other."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._times: dict[str, str] = {}
        self._step = 0

    def next_step(self) -> None:
        self._step += 1

    def of(self, part: Any, name: str = "") -> Any:
        if isinstance(part, dict):
            return {self.of(key): self.of(value, key) for key, value in part.items()}
        if isinstance(part, list):
            return [self.of(each, name) for each in part]
        if not isinstance(part, str):
            return part
        if name in STEADY:
            return STEADY[name]
        if name == "next_cursor":
            return "eyJ2IjoxfQ.c2lnbmVk"
        steady = TIME.sub(self._time, RANDOM_ID.sub(self._id, part))
        return LINK.sub(lambda _: hashlib.sha256(b"a link").hexdigest(), steady)

    def _id(self, found: re.Match[str]) -> str:
        return self._ids.setdefault(found[0], f"01973a52-0000-7000-8000-{len(self._ids) + 1:012d}")

    def _time(self, found: re.Match[str]) -> str:
        minutes = 9 * 60 + self._step
        day = 12 if found[0].startswith("2099") else 5
        told = f"2027-05-{day:02d}T{minutes // 60:02d}:{minutes % 60:02d}:00.000Z"
        return self._times.setdefault(found[0], told)


@pytest.fixture(scope="module")
def tellings() -> list[Telling]:
    return []


@pytest.fixture
def told(rest: Rest, wedding: Database, tellings: list[Telling]) -> Telling:
    if not tellings:
        tellings.append(tell(rest, wedding))
    return tellings[0]


def examples(told: Telling) -> dict[str, Any]:
    """The first example of every operation."""
    steady, shown = Steady(), dict[str, Any]()
    for step, body, answer in told.answers:
        steady.next_step()
        request = {} if body is None else {"request": steady.of(body)}
        content = {} if answer.body is None else {str(answer.status): steady.of(answer.body)}
        shown.setdefault(step.operation, {**request, "answers": content})
    return shown


def operations() -> set[str]:
    described = json.loads(OPENAPI.read_text(encoding="utf-8"))["paths"]
    return {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}


def test_the_story_uses_every_operation() -> None:
    assert {step.operation for step in STORY} == operations()


def test_the_examples_are_what_the_api_answers(told: Telling, request: pytest.FixtureRequest) -> None:
    shown = examples(told)
    if request.config.getoption("--record-examples"):
        EXAMPLES.write_text(json.dumps(shown, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    assert shown == json.loads(EXAMPLES.read_text(encoding="utf-8")), "make docs records them"


def lasting(body: Any) -> Any:
    """An answer without tickets, and without where the next sync begins: that moves with every transaction."""
    if isinstance(body, list):
        return [lasting(each) for each in body]
    if isinstance(body, dict):
        return {name: lasting(value) for name, value in body.items() if name not in ("ticket", "since")}
    return body


def test_the_same_request_twice_gets_the_same_answer(told: Telling) -> None:
    for step, first, again in told.repeated:
        assert again.status == (200 if step.has_own_key else first.status), step.operation
        expected = {**first.body, "duplicate": True} if step.has_own_key else first.body
        assert lasting(again.body) == lasting(expected), step.operation
        assert "idempotency-replayed" not in first.headers, f"{step.operation} is more than one transaction"
        assert ("idempotency-replayed" in again.headers) != (step.has_own_key or step.only_reads)


def test_the_same_request_twice_has_one_effect(told: Telling) -> None:
    assert {step.operation for step, _, _ in told.repeated} == {
        operation for operation in operations() if operation.startswith("POST ")
    }
    assert told.changed_by_repetition == []
