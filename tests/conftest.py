"""Loads the shared fixtures: every module of tests/fixtures is a plugin, named for what it provides."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = sorted(
    f"tests.fixtures.{path.stem}" for path in (Path(__file__).parent / "fixtures").glob("[!_]*.py")
)
# They import each other: marked before the first of them is loaded.
pytest.register_assert_rewrite(*pytest_plugins)
# How long an example takes says something about the machine, not about the code. A gate says the same of the
# same code each time (--hypothesis-profile=gate); everyday runs look for new examples.
settings.register_profile("untimed", deadline=None)
settings.register_profile("gate", deadline=None, derandomize=True)
settings.register_profile("deep", deadline=None, max_examples=5_000)
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-examples", action="store_true", help="write docs/examples.json anew")
    parser.addoption(
        "--api-examples", type=int, default=2, help="requests that Schemathesis makes up per operation"
    )
