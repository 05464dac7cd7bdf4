"""Schedules as EventBridge reads them."""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import EventBridgeModel

from local.cloudformation import TemplateError
from local.model import Outcome, Schedule
from local.schedules import Cron, Rate, Ticker, parse, scheduled_event

ROOT = Path(__file__).parents[3]
RULE = Schedule("arn:aws:events:eu-central-1:000000000000:rule/Tick", "Clockwork", "rate(1 minute)", None)
# A Sunday.
MOMENT = datetime.datetime(2026, 11, 22, 17, 5, tzinfo=datetime.UTC)


class Function:
    """Notes its events; fails when it is told to."""

    def __init__(self, outcome: Outcome) -> None:
        self.events: list[Mapping[str, Any]] = []
        self._outcome = outcome

    async def invoke(self, function: str, event: Mapping[str, Any]) -> Outcome:
        assert function == "Clockwork"
        self.events.append(event)
        return self._outcome


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(1 hour)", 3600), ("rate(2 days)", 172_800)],
)
def test_rates_are_periods(expression: str, seconds: int) -> None:
    assert parse(expression) == Rate(seconds)


@pytest.mark.parametrize(
    ("expression", "fires"),
    [
        ("cron(5 17 * * ? *)", True),
        ("cron(0/5 * * * ? *)", True),
        ("cron(0-10/5 17,18 * * ? *)", True),
        ("cron(5 17 ? * SUN *)", True),
        ("cron(5 17 ? * 1 *)", True),
        ("cron(* * 22 NOV ? 2026)", True),
        ("cron(6 17 * * ? *)", False),
        ("cron(5 17 ? * MON-FRI *)", False),
        ("cron(5 17 * * ? 2027)", False),
    ],
)
def test_cron_expressions_fire_in_their_minutes(expression: str, fires: bool) -> None:
    cron = parse(expression)

    assert isinstance(cron, Cron)
    assert cron.matches(MOMENT) is fires


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 minutes)",
        "rate(2 minute)",
        "rate(0 minutes)",
        "rate(1 second)",
        "at(2026-11-22T17:00:00)",
        "cron(5 17 * * * *)",
        "cron(5 17 ? * ? *)",
        "cron(60 17 * * ? *)",
        "cron(5 17 L * ? *)",
        "cron(5 17 * * ?)",
    ],
)
def test_what_eventbridge_or_this_machine_refuses_is_refused(expression: str) -> None:
    with pytest.raises(TemplateError):
        parse(expression)


def test_a_rule_sends_its_event_key_for_key() -> None:
    event = scheduled_event(RULE, MOMENT)

    recorded = json.loads((ROOT / "events" / "clockwork-tick.json").read_text())
    assert list(event) == list(recorded)
    assert {key: event[key] for key in ("detail-type", "source", "detail", "version")} == {
        key: recorded[key] for key in ("detail-type", "source", "detail", "version")
    }
    assert (event["time"], event["resources"]) == ("2026-11-22T17:05:00Z", [RULE.arn])
    assert EventBridgeModel.model_validate(event)


def test_a_schedule_of_the_scheduler_has_text_for_detail_and_the_templates_input_comes_first() -> None:
    arn = "arn:aws:scheduler:eu-central-1:000000000000:schedule/default/Tick"

    plain = scheduled_event(Schedule(arn, "Clockwork", "rate(1 minute)", None), MOMENT)
    given = scheduled_event(Schedule(arn, "Clockwork", "rate(1 minute)", {"tick": True}), MOMENT)

    assert (plain["source"], plain["detail"]) == ("aws.scheduler", "{}")
    assert given == {"tick": True}


async def test_a_rate_ticks_faster_when_asked_to_and_failures_are_told() -> None:
    function = Function(Outcome(error_type="ValueError", error_message="no"))
    told: asyncio.Queue[str] = asyncio.Queue()
    ticking = asyncio.create_task(Ticker(RULE, function, told.put_nowait, fastest=0.01).run())

    first, _ = await told.get(), await told.get()
    ticking.cancel()

    assert first == "Clockwork: ValueError: no"
    assert function.events[0]["id"] != function.events[1]["id"]
