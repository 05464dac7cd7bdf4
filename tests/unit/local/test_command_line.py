"""What `python -m local up` refuses before it starts anything."""

from __future__ import annotations

import sys

import pytest

from local.__main__ import main


@pytest.mark.parametrize(
    "origin",
    ["localhost:5173", "http://localhost:5173/", "http://a.example,http://b.example", "http://A.example"],
)
def test_what_no_browser_sends_as_an_origin_is_not_let_in(
    origin: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["local", "up", "--allow-origin", origin])

    with pytest.raises(SystemExit) as refused:
        main()

    assert refused.value.code == 2
    assert f"'{origin}' is no origin such as http://localhost:5173" in capsys.readouterr().err
