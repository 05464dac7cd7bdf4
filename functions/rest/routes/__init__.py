"""One module per kind of resource; each has a `router`."""

from __future__ import annotations

from routes import (
    devices,
    directory,
    drafts,
    health,
    me,
    message_acts,
    messages,
    notifications,
    participants,
    places,
    receipts,
    scheduled,
    search,
    thread_acts,
    threads,
    tickets,
    verification,
)

ROUTERS = (
    devices.router,
    directory.router,
    drafts.router,
    health.router,
    me.router,
    message_acts.router,
    messages.router,
    notifications.router,
    participants.router,
    places.router,
    receipts.router,
    scheduled.router,
    search.router,
    thread_acts.router,
    threads.router,
    tickets.router,
    verification.router,
)
