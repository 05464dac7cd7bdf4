"""The events queue: what was committed becomes deliveries. Both lanes run this code, each in a function of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wedsync.notifications import planner
from wedsync.platform import queues


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """The records that have to come again."""
    return queues.together(event, planner.named, planner.plan)
