"""Log lines: JSON, one each, without content."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from wedsync.platform.observability import bind, logger


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """What one test says is not on the lines of the next."""
    yield
    bind()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_says_what_where_and_when(capsys: pytest.CaptureFixture[str]) -> None:
    log = logger("test-service")
    log.info("pushed", extra={"seq": 4, "user_id": UUID(int=7)})

    (line,) = lines(capsys)
    assert line["message"] == "pushed"
    assert line["level"] == "INFO"
    assert line["service"] == "test-service"
    assert line["location"].startswith("test_a_line_says_what_where_and_when:")
    assert line["timestamp"].endswith("Z")
    assert line["seq"] == 4
    assert line["user_id"] == str(UUID(int=7))


def test_bound_fields_are_on_every_line_until_they_are_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    log = logger("test-service")
    bind(request_id="r-1", user_id="u-1")
    log.info("one")
    bind(request_id="r-2")
    log.info("two")

    one, two = lines(capsys)
    assert (one["request_id"], one["user_id"]) == ("r-1", "u-1")
    assert two["request_id"] == "r-2"
    assert "user_id" not in two


def test_an_exception_is_named_but_what_it_quotes_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    log = logger("test-service")
    try:
        raise ValueError("Key (address)=(emma@example.com) already exists")
    except ValueError:
        log.exception("not stored")

    (line,) = lines(capsys)
    assert line["exception"] == "ValueError"
    assert "test_observability.py" in line["stack"][0]
    assert "emma" not in json.dumps(line)


def test_a_state_of_the_database_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    log = logger("test-service")

    class DatabaseError(Exception):
        sqlstate = "28000"

    try:
        raise DatabaseError
    except DatabaseError:
        log.warning("refused", exc_info=True)

    assert lines(capsys)[0]["sqlstate"] == "28000"


def test_a_text_with_line_breaks_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    log = logger("test-service")
    log.info("a", extra={"reason": 'x\n{"level":"FORGED"}\u2028'})

    assert len(capsys.readouterr().out.strip("\n").split("\n")) == 1


def test_a_logger_asked_for_twice_writes_once(capsys: pytest.CaptureFixture[str]) -> None:
    log = logger("test-service")
    logger("test-service").info("once")

    assert len(lines(capsys)) == 1
    assert not log.propagate


def test_the_level_is_a_setting(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    quiet = logger("quiet-service")

    quiet.info("not written")
    quiet.warning("written")

    assert [line["message"] for line in lines(capsys)] == ["written"]
