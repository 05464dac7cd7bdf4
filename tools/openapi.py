"""Writes docs/openapi.json from the routes, the models and the recorded examples; `--check` only compares.

Usage: python tools/openapi.py [--check]
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "functions/rest"), str(ROOT / "layers/core"), str(ROOT / "tools")]

import openapi_answers as answers  # noqa: E402 (after the path)
from openapi_limits import limit  # noqa: E402

TARGET = ROOT / "docs" / "openapi.json"
EXAMPLES = ROOT / "docs" / "examples.json"
TAGS = {
    "threads": "Conversations of a wedding: their settings, their people and their messages",
    "messages": "Single messages: what they say, what became of them, what people make of them",
    "search": "Finding threads and messages",
    "notifications": "The caller's inbox",
    "scheduled-messages": "Messages that are sent later",
    "me": "The caller, his devices and his counters",
    "realtime": "Tickets for the WebSocket",
    "sync": "Catching up where no WebSocket gets through",
    "directory": "People, organizations and weddings, as the platform's back end states them",
    "health": "Whether the API answers",
}
INFO = {
    "title": "WedSync Threads",
    "version": "1",
    "summary": "Messaging for weddings: threads, participants, messages, and how devices catch up",
    "description": "How the parts fit together, with a conversation to try: docs/api.md of the project. "
    "Every refusal is an RFC 9457 problem; branch on its `code`.",
    "contact": {"name": "The engineers of WedSync Threads"},
    "license": {"name": "MIT", "identifier": "MIT"},
}
SERVER = {
    "url": "https://{host}/v1",
    "description": "production, or wherever the stack is deployed; on one machine `make up` prints the address",
    "variables": {"host": {"default": "threads.example.com"}},
    "x-internal": False,
}
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A JSON Web Token of the deployment's issuer, checked as RFC8725 recommends: RS256, ES256 or EdDSA, "
    "issuer, audience and expiry; `sub` is the user's id",
}


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 description. Raises SystemExit if a route is not described, or not there."""
    os.environ.setdefault("ALLOWED_ORIGINS", "")
    operations = importlib.import_module("openapi_operations").OPERATIONS
    _compare(set(operations), _served(importlib.import_module("long_poll").app))
    schemas = _schemas(operations)
    examples = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in operations.items():
        shown = examples.get(f"{method} {path}", {})
        described = _operation(method, path, operation, schemas["by_key"], shown)
        paths.setdefault(path, {})[method.lower()] = described
    used = {described["tags"][0] for methods in paths.values() for described in methods.values()}
    made = {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [SERVER],
        "security": [{"bearer": []}],
        "tags": [{"name": name, "description": TAGS[name]} for name in TAGS if name in used],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": BEARER},
            "parameters": answers.PARAMETERS,
            "headers": answers.HEADERS,
            "responses": answers.refusals(),
            "schemas": {"Problem": answers.problem(), **schemas["$defs"]},
        },
    }
    made = json.loads(json.dumps(made))
    limit(made)
    return made


def _served(app: Any) -> set[tuple[str, str]]:
    """Method and path of every route, parameters in braces."""
    return {
        (method, re.sub(r"<(\w+)>", r"{\1}", route.path))
        for route in app._static_routes + app._dynamic_routes
        for method in ([route.method] if isinstance(route.method, str) else route.method)
    }


def _compare(described: set[tuple[str, str]], served: set[tuple[str, str]]) -> None:
    if described != served:
        raise SystemExit(f"tools/openapi_operations.py and the routes differ: {sorted(described ^ served)}")


def _schemas(operations: dict[Any, Any]) -> dict[str, Any]:
    """JSON schemas of all models, and where each is referred to by (model, mode)."""
    wanted: dict[Any, Any] = {}
    for operation in operations.values():
        if operation.body is not None:
            wanted[operation.body, "validation"] = TypeAdapter(operation.body)
        for model in filter(None, operation.answers.values()):
            wanted[model, "serialization"] = TypeAdapter(model)
    inputs = [(key, key[1], adapter) for key, adapter in wanted.items()]
    by_key, definitions = TypeAdapter.json_schemas(
        inputs, ref_template=answers.SCHEMA, schema_generator=GenerateJsonSchema
    )
    return {"by_key": {key: schema for (key, _), schema in by_key.items()}, **definitions}


def _operation(
    method: str, path: str, operation: Any, by_key: dict[Any, Any], shown: dict[str, Any]
) -> dict[str, Any]:
    keyed = method == "POST" and operation.keyed
    described: dict[str, Any] = {
        "operationId": _name(method, path),
        "summary": operation.summary,
        "description": answers.description(operation, keyed),
        "tags": [path.split("/")[1]],
        "parameters": [
            *_path_parameters(path),
            *_query_parameters(operation.query),
            *answers.header_parameters(operation, keyed),
        ],
        "responses": {
            str(status): answers.answer(
                status, by_key.get((model, "serialization")), operation, keyed, shown.get("answers", {})
            )
            for status, model in sorted(operation.answers.items())
        },
    }
    for status in answers.refused(operation, path, keyed):
        described["responses"][str(status)] = {"$ref": answers.refusal(status)}
    if operation.body is not None:
        content: dict[str, Any] = {"schema": by_key[operation.body, "validation"]}
        if "request" in shown:
            content["examples"] = {"recorded": {"value": shown["request"]}}
        described["requestBody"] = {
            "required": operation.body_required,
            "content": {"application/json": content},
        }
    if operation.who == "anybody":
        described["security"] = []
    return described


def _name(method: str, path: str) -> str:
    words = [part for part in re.split(r"[/{}]+", path) if part]
    return "_".join([method.lower(), *words])


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [answers.path_parameter(name) for name in re.findall(r"{(\w+)}", path)]


def _query_parameters(model: Any) -> list[dict[str, Any]]:
    if model is None:
        return []
    stated = model.model_json_schema()
    needed = stated.get("required", [])
    if missing := stated["properties"].keys() - answers.QUERY:
        raise SystemExit(f"say in tools/openapi_answers.py what these parameters are: {sorted(missing)}")
    return [
        {
            "name": name,
            "in": "query",
            "required": name in needed,
            "description": answers.QUERY[name],
            "schema": _plain(schema),
        }
        for name, schema in stated["properties"].items()
    ]


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is absent, never null."""
    alternatives = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default", "title") or value}
    rest.pop("anyOf", None)
    rest.pop("title", None)
    return rest | {key: value for key, value in alternatives[0].items() if key != "title"}


def main() -> None:
    text = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    if "--check" in sys.argv[1:]:
        if not TARGET.exists() or TARGET.read_text() != text:
            raise SystemExit(f"{TARGET.relative_to(ROOT)} is not what the code says: make docs")
        return
    TARGET.write_text(text)


if __name__ == "__main__":
    main()
