"""PostgreSQL on one machine: both kinds, any user, any death."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from local import pg_binaries, privileges
from local.pg_binaries import Kind, available, find_binaries
from local.postgres import Postgres
from local.processes import LocalError, free_port

ROOT = Path(__file__).parents[3]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="root only")
without_setpriv = pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")


@pytest.fixture(params=["installed", "embedded"])
def kind(request: pytest.FixtureRequest) -> Kind:
    kind: Kind = request.param
    if not any(each.kind == kind for each in available()):
        pytest.skip(f"no {kind} PostgreSQL on this machine")
    return kind


@pytest.fixture
def server(tmp_path: Path, kind: Kind) -> Iterator[Postgres]:
    server = Postgres(tmp_path / "postgres", free_port(), kind=kind, durable=False)
    server.prepare()
    server.start()
    yield server
    server.stop()


def value(server: Postgres, query: str, *, superuser: bool = False) -> object:
    login = server.superuser() if superuser else server.master()
    with psycopg.connect(login.dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def test_the_master_role_creates_roles_and_databases_and_is_no_superuser(server: Postgres) -> None:
    role = value(
        server,
        "select (rolsuper, rolcreaterole, rolcreatedb)::text from pg_roles where rolname = current_user",
    )
    owner = value(server, "select datdba::regrole::text from pg_database where datname = current_database()")

    assert role == "(f,t,t)"
    assert owner == "wedsync_master"


def test_it_listens_on_loopback_tcp_only_and_wants_a_password(server: Postgres) -> None:
    addresses = value(server, "show listen_addresses", superuser=True)
    sockets = value(server, "show unix_socket_directories", superuser=True)

    assert (addresses, sockets) == ("127.0.0.1", "")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(
            host="127.0.0.1", port=server.port, user="wedsync_master", password="guess", dbname="wedsync"
        )


def test_what_was_committed_survives_a_kill_and_a_restart(server: Postgres) -> None:
    with psycopg.connect(server.master().dsn) as connection:
        connection.execute("create table kept (n int)")
        connection.execute("insert into kept values (1)")

    server.kill()
    server.start()
    server.restart()

    assert value(server, "select n from kept") == 1


def test_a_pid_file_that_names_somebody_else_does_not_stop_a_start(server: Postgres) -> None:
    server.kill()
    pid_file = server.home / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")

    server.start()

    assert value(server, "select 1") == 1


def test_a_postmaster_left_behind_is_replaced(server: Postgres, kind: Kind) -> None:
    successor = Postgres(server.home, free_port(), kind=kind, durable=False)

    successor.start()

    try:
        assert value(successor, "select 1") == 1
        with pytest.raises(psycopg.OperationalError):
            value(server, "select 1")
    finally:
        successor.stop()


def test_data_of_a_version_that_is_missing_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("9\n")

    with pytest.raises(LocalError, match=r"no usable PostgreSQL 9 .* on this machine") as refusal:
        Postgres(tmp_path, free_port())

    assert "\n" not in str(refusal.value)


def test_existing_data_chooses_the_version_that_made_it() -> None:
    for binaries in available():
        assert find_binaries(major=binaries.major).major == binaries.major


def test_a_port_in_use_is_told_by_the_servers_own_words(server: Postgres, tmp_path: Path, kind: Kind) -> None:
    other = Postgres(tmp_path / "other", server.port, kind=kind, durable=False)
    other.prepare()

    with pytest.raises(LocalError, match="could not create any TCP/IP sockets"):
        other.start()


@as_root
@without_setpriv
def test_root_may_use_a_directory_inside_a_closed_home_of_somebody_else(tmp_path: Path, kind: Kind) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    os.chown(home, 12345, 12345)
    server = Postgres(home / "postgres", free_port(), kind=kind, durable=False)

    server.prepare()
    server.start()

    try:
        assert value(server, "select 1") == 1
        assert (home.stat().st_uid, home.stat().st_mode & 0o777) == (12345, 0o700)
    finally:
        server.stop()


@as_root
@without_setpriv
def test_root_without_user_namespaces_runs_under_a_dropped_uid(
    tmp_path: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(privileges, "_namespace", lambda: ("false",))
    server = Postgres(tmp_path / "postgres", free_port(), kind=kind, durable=False)

    server.prepare()
    server.start()

    try:
        assert value(server, "select 1") == 1
        assert Path(f"/proc/{server.pid}").stat().st_uid == 65534
    finally:
        server.stop()


@pytest.fixture
def own_home() -> Iterator[Path]:
    """Outside tmp_path, whose parents are closed to other users."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


_START_AND_STOP = """
import os, pathlib, sys
from local.postgres import Postgres
from local.processes import free_port
server = Postgres(pathlib.Path(sys.argv[1]), free_port(), kind=sys.argv[2], durable=False)
server.prepare()
server.start()
print(os.geteuid(), pathlib.Path(f"/proc/{server.pid}").stat().st_uid)
server.stop()
"""


@as_root
@without_setpriv
@pytest.mark.parametrize("uid", [65534, 12345], ids=["with-account", "without-account"])
def test_an_ordinary_user_needs_no_tricks(own_home: Path, kind: Kind, uid: int) -> None:
    os.chown(own_home, uid, uid)
    # The capability only lets the child find this interpreter where that lies in root's own home.
    as_somebody = privileges.other_user(uid)

    done = subprocess.run(  # noqa: S603 - our own interpreter and program
        [*as_somebody, "--", sys.executable, "-c", _START_AND_STOP, str(own_home / "postgres"), kind],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout.split(), done.stderr) == ([str(uid), str(uid)], "")


@as_root
def test_root_without_any_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privileges, "_namespace", lambda: ("false",))
    monkeypatch.setattr(privileges, "other_user", lambda uid: ("no-such-program", str(uid)))
    server = Postgres(tmp_path / "postgres", free_port(), durable=False)

    with pytest.raises(LocalError, match="PostgreSQL refuses root, and neither"):
        server.prepare()


def test_a_machine_without_any_postgresql_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pg_binaries, "available", list)

    with pytest.raises(
        LocalError, match=r"no usable PostgreSQL on this machine \(found: none\); run `make setup`"
    ):
        find_binaries()
