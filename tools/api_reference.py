"""Writes docs/api-reference.md, the description of the API for people, from docs/openapi.json; `--check` only compares.

Usage: python tools/api_reference.py [--check]
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "docs" / "openapi.json"
TARGET = ROOT / "docs" / "api-reference.md"
HEAD = (
    "# API reference\n\n"
    "Generated from [openapi.json](openapi.json) by `make docs`. How the parts fit together, and a conversation to "
    "try: [api.md](api.md).\nPaths start at the stage, `https://{host}/v1`. Every answer carries `X-Request-Id`. "
    "Examples are recorded from a running API; ids and times are made steady.\n\n"
    "Besides what is listed, any operation may be refused with `malformed` (400), `rate_limited` (429), `internal` "
    "(500) and `unavailable` (503), and all that need a token with `unauthenticated` (401).\n"
    "[All problems](#problems) · [All types](#types)\n"
)
EVERYWHERE = {"400", "401", "429", "500", "503"}
LIMITS = {
    "maxLength": "at most {} characters",
    "minimum": "from {}",
    "maximum": "to {}",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "pattern": "`{}`",
    "default": "default `{}`",
}
LEGIBLE = 60  # characters of a pattern
Schema = dict[str, Any]


def page(document: dict[str, Any]) -> str:
    """The whole page."""
    parts = [HEAD]
    for tag in document["tags"]:
        parts.append(f"## {tag['name'].capitalize()}\n\n{tag['description']}.\n")
        told = [each for each in _operations(document) if each[2]["tags"] == [tag["name"]]]
        parts.append("".join(f"- [{o['summary']}](#{_anchor(_title(m, p))})\n" for m, p, o in told))
        parts += [_operation(document, *each) for each in told]
    parts.append(
        "## Problems\n\nEvery refusal is `application/problem+json` ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)).\n"
    )
    parts += [_problem(code, answer) for code, answer in document["components"]["responses"].items()]
    parts.append("## Types\n")
    parts += [_type(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    return "\n".join(parts)


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, Schema]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _operation(document: dict[str, Any], method: str, path: str, operation: Schema) -> str:
    parts = [f"### {_title(method, path)}\n\n{operation['summary']}. {operation['description']}\n"]
    stated = [_resolved(document, each) for each in operation["parameters"]]
    if stated:
        parts.append(_table(("parameter", "in", "what", "type"), map(_parameter, stated)))
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        needed = "" if operation["requestBody"]["required"] else ", may be left out"
        parts.append(f"**Body**: {_kind(content['schema'])}{needed}\n")
        parts += [_json(each["value"]) for each in content.get("examples", {}).values()]
    parts += [_answer(status, answer) for status, answer in operation["responses"].items() if status < "4"]
    refused = [
        f"[`{answer['$ref'].rpartition('/')[2]}`](#{answer['$ref'].rpartition('/')[2]}) {status}"
        for status, answer in operation["responses"].items()
        if status >= "4" and status not in EVERYWHERE
    ]
    return "\n".join([*parts, f"**Refused with** {', '.join(refused)}\n"] if refused else parts)


def _answer(status: str, answer: Schema) -> str:
    headers = [name for name in answer["headers"] if not name.startswith(("X-Request", "Access-Control"))]
    more = f", with {', '.join(f'`{name}`' for name in headers)}" if headers else ""
    content = answer.get("content", {}).get("application/json")
    kind = f": {_kind(content['schema'])}" if content else ""
    shown = [_json(each["value"]) for each in (content or {}).get("examples", {}).values()]
    return "\n".join([f"**{status}** {answer['description']}{kind}{more}\n", *shown])


def _parameter(stated: Schema) -> tuple[str, str, str, str]:
    needed = " (required)" if stated.get("required") else ""
    return f"`{stated['name']}`", stated["in"] + needed, stated["description"], _kind(stated["schema"])


def _problem(code: str, answer: Schema) -> str:
    [example] = answer["content"]["application/problem+json"]["examples"].values()
    return f"### {code}\n\n{example['value']['status']}: {example['value']['title']}.\n\n{_json(example['value'])}"


def _type(name: str, schema: Schema) -> str:
    about = re.sub(r"\s+", " ", schema.get("description", ""))
    needed = schema.get("required", [])
    fields = (
        (f"`{field}`", _kind(each), "yes" if field in needed else "")
        for field, each in schema.get("properties", {}).items()
    )
    table = (
        _table(("field", "type", "always there"), fields) if "properties" in schema else f"{_kind(schema)}\n"
    )
    return f"### {name}\n\n{about}\n\n{table}" if about else f"### {name}\n\n{table}"


def _kind(schema: Schema) -> str:
    """A type in words, with its limits."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{_anchor(name)})"
    for alternatives in ("anyOf", "oneOf"):
        if alternatives in schema:
            return " or ".join(_kind(each) for each in schema[alternatives])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return " \\| ".join(f"`{value}`" for value in schema["enum"])
    limits = [
        text.format(json.dumps(schema[key]) if key == "default" else schema[key])
        for key, text in LIMITS.items()
        if _tells(key, schema)
    ]
    kind = schema.get("format") if schema.get("type") == "string" else schema.get("type", "anything")
    if schema.get("type") == "array":
        kind = f"list of {_kind(schema.get('items', {}))}"
    return ", ".join([kind or "text", *limits]).replace("|", "\\|")


def _tells(key: str, schema: Schema) -> bool:
    """A limit that says more than the type does."""
    obvious = key == "maxLength" and "format" in schema
    unreadable = key == "pattern" and len(schema.get("pattern", "")) > LEGIBLE
    huge = key == "maximum" and schema.get("maximum", 0) >= 2**53
    return key in schema and not (obvious or unreadable or huge) and schema[key] not in (None, [], {})


def _resolved(document: dict[str, Any], part: Schema) -> Schema:
    if "$ref" not in part:
        return part
    _, kind, name = part["$ref"].removeprefix("#/").split("/")
    return document["components"][kind][name]


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _json(value: Any) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```\n"


def _title(method: str, path: str) -> str:
    return f"{method} {path}"


def _anchor(title: str) -> str:
    """As GitHub makes it from a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def main() -> None:
    text = page(json.loads(SOURCE.read_text(encoding="utf-8")))
    if "--check" in sys.argv[1:]:
        if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
            raise SystemExit(f"{TARGET.relative_to(ROOT)} is not what the description says: make docs")
        return
    TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
