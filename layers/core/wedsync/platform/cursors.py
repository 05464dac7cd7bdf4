"""Opaque signed cursors of lists: what a client got is what it may hand back, nothing else."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from hmac import compare_digest
from typing import Any, TypeVar

from wedsync.platform.errors import FieldError, Invalid
from wedsync.platform.keys import keys

_SIGNATURE_BYTES = 16

Row = TypeVar("Row")


def encode(kind: str, position: list[Any]) -> str:
    """A cursor to `position` (JSON values) in a list of this kind."""
    text = json.dumps([kind, *position], separators=(",", ":")).encode()
    signature = keys().sign(b"cursor", text)[:_SIGNATURE_BYTES]
    return base64.urlsafe_b64encode(signature + text).rstrip(b"=").decode()


def decode(kind: str, cursor: str, field: str = "cursor") -> list[Any]:
    """The position in `cursor`. Raises Invalid unless `encode` made it for this kind of list."""
    try:
        raw = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise _bad(field) from None
    signature, text = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if not any(compare_digest(signature, good[:_SIGNATURE_BYTES]) for good in keys().signed(b"cursor", text)):
        raise _bad(field)
    made_for, *position = json.loads(text)
    if made_for != kind:
        raise _bad(field)
    return position


def cut(
    kind: str, rows: Sequence[Row], limit: int, position: Callable[[Row], list[Any]]
) -> tuple[Sequence[Row], str | None]:
    """A page of at most `limit` of the rows, and the cursor behind its last one if there was one more."""
    shown = rows[:limit]
    return shown, encode(kind, position(shown[-1])) if len(rows) > limit else None


def _bad(field: str) -> Invalid:
    return Invalid("the cursor is not one of ours", errors=(FieldError(field, "not a cursor of this list"),))
