"""Who holds a data directory, and what is in it."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from local.data_dir import DataDir
from local.processes import LocalError


def test_two_stacks_never_share_a_directory(tmp_path: Path) -> None:
    with (
        DataDir(tmp_path).held(fresh=False),
        pytest.raises(LocalError, match="is in use by another local stack"),
        DataDir(tmp_path).held(fresh=True),
    ):
        raise AssertionError("held twice")


def test_it_can_be_held_again_when_let_go(tmp_path: Path) -> None:
    with DataDir(tmp_path).held(fresh=False):
        pass

    with DataDir(tmp_path).held(fresh=False):
        assert (tmp_path / "logs").is_dir()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with (
        pytest.raises(LocalError, match="cannot be used: Not a directory"),
        DataDir(tmp_path / "file" / "data").held(fresh=False),
    ):
        raise AssertionError("held")


def test_fresh_removes_what_a_stack_made_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "postgres" / "data").mkdir(parents=True)
    (tmp_path / "state.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("mine")

    with DataDir(tmp_path).held(fresh=True):
        assert not (tmp_path / "postgres").exists()
        assert not (tmp_path / "state.json").exists()

    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_passwords_are_made_once_and_kept_private(tmp_path: Path) -> None:
    first = DataDir(tmp_path).passwords(["wedsync_app"])
    both = DataDir(tmp_path).passwords(["wedsync_app", "wedsync_worker"])

    assert both["wedsync_app"] == first["wedsync_app"]
    assert len({*both.values()}) == 2
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600


def test_a_port_is_the_last_starts_unless_somebody_has_taken_it(tmp_path: Path) -> None:
    first = DataDir(tmp_path).port("push")
    again = DataDir(tmp_path).port("push")

    with socket.socket() as other:
        other.bind(("127.0.0.1", first))
        other.listen()
        moved = DataDir(tmp_path).port("push")

    assert again == first
    assert moved != first


def test_what_is_made_once_is_kept_private(tmp_path: Path) -> None:
    made = DataDir(tmp_path).kept("providers", lambda: {"key": "first"})

    kept = DataDir(tmp_path).kept("providers", lambda: {"key": "second"})

    assert kept == made == {"key": "first"}
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600
