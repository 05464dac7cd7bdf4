"""The clock that stored times come from (R29) can run ahead; security expiry keeps the real one."""

from __future__ import annotations

import datetime

import psycopg


def advance(dsn: str, seconds: float) -> datetime.datetime:
    """Let `app.now()` run this much further ahead; returns what it says now. Raises: psycopg.Error."""
    change = "update private.clock set shifted = shifted + make_interval(secs => %s)"
    return _changed(dsn, change, seconds)


def set_to(dsn: str, now: datetime.datetime) -> datetime.datetime:
    """Let `app.now()` go on from this moment. Raises: psycopg.Error."""
    return _changed(dsn, "update private.clock set shifted = %s - clock_timestamp()", now)


def _changed(dsn: str, change: str, value: float | datetime.datetime) -> datetime.datetime:
    with psycopg.connect(dsn) as connection:
        connection.execute(change.encode(), [value])
        [(now,)] = connection.execute("select app.now()").fetchall()
        return now
