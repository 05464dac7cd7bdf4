"""docs/deployment.md tells an operator all that template.yaml asks of him or tells him."""

from __future__ import annotations

import re

from tests.fixtures.emulated_stack import LACKING_TYPES
from tests.fixtures.template import ROOT, functions, resources, written

PAGE = (ROOT / "docs/deployment.md").read_text()


def first_cells() -> set[str]:
    """Every name in the first cell of a table's row."""
    rows = re.findall(r"^\| ([^|]+) \|", PAGE, re.M)
    return {name for row in rows for name in re.findall(r"`((?:<\w+>)?\w+)`", row)}


def kind(alarm: str) -> str:
    """What the page calls an alarm: every queue has the same ones, and so has every function."""
    queues = sorted((queue.name for queue in resources("AWS::SQS::Queue")), key=len, reverse=True)
    for name, named in [
        *((queue, "<Queue>") for queue in queues),
        *((function.name.removesuffix("Function"), "<Function>") for function in functions()),
    ]:
        if alarm.removeprefix(name) in ("DeadAlarm", "AgeAlarm", "ErrorsAlarm", "ThrottlesAlarm"):
            return named + alarm.removeprefix(name)
    return alarm


def test_every_parameter_and_alarm_is_described_and_no_other() -> None:
    alarms = {kind(alarm.name) for alarm in resources("AWS::CloudWatch::Alarm")}

    assert first_cells() == alarms | set(written()["Parameters"])


def test_every_output_is_named() -> None:
    assert all(f"`{output}`" in PAGE for output in written()["Outputs"])


def test_what_was_not_deployed_is_confessed() -> None:
    confessed = set(re.findall(r"`((?:AWS|Custom)::[\w:]+)`", PAGE))

    assert confessed == LACKING_TYPES
