"""Every minute: what was left lying."""

from __future__ import annotations

from wedsync.notifications import clockwork
from wedsync.notifications.channels import sms


def handler(_event: object, _context: object) -> None:
    clockwork.tick(sms.reconcile)
