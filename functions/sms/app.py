"""The SMS channel: one record of its queue names up to five deliveries. The emergency lane runs the same code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wedsync.notifications import worker
from wedsync.notifications.channels import sms


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Deliver a batch of SQS records; answers which of them have to come again."""
    return worker.handle(event, sms.send)
