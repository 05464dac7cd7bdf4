"""The real clock, and how a time is written on every interface."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The real time in UTC. Stored times come from the database's `app.now()` (R29)."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """`2026-06-06T14:30:00.000Z`: RFC 3339, UTC, milliseconds (cut, not rounded).

    Raises ValueError for a time without a zone: it would mean a different moment on each machine.
    """
    if moment.tzinfo is None:
        raise ValueError("a time without a zone is not a moment")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
