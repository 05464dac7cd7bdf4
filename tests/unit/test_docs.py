"""The documents say what is there: every link leads somewhere, every setting, error and event is described."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from wedsync.platform import errors
from wedsync.platform.errors import Problem

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def problems() -> Iterator[type[Problem]]:
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, Problem) and value is not Problem:
            yield value


def links(path: Path) -> list[str]:
    prose = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S)
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in link]


def test_every_link_leads_somewhere() -> None:
    dead = [
        f"{path.relative_to(ROOT)}: {link}"
        for path in PAGES
        for link in links(path)
        if not (path.parent / link.split("#")[0]).exists()
    ]

    assert dead == []


def test_every_page_is_in_the_index() -> None:
    pages = {path.name for path in (ROOT / "docs").iterdir() if path.is_file()} - {"README.md"}

    assert pages - set(links(ROOT / "docs/README.md")) == set()


def test_every_decision_is_in_the_index() -> None:
    records = {path.name for path in (ROOT / "docs/decisions").glob("0*.md")} - {"0000-index.md"}

    assert set(links(ROOT / "docs/decisions/0000-index.md")) >= records


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", page("Makefile"), re.M))

    named = {
        name
        for path in PAGES
        for name in re.findall(r"(?:`|^)make ([a-z][a-z0-9-]*)", path.read_text(), re.M)
    }

    assert named - targets == set()


def test_every_setting_is_described_and_no_other() -> None:
    name = r"[A-Z]+_[A-Z_]+"
    read = set(re.findall(rf'"({name})"', page("layers/core/wedsync/platform/settings.py")))

    described = set(re.findall(rf"`({name})`", page("docs/settings.md")))

    assert described == read


def test_every_error_code_is_described_with_its_status() -> None:
    described = set(re.findall(r"^\| `(\w+)` \| (\d+) \|", page("docs/api.md"), re.M))

    assert described == {(problem.code, str(problem.status)) for problem in problems()}


def test_every_event_kind_is_described() -> None:
    schema = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "schema").glob("*.sql")))
    stored = "".join(re.findall(r"check \(kind in \(([^)]*)\)\)", schema))

    described = set(re.findall(r"^\| `(\w+\.\w+)` \|", page("docs/api.md"), re.M))

    assert described == set(re.findall(r"'(\w+\.\w+)'", stored))
