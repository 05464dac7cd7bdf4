"""What `make backup` and `make restore` say when they cannot; tests/faults/test_restore.py shows that they can."""

from __future__ import annotations

import pytest

from local import drill
from local.processes import free_port
from tests.fixtures.stub_server import answer, serving


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], act: str, console: str) -> str:
    monkeypatch.setattr("sys.argv", ["drill", act, "--console", console])
    assert drill.main() == 1
    return capsys.readouterr().err


def test_without_a_stack_it_says_how_to_start_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "make up" in said(monkeypatch, capsys, "backup", f"http://127.0.0.1:{free_port()}")


def test_without_a_backup_nothing_is_brought_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(lambda _: answer(200, b'{"data": []}')) as stub:
        assert "make backup" in said(monkeypatch, capsys, "restore", stub.url)

    assert [request.method for request in stub.requests] == ["GET"]
