"""docs/openapi.json: every operation and every problem has an example, and the examples are what the schemas say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from wedsync.platform.errors import Problem

OPENAPI = Path(__file__).parents[2] / "docs" / "openapi.json"


@pytest.mark.parametrize("tool", ["openapi.py", "api_reference.py"])
def test_what_is_generated_is_what_the_code_says(tool: str) -> None:
    check = [sys.executable, str(OPENAPI.parents[1] / "tools" / tool), "--check"]

    ran = subprocess.run(check, capture_output=True, text=True, check=False)  # noqa: S603 (our own tool)

    assert (ran.returncode, ran.stderr) == (0, "")


@cache
def document() -> dict[str, Any]:
    return json.loads(OPENAPI.read_text(encoding="utf-8"))


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def wrong(schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with a value of a schema of the document."""
    whole = {**schema, "components": document()["components"]}  # what it refers to
    validator = Draft202012Validator(whole, format_checker=FormatChecker())
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(value)]


def examples(content: dict[str, Any]) -> list[Any]:
    return [each["value"] for each in content.get("examples", {}).values()]


@pytest.mark.parametrize("operation", [o for _, o in operations()], ids=[name for name, _ in operations()])
def test_an_operation_is_shown_as_it_is_described(operation: dict[str, Any]) -> None:
    contents = [
        content
        for status, answer in operation["responses"].items()
        if status.startswith("2")
        for content in answer.get("content", {}).values()
    ]
    asked = list(operation.get("requestBody", {}).get("content", {}).values())
    nothing_to_show = "204" in operation["responses"]

    assert all(examples(content) for content in asked)
    assert any(examples(content) for content in contents) or nothing_to_show
    for content in [*contents, *asked]:
        for value in examples(content):
            assert wrong(content["schema"], value) == []


def test_every_problem_is_shown() -> None:
    answers = document()["components"]["responses"]

    assert set(answers) == {kind.code for kind in Problem.__subclasses__()}
    for code, answer in answers.items():
        content = answer["content"]["application/problem+json"]
        [value] = examples(content)
        assert wrong(content["schema"], value) == []
        assert value["code"] == code


def test_parameters_are_shown_as_they_are_described() -> None:
    stated = [
        *document()["components"]["parameters"].values(),
        *(parameter for _, operation in operations() for parameter in operation["parameters"]),
    ]
    shown = [parameter for parameter in stated if "example" in parameter]

    assert len(shown) > len(document()["paths"])
    for parameter in shown:
        assert wrong(parameter["schema"], parameter["example"]) == []
