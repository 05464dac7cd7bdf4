"""The data directory of one local stack: what lies where, and who holds it."""

from __future__ import annotations

import fcntl
import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from local.processes import LocalError, free_port, require_port

T = TypeVar("T")

_OURS = ("postgres", "backups", "emulator", "runtime", "logs", "issuer.pem", "state.json")


class DataDir:
    """Folders are private to their user: they hold passwords and a signing key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.postgres = path / "postgres"
        self.emulator = path / "emulator"
        self.runtime = path / "runtime"
        self.logs = path / "logs"
        self.issuer_key = path / "issuer.pem"
        self._state = path / "state.json"

    @contextmanager
    def held(self, *, fresh: bool) -> Iterator[None]:
        """Hold the directory for this process alone; `fresh` empties it of what a stack has put there.

        Raises: LocalError when another stack holds it or it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (self.path / "lock").open("w")
        except OSError as error:
            raise LocalError(f"the data directory {self.path} cannot be used: {error.strerror}") from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                message = f"the data directory {self.path} is in use by another local stack"
                raise LocalError(message) from None
            if fresh:
                self._empty()
            self.logs.mkdir(exist_ok=True, mode=0o700)
            yield

    def remembered(self) -> dict[str, Any]:
        """What earlier starts have written down."""
        return json.loads(self._state.read_text()) if self._state.exists() else {}

    def remember(self, **facts: object) -> None:
        """Write facts down for later starts."""
        text = json.dumps({**self.remembered(), **facts})
        draft = self._state.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(text)
        draft.replace(self._state)

    def kept(self, name: str, make: Callable[[], T]) -> T:
        """A fact of JSON that is made once."""
        known: T = self.remembered().get(name) or make()
        self.remember(**{name: known})
        return known

    def port(self, purpose: str) -> int:
        """A port that is the last start's if that is free: what was registered there still finds it."""
        known: dict[str, int] = self.remembered().get("ports", {})
        try:
            port = require_port(known.get(purpose, 0), purpose)
        except LocalError:
            port = free_port()
        self.remember(ports={**known, purpose: port})
        return port

    def passwords(self, roles: list[str]) -> dict[str, str]:
        """A password for each database login, made once."""
        known: dict[str, str] = self.remembered().get("passwords", {})
        passwords = {role: known.get(role) or secrets.token_urlsafe(24) for role in roles}
        self.remember(passwords=passwords)
        return passwords

    def _empty(self) -> None:
        for name in _OURS:
            place = self.path / name
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)
