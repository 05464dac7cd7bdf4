"""Writes docs/openapi.json from the routes and models of the code; `--check` only compares.

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
TARGET = ROOT / "docs" / "openapi.json"
REFERENCE = "#/components/schemas/{model}"
PROBLEM = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": []},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 description. Raises SystemExit if a route is not described, or not there."""
    os.environ.setdefault("ALLOWED_ORIGINS", "")
    sys.path[:0] = [str(ROOT / "functions/rest"), str(ROOT / "layers/core"), str(ROOT / "tools")]
    operations = importlib.import_module("openapi_operations").OPERATIONS
    _compare(set(operations), _served(importlib.import_module("app").app))
    problems = _problems()
    schemas = _schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in operations.items():
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, operation, schemas, problems)
    body = PROBLEM | {
        "properties": PROBLEM["properties"] | {"code": {"type": "string", "enum": sorted(problems.values())}}
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "WedSync Threads",
            "version": "1",
            "summary": "Messaging for weddings: threads, participants, messages, and how devices catch up",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "http://127.0.0.1:8080/v1", "description": "one machine: make up"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": {"Problem": body, **schemas["$defs"]},
        },
    }


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


def _problems() -> dict[int, str]:
    """Code of each status, from the exception tree."""
    errors = importlib.import_module("wedsync.platform.errors")
    return {problem.status: problem.code for problem in errors.Problem.__subclasses__()}


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
        inputs, ref_template=REFERENCE, schema_generator=GenerateJsonSchema
    )
    return {"by_key": {key: schema for (key, _), schema in by_key.items()}, **definitions}


def _operation(
    method: str, path: str, operation: Any, schemas: dict[str, Any], problems: dict[int, str]
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _name(method, path),
        "summary": operation.summary,
        "tags": [path.split("/")[1]],
        "parameters": _path_parameters(path) + _query_parameters(operation.query),
        "responses": {
            str(status): _answer(model, schemas) for status, model in sorted(operation.answers.items())
        },
    }
    refused = (
        {*operation.problems, 500, 503}
        | ({413} if operation.body is not None else set[int]())
        | ({401} if operation.who != "anybody" else set[int]())
    )
    for status in sorted(refused):
        described["responses"][str(status)] = _refusal(problems[status])
    if operation.body is not None:
        schema = schemas["by_key"][operation.body, "validation"]
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if operation.who == "anybody":
        described["security"] = []
    if operation.who == "a service":
        described["description"] = "Needs a token with the scope `service`."
    return described


def _name(method: str, path: str) -> str:
    words = [part for part in re.split(r"[/{}]+", path) if part]
    return "_".join([method.lower(), *words])


def _answer(model: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    headers = {"X-Request-Id": {"schema": {"type": "string"}}}
    if model is None:
        return {"description": "Done", "headers": headers}
    schema = schemas["by_key"][model, "serialization"]
    return {"description": "Done", "headers": headers, "content": {"application/json": {"schema": schema}}}


def _refusal(code: str) -> dict[str, Any]:
    schema = {"$ref": REFERENCE.format(model="Problem")}
    return {"description": f"Problem `{code}`", "content": {"application/problem+json": {"schema": schema}}}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    schema = {"type": "string", "format": "uuid"}
    return [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(model: Any) -> list[dict[str, Any]]:
    if model is None:
        return []
    fields = model.model_json_schema()["properties"]
    return [
        {"name": name, "in": "query", "required": False, "schema": _plain(schema)}
        for name, schema in fields.items()
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
