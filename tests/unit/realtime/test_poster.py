"""Pushing to many connections at once, with every answer the management API may give."""

from __future__ import annotations

import logging
import threading
import time
from unittest import mock

import pytest

from tests.fixtures.stub_server import EMPTY_OK, Request, answer, serving
from wedsync.platform import wire
from wedsync.realtime import poster
from wedsync.realtime.poster import Outcome

FRAME = '{"type":"events","é":1}'.encode()


pytestmark = pytest.mark.usefixtures("environment")


def test_each_connection_gets_the_frame_at_its_own_signed_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: EMPTY_OK) as stub:
        monkeypatch.setenv("CALLBACK_URL", f"{stub.url}/v1/")

        outcomes = poster.post(FRAME, ["L0SM9cOFvHcCIhw=", "a-b_c/d+e="])

    assert outcomes == {"L0SM9cOFvHcCIhw=": Outcome.DONE, "a-b_c/d+e=": Outcome.DONE}
    assert sorted((request.method, request.path) for request in stub.requests) == [
        ("POST", "/v1/@connections/L0SM9cOFvHcCIhw%3D"),
        ("POST", "/v1/@connections/a-b_c%2Fd%2Be%3D"),
    ]
    assert {request.body for request in stub.requests} == {FRAME}
    assert len({request.headers["authorization"] for request in stub.requests}) == 2


def test_a_connection_is_closed_with_delete(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: answer(204)) as stub:
        monkeypatch.setenv("CALLBACK_URL", stub.url)

        assert poster.close(["a="]) == {"a=": Outcome.DONE}

    assert [(request.method, request.body) for request in stub.requests] == [("DELETE", b"")]


def test_requests_are_in_flight_together(monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = threading.Barrier(8, timeout=5)

    def once_all_are_here(_: Request) -> bytes:
        everybody.wait()
        return EMPTY_OK

    with serving(once_all_are_here) as stub:
        monkeypatch.setenv("CALLBACK_URL", stub.url)

        outcomes = poster.post(FRAME, [f"c{n}" for n in range(8)], seconds=5)

    assert set(outcomes.values()) == {Outcome.DONE}


def test_lines_are_kept_and_shared_by_more_requests_than_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poster, "LINES_AT_ONCE", 3)
    with serving(lambda _: EMPTY_OK) as stub:
        monkeypatch.setenv("CALLBACK_URL", stub.url)

        rounds = [poster.post(FRAME, [f"c{n}" for n in range(20)], seconds=5) for _ in range(2)]

    assert [len(outcomes) for outcomes in rounds] == [20, 20]
    assert {outcome for outcomes in rounds for outcome in outcomes.values()} == {Outcome.DONE}
    assert stub.lines <= 3


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (410, Outcome.GONE),
        (429, Outcome.LAGGING),
        (403, Outcome.REFUSED),
        (413, Outcome.TOO_LARGE),
        (400, Outcome.FAILED),
        (500, Outcome.FAILED),
        (504, Outcome.FAILED),
    ],
)
def test_trouble_of_one_connection_is_not_the_others(
    monkeypatch: pytest.MonkeyPatch, status: int, outcome: Outcome
) -> None:
    def bad_for_one(request: Request) -> bytes:
        return answer(status, b"{}") if request.path.endswith("/bad") else EMPTY_OK

    with serving(bad_for_one) as stub:
        monkeypatch.setenv("CALLBACK_URL", stub.url)

        outcomes = poster.post(FRAME, ["a", "bad", "b"], seconds=5)

    assert outcomes == {"a": Outcome.DONE, "bad": outcome, "b": Outcome.DONE}


def test_a_refusal_is_logged_as_a_misconfiguration(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(poster, "logger", lambda: logging.getLogger("poster"))
    with serving(lambda _: answer(403)) as stub:
        monkeypatch.setenv("CALLBACK_URL", stub.url)

        poster.post(FRAME, ["a", "b"])

    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "CALLBACK_URL" in errors[0].message


def test_a_silent_connection_costs_no_more_than_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    late = threading.Event()

    def silent_for_one(request: Request) -> bytes:
        if request.path.endswith("/slow"):
            late.wait(5)
        return EMPTY_OK

    with serving(silent_for_one) as stub:
        monkeypatch.setenv("CALLBACK_URL", stub.url)

        outcomes = poster.post(FRAME, ["slow", "a", "b"], seconds=0.3)

        assert not late.is_set()
        late.set()
    assert outcomes == {"slow": Outcome.FAILED, "a": Outcome.DONE, "b": Outcome.DONE}


def test_a_slow_connection_holds_up_none_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poster, "LINES_AT_ONCE", 3)
    the_others = threading.Semaphore(0)

    def slow_for_one(request: Request) -> bytes:
        if request.path.endswith("/slow"):
            assert all(the_others.acquire(timeout=5) for _ in range(59))
        else:
            the_others.release()
        return EMPTY_OK

    with serving(slow_for_one) as stub:
        monkeypatch.setenv("CALLBACK_URL", stub.url)

        outcomes = poster.post(FRAME, ["slow", *(f"c{n}" for n in range(59))], seconds=5)

    assert len(outcomes) == 60
    assert set(outcomes.values()) == {Outcome.DONE}
    assert stub.lines <= 3


def test_the_line_of_a_late_answer_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    late = threading.Event()

    def first_is_late(request: Request) -> bytes:
        if len(stub.requests) == 1:
            late.wait(5)
            return answer(410)
        return EMPTY_OK

    with serving(first_is_late) as stub:
        monkeypatch.setenv("CALLBACK_URL", stub.url)
        poster.post(FRAME, ["first"], seconds=0.02)
        late.set()

        outcomes = poster.post(FRAME, ["second"], seconds=5)

    assert outcomes == {"second": Outcome.DONE}
    assert [request.line for request in stub.requests] == [1, 2]


def test_a_line_closed_while_idle_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_answer_per_line(request: Request) -> bytes | None:
        seen = [earlier for earlier in stub.requests if earlier.line == request.line]
        return EMPTY_OK if len(seen) == 1 else None

    with serving(one_answer_per_line) as stub:
        monkeypatch.setenv("CALLBACK_URL", stub.url)

        outcomes = [poster.post(FRAME, ["a"], seconds=5) for _ in range(3)]

    assert outcomes == [{"a": Outcome.DONE}] * 3


def test_a_gateway_that_always_hangs_up_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: None) as stub:
        monkeypatch.setenv("CALLBACK_URL", stub.url)

        assert poster.post(FRAME, ["a", "b"], seconds=5) == {"a": Outcome.FAILED, "b": Outcome.FAILED}


def test_a_gateway_that_is_not_there_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: EMPTY_OK) as stub:
        monkeypatch.setenv("CALLBACK_URL", stub.url)

    assert poster.post(FRAME, ["a", "b"]) == {"a": Outcome.FAILED, "b": Outcome.FAILED}


def test_an_answer_that_came_in_time_counts_though_the_budget_is_spent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(lambda _: EMPTY_OK) as stub:
        monkeypatch.setenv("CALLBACK_URL", stub.url)
        poster.post(FRAME, ["warm"], seconds=5)
        write = wire.Line.write

        def with_a_stall(line: wire.Line, request: bytes, deadline: float) -> None:
            write(line, request, deadline)
            while not line.readable() or time.monotonic() < deadline:
                time.sleep(0.001)

        with mock.patch.object(wire.Line, "write", with_a_stall):
            assert poster.post(FRAME, ["a"], seconds=0.2) == {"a": Outcome.DONE}


def test_opening_connections_does_not_use_up_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = wire.Lines.open

    def slowly(lines: wire.Lines, address: wire.Address, deadline: float) -> wire.Line:
        time.sleep(0.05)
        return opened(lines, address, deadline)

    with serving(lambda _: EMPTY_OK) as stub, mock.patch.object(wire.Lines, "open", slowly):
        monkeypatch.setenv("CALLBACK_URL", stub.url)
        monkeypatch.setattr(poster, "OPENING_SECONDS", 5)

        outcomes = poster.post(FRAME, ["a", "b", "c"], seconds=0.04)

    assert set(outcomes.values()) == {Outcome.DONE}


def test_opening_connections_has_a_budget_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poster, "OPENING_SECONDS", 0)
    with serving(lambda _: EMPTY_OK) as stub:
        monkeypatch.setenv("CALLBACK_URL", stub.url)

        assert poster.post(FRAME, ["a", "b"], seconds=5) == {"a": Outcome.FAILED, "b": Outcome.FAILED}

    assert stub.requests == []


def test_nobody_to_push_to_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBACK_URL", "http://127.0.0.1:1/v1")

    assert poster.post(FRAME, []) == {}
