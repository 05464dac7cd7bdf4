"""The runner in CloudFormation's place: what it asks of a custom resource and what it makes of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from local.migration import create_or_update
from local.model import CustomResource, Outcome
from local.processes import LocalError

RESOURCE = CustomResource("Migration", "Custom::Migration", "MigrateFunction", {"ContextKeyId": "1"})


class Answering:
    """A function that answers with `body`, or not at all."""

    def __init__(self, body: Mapping[str, Any] | None, outcome: Outcome | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self._body = body
        self._outcome = outcome or Outcome()

    async def invoke(self, function: str, event: Mapping[str, Any]) -> Outcome:
        assert function == "MigrateFunction"
        self.events.append(dict(event))
        if self._body is not None:
            async with (
                aiohttp.ClientSession() as session,
                session.put(event["ResponseURL"], json=self._body) as answer,
            ):
                assert answer.status == 200
        return self._outcome


async def test_the_first_time_is_a_create_and_the_next_an_update() -> None:
    function = Answering({"Status": "SUCCESS", "PhysicalResourceId": "schema"})

    physical_id = await create_or_update(RESOURCE, function, None)
    await create_or_update(RESOURCE, function, physical_id)

    first, second = function.events
    assert physical_id == "schema"
    assert (first["RequestType"], second["RequestType"]) == ("Create", "Update")
    assert second["PhysicalResourceId"] == "schema"
    assert first["ResourceProperties"] == {"ContextKeyId": "1"}
    assert first["RequestId"] != second["RequestId"]


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (Answering({"Status": "FAILED", "Reason": "relation exists"}), "Migration failed: relation exists"),
        (Answering({"Status": "FAILED"}), "Migration failed: no reason given"),
        (Answering(None), "Migration failed: MigrateFunction never answered CloudFormation"),
        (
            Answering(None, Outcome(error_type="Runtime.ImportModuleError", error_message="no yoyo")),
            "Migration failed: Runtime.ImportModuleError: no yoyo",
        ),
    ],
)
async def test_a_failure_is_told_in_one_line(function: Answering, line: str) -> None:
    with pytest.raises(LocalError) as failure:
        await create_or_update(RESOURCE, function, None)

    assert str(failure.value) == line
