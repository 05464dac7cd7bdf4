"""docs/deployment.md tells an operator all that template.yaml asks of him or tells him."""

from __future__ import annotations

import re

from tests.fixtures.emulated_stack import LACKING_TYPES
from tests.fixtures.template import ROOT, resources, written

PAGE = (ROOT / "docs/deployment.md").read_text()


def first_cells() -> set[str]:
    """Every name in the first cell of a table's row."""
    return {name for row in re.findall(r"^\| ([^|]+) \|", PAGE, re.M) for name in re.findall(r"`(\w+)`", row)}


def test_every_parameter_and_alarm_is_described_and_no_other() -> None:
    alarms = {alarm.name for alarm in resources("AWS::CloudWatch::Alarm")}

    assert first_cells() == alarms | set(written()["Parameters"])


def test_every_output_is_named() -> None:
    assert all(f"`{output}`" in PAGE for output in written()["Outputs"])


def test_what_was_not_deployed_is_confessed() -> None:
    confessed = set(re.findall(r"`((?:AWS|Custom)::[\w:]+)`", PAGE))

    assert confessed == LACKING_TYPES
