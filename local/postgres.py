"""A real PostgreSQL on loopback: installed or from the embedded wheel, as root or as an ordinary user."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from local import privileges
from local.pg_binaries import Binaries, Kind, find_binaries
from local.processes import LocalError, spawn, stop, works_in

DATABASE = "wedsync"
MASTER = "wedsync_master"
SUPERUSER = "postgres"

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "jit": "off",
    # A failing statement may carry what people wrote: its text stays out of the log.
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
}
_THROW_AWAY = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class Login:
    """How to log in over TCP."""

    host: str
    port: int
    user: str
    password: str
    database: str

    @property
    def dsn(self) -> str:
        """The libpq connection string."""
        return make_conninfo(
            host=self.host, port=self.port, user=self.user, password=self.password, dbname=self.database
        )


class Postgres:
    """One server, its data in `home/data`. Master role `wedsync_master`: CREATEROLE, CREATEDB, no superuser.

    `durable=False` is for tests: a power cut would lose data, the death of a process still does not.
    """

    def __init__(self, home: Path, port: int, *, kind: Kind | None = None, durable: bool = True) -> None:
        self.home = home
        self.port = port
        self._data = home / "data"
        self._log = home / "postgres.log"
        self._durable = durable
        self.binaries: Binaries = find_binaries(kind, self._major())
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Create the cluster unless it is there. Takes about a second the first time; may run in a thread."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._major() is None:
            shutil.rmtree(self._data, ignore_errors=True)
            self._data.mkdir(mode=0o700)
            self._create()

    def start(self, patience: float = 30.0) -> None:
        """Start and wait until it accepts connections; the server ends with the thread that calls this.

        Raises: LocalError with the last line of the server's log.
        """
        self._end_predecessor()
        give_up = time.monotonic() + patience
        while not self._started(give_up):
            if time.monotonic() > give_up or not self._still_held():
                raise LocalError(f"PostgreSQL does not start: {self._last_words()}")
            time.sleep(0.2)
        if not (self.home / "master.json").exists():
            self._create_master()

    def stop(self) -> None:
        """Fast shutdown: open transactions roll back."""
        if self._process is not None:
            stop(self._process, signal.SIGINT, 20.0)
            self._process = None

    def kill(self) -> None:
        """SIGKILL the postmaster, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Stop and start again on the same port."""
        self.stop()
        self.start()

    @property
    def running(self) -> bool:
        """True while the postmaster lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster while it runs."""
        return self._process.pid if self._process is not None else None

    def master(self, database: str = DATABASE) -> Login:
        """The role that owns the database and runs migrations, like Aurora's master user."""
        return self._login(MASTER, "master.json", database)

    def superuser(self, database: str = "postgres") -> Login:
        """For fixtures that look behind the scenes; nothing of the product uses it."""
        return self._login(SUPERUSER, "superuser.json", database)

    def _login(self, user: str, file: str, database: str) -> Login:
        return Login(
            "127.0.0.1", self.port, user, json.loads((self.home / file).read_text())["password"], database
        )

    def _major(self) -> int | None:
        try:
            return int((self._data / "PG_VERSION").read_text())
        except FileNotFoundError:
            return None

    def _run_as(self, *argv: str | Path) -> list[str | Path]:
        return [*privileges.dropped(self._data, signal.SIGINT), *argv]

    def _create(self) -> None:
        password = secrets.token_urlsafe(24)
        pwfile = self._data.with_name("initial-password")
        _write_private(pwfile, password)
        privileges.hand_over(self._data)
        options = ["--auth=scram-sha-256", f"--pwfile={pwfile}", "--encoding=UTF8", f"--username={SUPERUSER}"]
        command = self._run_as(self.binaries.directory / "initdb", "-D", self._data, *options, "--no-sync")
        for locale in ("C.UTF-8", "C"):
            done = subprocess.run(
                [*map(str, command), f"--locale={locale}"],
                capture_output=True,
                text=True,
                cwd=self.home,
                check=False,
            )
            if done.returncode == 0:
                break
        else:
            raise LocalError(f"initdb failed: {done.stderr.strip().splitlines()[-1]}")
        pwfile.unlink()
        _write_private(self.home / "superuser.json", json.dumps({"password": password}))

    def _started(self, give_up: float) -> bool:
        settings = _SETTINGS | ({} if self._durable else _THROW_AWAY)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = self._run_as(
            self.binaries.directory / "postgres", "-D", self._data, "-p", str(self.port), *options
        )
        self._log_from = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            environment = {"PATH": os.defpath, "LC_ALL": "C"}
            self._process = spawn(
                command, environment=environment, cwd=self.home, output=log, death_signal=signal.SIGINT
            )
        while self._process.poll() is None:
            if self._ready():
                return True
            if time.monotonic() > give_up:
                self.kill()
                break
            time.sleep(0.02)
        return False

    def _ready(self) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        ours = self._process is not None and lines[:1] == [str(self._process.pid)]
        return ours and len(lines) >= 8 and lines[7].strip() == "ready"

    def _still_held(self) -> bool:
        """The back ends of a killed postmaster need a moment to notice and let go of its shared memory."""
        return "pre-existing shared memory" in self._recent_log() or "already exists" in self._recent_log()

    def _end_predecessor(self) -> None:
        """A postmaster that outlived its runner is stopped; a pid file naming somebody else is removed."""
        file = self._data / "postmaster.pid"
        try:
            pid = int(file.read_text().splitlines()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return
        if not works_in(pid, self._data):
            file.unlink(missing_ok=True)
            return
        os.kill(pid, signal.SIGINT)
        for _ in range(500):
            if not works_in(pid, self._data):
                return
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)

    def _create_master(self) -> None:
        password = secrets.token_urlsafe(24)
        with psycopg.connect(self.superuser().dsn, autocommit=True) as connection:
            role = sql.Identifier(MASTER)
            connection.execute(sql.SQL("drop database if exists {}").format(sql.Identifier(DATABASE)))
            connection.execute(sql.SQL("drop role if exists {}").format(role))
            connection.execute(
                sql.SQL("create role {} login createrole createdb password {}").format(
                    role, sql.Literal(password)
                )
            )
            connection.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(DATABASE), role))
        _write_private(self.home / "master.json", json.dumps({"password": password}))

    def _recent_log(self) -> str:
        with self._log.open("rb") as log:
            log.seek(self._log_from)
            return log.read().decode(errors="replace")

    def _last_words(self) -> str:
        lines = [
            line for line in self._recent_log().splitlines() if "FATAL" in line or "error" in line.lower()
        ]
        return (lines or ["no word in its log"])[-1]


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
