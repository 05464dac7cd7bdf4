"""JSON from outside, read strictly: what two readers could understand in two ways is refused."""

from __future__ import annotations

import json
from typing import Any


def loads(text: str) -> Any:
    """The value. Raises ValueError for no JSON or a field named twice, RecursionError for nesting beyond reading."""
    return json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_number)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    stated = dict(pairs)
    if len(stated) != len(pairs):
        raise ValueError("a field is named twice")
    return stated


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
