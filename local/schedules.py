"""Schedules: `rate(…)` and `cron(…)` call functions with the events that EventBridge sends."""

from __future__ import annotations

import asyncio
import datetime
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.cloudformation import ACCOUNT, REGION, TemplateError
from local.model import Invoker, Schedule

_RATE = re.compile(r"rate\(([1-9]\d*) (minute|hour|day)(s?)\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_FIELDS = (
    ("minutes", 0, 59, ()),
    ("hours", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of week", 1, 7, _WEEKDAYS),
    ("year", 1970, 2199, ()),
)


@dataclass(frozen=True, slots=True)
class Rate:
    """Every so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cron:
    """The values of the six fields, in UTC. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cron-expressions.html"""

    fields: tuple[frozenset[int], ...]

    def matches(self, moment: datetime.datetime) -> bool:
        """Whether it fires in the minute of `moment`."""
        weekday = moment.isoweekday() % 7 + 1
        values = (moment.minute, moment.hour, moment.day, moment.month, weekday, moment.year)
        return all(value in field for value, field in zip(values, self.fields, strict=True))


def parse(expression: str) -> Rate | Cron:
    """What a schedule expression says. Raises: TemplateError for one that EventBridge, or this machine, refuses."""
    if rate := _RATE.fullmatch(expression):
        number, unit, plural = int(rate[1]), rate[2], bool(rate[3])
        if plural == (number > 1):
            return Rate(number * _SECONDS[unit])
    elif cron := _CRON.fullmatch(expression):
        days = (cron[3], cron[5])
        if days.count("?") == 1:
            return Cron(tuple(map(_field, cron.groups(), range(6))))
    raise TemplateError(f"{expression} is no schedule that the local runner knows")


def scheduled_event(schedule: Schedule, moment: datetime.datetime) -> Mapping[str, Any]:
    """The template's own input, else EventBridge's event; `detail` of a Scheduler schedule is text."""
    if schedule.payload is not None:
        return schedule.payload
    scheduler = ":scheduler:" in schedule.arn
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler" if scheduler else "aws.events",
        "account": ACCOUNT,
        "time": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "region": REGION,
        "resources": [schedule.arn],
        "detail": "{}" if scheduler else {},
    }


class Ticker:
    """One schedule. `fastest` seconds, where given, replace a slower rate; a tick waits for the one before."""

    def __init__(
        self, schedule: Schedule, invoker: Invoker, report: Callable[[str], None], fastest: float | None
    ) -> None:
        self._schedule = schedule
        self._invoker = invoker
        self._report = report
        when = parse(schedule.expression)
        self._when = Rate(min(when.seconds, fastest)) if isinstance(when, Rate) and fastest else when

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._next()
            event = scheduled_event(self._schedule, datetime.datetime.now(datetime.UTC))
            outcome = await self._invoker.invoke(self._schedule.function, event)
            if not outcome.ok:
                self._report(f"{self._schedule.function}: {outcome.error_type}: {outcome.error_message}")

    async def _next(self) -> None:
        if isinstance(self._when, Rate):
            await asyncio.sleep(self._when.seconds)
            return
        while True:
            now = datetime.datetime.now(datetime.UTC)
            await asyncio.sleep(60 - now.second - now.microsecond / 1e6)
            # Timers may be a little early.
            if self._when.matches(datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)):
                return


def _field(text: str, index: int) -> frozenset[int]:
    name, low, high, names = _FIELDS[index]
    try:
        return frozenset().union(*(_range(part, low, high, names) for part in text.split(",")))
    except ValueError:
        raise TemplateError(f"{text} is no {name} of a schedule that the local runner knows") from None


def _range(part: str, low: int, high: int, names: Sequence[str]) -> frozenset[int]:
    def number(text: str) -> int:
        value = names.index(text) + low if text in names else int(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    span, _, step = part.partition("/")
    if span in ("*", "?"):
        first, last = low, high
    else:
        begin, dash, end = span.partition("-")
        first = number(begin)
        last = number(end) if dash else high if step else first
    return frozenset(range(first, last + 1, int(step or 1)))
