"""The rules of the house that no linter knows; who may import whom inside `wedsync` is in pyproject.toml."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("layers", "functions")
MEASURED = (*PRODUCT, "clients", "local", "tools", "bench")
CODE = (*MEASURED, "tests")
NOT_INSTALLED = {"functions", "local", "tests"}
HANDLER = re.compile(r"^functions/\w+/(app|routes/\w+)\.py$")
SETTINGS = "layers/core/wedsync/platform/settings.py"
CLOUD_FACES = (
    "layers/core/wedsync/platform/",
    "layers/core/wedsync/realtime/poster.py",
    "layers/core/wedsync/realtime/connections.py",
    "layers/core/wedsync/trust/attachments.py",
)
SQL = re.compile(
    r"\s*(select|insert into|update|delete from|with)\s.*?\b(from|set|values|select|as|app\.)", re.I | re.S
)
SQL_KEYWORD_UPPER = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|FROM|WHERE|RETURNING|VALUES|JOIN)\b")


def modules(*rooms: str) -> Iterator[tuple[str, Path]]:
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            if "__pycache__" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), path


@cache
def syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module, node.lineno


def imported_rooms(name: str, path: Path, rooms: set[str]) -> list[str]:
    return [f"{name}:{line}: {module}" for module, line in imports(path) if module.split(".")[0] in rooms]


def texts(path: Path) -> Iterator[tuple[str, ast.expr]]:
    """Every string of a module with its literal parts only, docstrings left out."""
    tree = syntax(path)
    inside = {
        id(value) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for value in node.values
    }
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in inside or id(node) in prose:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = [v.value for v in node.values if isinstance(v, ast.Constant) and isinstance(v.value, str)]
            yield "…".join(parts), node
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, node


def test_nothing_imports_the_functions_the_runner_or_the_tests() -> None:
    offences = [
        *(o for n, p in modules(*PRODUCT) for o in imported_rooms(n, p, NOT_INSTALLED)),
        *(o for n, p in modules("local") for o in imported_rooms(n, p, {"functions", "tests"})),
        *(o for n, p in modules("clients") for o in imported_rooms(n, p, {"wedsync", *NOT_INSTALLED})),
    ]

    assert offences == []


def test_only_the_faces_of_cloud_services_import_boto3() -> None:
    offences = [
        offence
        for name, path in modules(*PRODUCT)
        if not name.startswith(CLOUD_FACES)
        for offence in imported_rooms(name, path, {"boto3", "botocore"})
    ]

    assert offences == []


def test_only_its_channel_imports_a_providers_client() -> None:
    channels = {path.parent.name: path for path in ROOT.glob("layers/*/requirements.in")}
    del channels["core"]
    clients = {
        line: f"layers/core/wedsync/notifications/channels/{channel}.py"
        for channel, path in channels.items()
        for line in path.read_text(encoding="utf-8").splitlines()
        if line[0].isalpha()
    }

    offences = [
        offence
        for name, path in modules(*PRODUCT)
        for offence in imported_rooms(name, path, {c for c, channel in clients.items() if channel != name})
    ]

    assert len(clients) == len(channels)
    assert offences == []


def test_only_the_settings_read_the_environment() -> None:
    offences = [
        f"{name}:{node.lineno}"
        for name, path in modules(*PRODUCT)
        if name != SETTINGS
        for node in ast.walk(syntax(path))
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"})
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and "environ" in {a.name for a in node.names}
        )
    ]

    assert offences == []


def test_handlers_hold_no_sql() -> None:
    offences = [
        f"{name}:{node.lineno}"
        for name, path in modules("functions")
        for text, node in texts(path)
        if SQL.match(text)
    ]

    assert offences == []


def test_sql_is_never_put_together_from_pieces() -> None:
    offences = [
        f"{name}:{node.lineno}"
        for name, path in modules(*PRODUCT)
        for text, node in texts(path)
        if SQL.match(text) and isinstance(node, ast.JoinedStr)
    ]

    assert offences == []


def test_sql_keywords_are_lower_case() -> None:
    offences = [
        f"{name}:{node.lineno}"
        for name, path in modules(*PRODUCT)
        for text, node in texts(path)
        if SQL.match(text) and SQL_KEYWORD_UPPER.search(text)
    ]

    assert offences == []


def test_a_module_can_be_read_in_one_sitting() -> None:
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules(*MEASURED)}

    assert {
        name: count for name, count in lines.items() if count > (80 if HANDLER.search(name) else 250)
    } == {}


def test_a_function_fits_on_a_screen() -> None:
    too_long = [
        f"{name}:{node.lineno}: {node.name}, {lines} lines"
        for name, path in modules(*CODE)
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > 40
    ]

    assert too_long == []


def test_no_two_shared_fixtures_have_one_name() -> None:
    names = Counter(
        node.name
        for _, path in modules("tests/fixtures")
        for node in syntax(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and any("fixture" in ast.unparse(decorator) for decorator in node.decorator_list)
    )

    assert [name for name, count in names.items() if count > 1] == []


def test_names_say_what_is_inside() -> None:
    empty_names = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}

    assert [name for name, path in modules(*CODE) if empty_names & {path.stem, path.parent.name}] == []


def test_nothing_is_left_for_later_or_hidden_from_the_checks() -> None:
    left_over = re.compile(
        r"#.*\b(TODO|FIXME|XXX|HACK)\b|pragma: no cover"
        r"|#\s*type: ignore(?!\[)|#\s*noqa(?!: )|#\s*pyright: ignore(?!\[)"
    )

    offences = [
        f"{name}:{number}: {line.strip()}"
        for name, path in modules(*CODE)
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if left_over.search(line)
    ]

    assert offences == []


def test_pins_have_hashes_and_name_no_host() -> None:
    pinned = re.compile(r"^[\w.\[\],-]+==\S+( ; .+)? \\\n    --hash=sha256:", re.M)
    files = [*(ROOT / "requirements").glob("*.txt"), *ROOT.glob("*/*/requirements.txt")]

    for path in files:
        text = path.read_text(encoding="utf-8")
        packages = re.findall(r"^\w.*$", text, re.M)

        assert len(pinned.findall(text)) == len(packages) > 0, path
        assert "://" not in text, path
