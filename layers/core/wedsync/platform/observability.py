"""Structured logs: one JSON line per decision an operator would ask about, ids and never content.

On the standard library's logging, with the keys of Powertools' Logger so that its saved queries work
(decision 23).
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import TextIO

from wedsync.platform.clock import rfc3339
from wedsync.platform.settings import settings

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_bound: ContextVar[MappingProxyType[str, object]] = ContextVar("bound", default=MappingProxyType({}))


class _JsonLine(logging.Formatter):
    """One line per record. An exception is named with its stack; its message may quote content."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "level": record.levelname,
            "location": f"{record.funcName}:{record.lineno}",
            "message": record.getMessage(),
            "timestamp": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "service": record.name,
            **_bound.get(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__qualname__
            if sqlstate := getattr(record.exc_info[1], "sqlstate", None):
                line["sqlstate"] = sqlstate
            frames = traceback.extract_tb(record.exc_info[2])
            line["stack"] = [f"{f.filename}:{f.lineno} {f.name}" for f in frames]
        return json.dumps(line, default=str, ensure_ascii=False)


class _Stdout(logging.StreamHandler[TextIO]):
    """Lambda's runtime, and a test, may put another stream in the place of standard output."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stdout
        super().emit(record)


@lru_cache(maxsize=8)
def logger(service: str | None = None) -> logging.Logger:
    """The logger of a function; fields go in `extra`: `log.info("pushed", extra={"seq": 4})`."""
    log = logging.getLogger(service or settings().service_name)
    handler = _Stdout()
    handler.setFormatter(_JsonLine())
    log.addHandler(handler)
    log.setLevel(settings().log_level)
    # Lambda puts a handler of its own on the root logger: each line would appear twice.
    log.propagate = False
    return log


def bind(**fields: object) -> None:
    """Puts these fields, and only these, on every further line of this invocation."""
    _bound.set(MappingProxyType(fields))
