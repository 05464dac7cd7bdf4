"""Loads the shared fixtures: every module of tests/fixtures is a plugin, named for what it provides."""

from __future__ import annotations

from pathlib import Path

pytest_plugins = sorted(
    f"tests.fixtures.{path.stem}" for path in (Path(__file__).parent / "fixtures").glob("[!_]*.py")
)
