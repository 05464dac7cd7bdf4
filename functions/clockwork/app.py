"""Every minute: what was left lying, and what was to be done now."""

from __future__ import annotations

from wedsync.conversations import due
from wedsync.notifications import clockwork
from wedsync.notifications.channels import sms
from wedsync.realtime import hints
from wedsync.realtime.broadcast import deliver
from wedsync.trust import journal


def handler(_event: object, _context: object) -> None:
    clockwork.tick(sms.reconcile)
    journal.catch_up()
    for committed in due.messages_due():
        if asked := deliver(committed):
            hints.tell_devices(*asked, "scheduled")
    for committed in due.reactions_due():
        deliver(committed)
