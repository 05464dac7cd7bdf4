"""Dates and times in requests, in the one form that each has (RFC 3339); pydantic would also take numbers."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, PlainSerializer

from wedsync.platform.clock import rfc3339

_DATE = re.compile(r"(?:19|20|21)\d{2}-\d{2}-\d{2}", re.ASCII)
_MOMENT = re.compile(_DATE.pattern + r"[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def _written_date(value: Any) -> Any:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise ValueError("a date, such as 2026-06-06")
    return value


def _written_moment(value: Any) -> Any:
    if value is not None and not (isinstance(value, str) and _MOMENT.fullmatch(value)):
        raise ValueError("a time with its offset (RFC 3339)")
    return value


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


Day = Annotated[date, BeforeValidator(_written_date)]
Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_written_moment),
    AfterValidator(_in_utc),
    PlainSerializer(rfc3339, when_used="json"),
]
