"""The inbox channel: one record of its queue names up to fifty deliveries. The emergency lane runs the same code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wedsync.notifications.channels import inbox


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """The records that have to come again."""
    return inbox.handle(event)
