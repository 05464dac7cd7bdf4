"""Identifiers: UUIDv7 for what we make, strict parsing for what we are given."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from uuid import UUID

from wedsync.platform.errors import NotFound, Problem

CANONICAL = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_NANOSECONDS_PER_MILLISECOND = 1_000_000

_lock = threading.Lock()
_last_tick = 0


def _tick() -> int:
    """Time as milliseconds and 1/4096 ms in 60 bits, strictly rising within the process."""
    global _last_tick
    milliseconds, rest = divmod(time.time_ns(), _NANOSECONDS_PER_MILLISECOND)
    tick = milliseconds << 12 | rest * 4096 // _NANOSECONDS_PER_MILLISECOND
    with _lock:
        _last_tick = tick if tick > _last_tick else _last_tick + 1
        return _last_tick


def uuid7() -> UUID:
    """A time-ordered id (RFC 9562 section 5.7; sub-millisecond order by method 3 of 6.2)."""
    tick = _tick()
    value = (tick >> 12) << 80 | 0x7 << 76 | (tick & 0xFFF) << 64
    value |= 0b10 << 62 | int.from_bytes(os.urandom(8), "big") >> 2
    return UUID(int=value)


def parse_uuid(text: str, problem: Callable[[], Problem] = NotFound) -> UUID:
    """The id written in `text` (the hyphenated form only), or raises `problem()`.

    `NotFound` suits an id in a path: an id that cannot exist is a thing that does not exist.
    """
    if not CANONICAL.fullmatch(text):
        raise problem()
    return UUID(text)
