"""How long, how many and how large: what the types of the code leave open, by the name of the field.

A schema that states a limit itself keeps it. Answers are bounded by what the database checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

LARGEST: Final = 2**62  # of a seq, as the models of requests state it
ITEMS: Final = 1_000
TIME: Final = {"format": "date-time", "maxLength": 35}
ID: Final = {"format": "uuid", "maxLength": 36}
FORMATS: Final = {"date": 10, "date-time": 35, "uuid": 36, "uri": 2_000}
CHARACTERS: Final = {
    "at": 35,  # a time, or the wall time of a scheduled message
    "channel": 20,
    "code": 40,
    "device_id": 64,
    "email": 320,
    "endpoint": 1_500,
    "epoch": 32,
    "etag": 50,
    "idempotency-replayed": 4,
    "kind": 40,
    "locale": 35,
    "message": 8_000,
    "message_html": 500_000,  # a text of nothing but addresses, each of them a link
    "next_cursor": 1_000,
    "phone": 16,
    "retry-after": 10,
    "role": 20,
    "subject": 200,
    "ticket": 64,
    "time_zone": 64,
    "url": 2_000,
    "www-authenticate": 20,
    "x-request-id": 64,
}
OTHER: Final = 1_000
_KEYWORDS: Final = frozenset({"anyOf", "items", "schema", "additionalProperties", "propertyNames"})


def limit(document: dict[str, Any]) -> None:
    """Write limits into every schema of an OpenAPI document that states none."""
    for name, schema in _schemas(document, ""):
        kind = schema.get("type")
        if kind == "string":
            _limit_text(name, schema)
        elif kind == "integer":
            _limit_number(schema)
        elif kind == "array":
            _limit_list(schema)


def _schemas(part: Any, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema, with the name of the field or parameter that it describes. Examples are none."""
    if isinstance(part, list):
        for each in part:
            yield from _schemas(each, name)
    if not isinstance(part, dict):
        return
    named = part["name"] if "in" in part and "name" in part else name
    if isinstance(part.get("type"), str):
        yield named, part
    for key, value in part.items():
        if key not in ("example", "examples", "enum", "default", "required"):
            yield from _schemas(value, named if key in _KEYWORDS else key)


def _limit_text(name: str, schema: dict[str, Any]) -> None:
    if schema.get("default") == "":  # stands for an absent field, and is none that may be sent
        del schema["default"]
    if "maxLength" in schema or "enum" in schema or "const" in schema:
        return
    lower = name.lower()
    if "format" in schema:
        schema["maxLength"] = FORMATS[schema["format"]]
    elif lower in CHARACTERS:
        schema["maxLength"] = CHARACTERS[lower]
    elif lower.endswith(("_at", "_until")):
        schema |= TIME
    elif lower in ("id", "mentions", "gone") or lower.endswith(("_id", "_by", "_ids")):
        schema |= ID
    else:
        schema["maxLength"] = OTHER


def _limit_number(schema: dict[str, Any]) -> None:
    if "exclusiveMinimum" not in schema:
        schema.setdefault("minimum", 0)
    if "exclusiveMaximum" not in schema:
        schema.setdefault("maximum", LARGEST)
    schema.setdefault("format", "int64")


def _limit_list(schema: dict[str, Any]) -> None:
    if "prefixItems" in schema:  # a pair: every tool knows items, few know prefixItems
        schema["items"] = {"anyOf": schema.pop("prefixItems")}
    schema.setdefault("maxItems", ITEMS)
