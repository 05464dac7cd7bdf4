"""A custom resource's side of CloudFormation: what it asks, and the one answer it waits for.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

PHYSICAL_ID = "schema"  # one for ever: a changed one would have CloudFormation delete the old
ANSWER_SECONDS = 10
REASON_CHARACTERS = 1_000  # an answer may have 4,096 bytes


@dataclass(frozen=True, slots=True)
class Request:
    """What CloudFormation asks of a resource; `properties` are those of the template, all text."""

    kind: Literal["Create", "Update", "Delete"]
    properties: Mapping[str, Any]
    answer_url: str
    echo: Mapping[str, str]

    @classmethod
    def parse(cls, event: Mapping[str, Any]) -> Request:
        """The request in a custom resource's event. Raises KeyError if it is none."""
        return cls(
            kind=event["RequestType"],
            properties=event["ResourceProperties"],
            answer_url=event["ResponseURL"],
            echo={name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
        )

    def succeed(self, data: Mapping[str, str]) -> None:
        """Tell CloudFormation to go on; `data` are the attributes that the template can read."""
        self._answer({"Status": "SUCCESS", "Data": dict(data)})

    def fail(self, reason: str) -> None:
        """Tell CloudFormation to roll back; `reason` is shown to whoever deploys."""
        self._answer({"Status": "FAILED", "Reason": reason[:REASON_CHARACTERS]})

    def _answer(self, outcome: Mapping[str, Any]) -> None:
        """Raises OSError if the answer does not arrive: Lambda then runs the whole event again."""
        body = json.dumps({"PhysicalResourceId": PHYSICAL_ID, **self.echo, **outcome}).encode()
        # The URL is signed for a PUT without a content type: the default one would be refused.
        headers = {"Content-Type": ""}
        put = urllib.request.Request(self.answer_url, body, headers, method="PUT")  # noqa: S310 (CloudFormation's)
        with urllib.request.urlopen(put, timeout=ANSWER_SECONDS):  # noqa: S310
            pass
