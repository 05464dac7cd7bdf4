"""Backups of the database of one machine: its folder, copied while it is stopped, and put back as PostgreSQL restores.

What is put back begins a new timeline, as after every recovery to an earlier moment, and so is another cluster to the
product: it answers nobody until it is released (R4).
"""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

from local.processes import LocalError
from local.services import Services

_COPY = ("cp", "--archive", "--reflink=auto")
# There are no archived logs: recovery ends where the copy does. Nobody reads what is still being recovered.
_RECOVERY = "restore_command = 'false'\nhot_standby = off\n"


class Backups:
    """The backups of one stack, in a folder each."""

    def __init__(self, folder: Path, services: Services) -> None:
        self._folder = folder
        self._services = services
        self._data = services.postgres.home / "data"

    def names(self) -> list[str]:
        """The oldest first."""
        return sorted(path.name for path in self._folder.glob("*")) if self._folder.exists() else []

    async def take(self) -> str:
        """Stop the database, copy it, start it again, which takes a second or two; the backup's name."""
        name = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        await self._services.while_stopped(partial(self._copy, name))
        return name

    async def put_back(self, name: str) -> None:
        """The database is what it was then. Raises: KeyError, LocalError when it does not start."""
        if name not in self.names():
            raise KeyError(name)
        await self._services.while_stopped(partial(self._replace, self._folder / name))

    def _copy(self, name: str) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        _copy(self._data, self._folder / name)

    def _replace(self, backup: Path) -> None:
        draft = self._data.with_name("restored")
        for left_over in (draft, self._data.with_name("replaced")):
            shutil.rmtree(left_over, ignore_errors=True)
        _copy(backup, draft)
        with (draft / "postgresql.auto.conf").open("a") as settings:
            settings.write(_RECOVERY)
        signal = draft / "recovery.signal"
        signal.touch(mode=0o600)
        owner = draft.stat()
        os.chown(signal, owner.st_uid, owner.st_gid)
        replaced = self._data.rename(self._data.with_name("replaced"))
        draft.rename(self._data)
        shutil.rmtree(replaced)


def _copy(source: Path, target: Path) -> None:
    """With owners, which is why it takes `cp`. Raises: LocalError."""
    done = subprocess.run([*_COPY, source, target], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        shutil.rmtree(target, ignore_errors=True)
        raise LocalError(f"the database cannot be copied: {done.stderr.strip().splitlines()[-1]}")
