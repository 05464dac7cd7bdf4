"""How a time is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from wedsync.platform.clock import now, rfc3339


def test_a_time_is_written_in_utc_with_milliseconds() -> None:
    evening = datetime(2026, 6, 6, 16, 30, 1, 999_999, tzinfo=timezone(timedelta(hours=2)))

    assert rfc3339(evening) == "2026-06-06T14:30:01.999Z"
    assert rfc3339(datetime(2026, 6, 6, tzinfo=UTC)) == "2026-06-06T00:00:00.000Z"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        rfc3339(datetime(2026, 6, 6))  # noqa: DTZ001 (what is refused)


def test_now_is_in_utc() -> None:
    assert now().tzinfo is UTC
