"""Posting frames to connections: the management API of a WebSocket API, without boto3 (decision 9).

A frame for many connections is hashed once and costs one HMAC per connection. Requests are written
to many kept-alive sockets before the first answer is read, so they are in flight together, without
threads; whichever answer is there is read first, so that a slow one holds up no other. A push is a
hint (R21): whatever goes wrong is an outcome, never an exception.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterable, Iterator
from enum import Enum
from urllib.parse import quote

from wedsync.platform.observability import logger
from wedsync.platform.settings import settings
from wedsync.platform.signing import RequestSigner, timestamp
from wedsync.platform.wire import LINES, Address, ClosedError, Line, UnreachableError

BUDGET_SECONDS = 0.060  # for all pushes of one commit (decision 7)
LINES_AT_ONCE = 50
GRACE_SECONDS = 0.002
OPENING_SECONDS = 0.25  # for new connections, apart: a cold environment has none


class Outcome(Enum):
    """What became of one request; the values are the statuses of the management API."""

    DONE = 200
    REFUSED = 403
    GONE = 410
    TOO_LARGE = 413
    LAGGING = 429
    FAILED = 500  # also: no answer within the budget


def post(frame: bytes, connection_ids: Iterable[str], seconds: float = BUDGET_SECONDS) -> dict[str, Outcome]:
    """Push one frame (UTF-8 JSON) to each connection; what became of each, by id."""
    return _request_each("POST", frame, connection_ids, seconds)


def close(connection_ids: Iterable[str], seconds: float = 1.0) -> dict[str, Outcome]:
    """End the connections; the client sees close code 1000, so a `bye` frame goes first."""
    return _request_each("DELETE", b"", connection_ids, seconds)


def _request_each(
    method: str, body: bytes, connection_ids: Iterable[str], seconds: float
) -> dict[str, Outcome]:
    current = settings()
    address = Address.parse(current.callback_url)
    signer = RequestSigner(
        method,
        address.authority,
        body,
        service="execute-api",
        region=current.aws_region,
        credentials=current.aws_credentials,
        moment=timestamp(),
    )
    requests = (
        (each, signer.render(f"{address.path}/@connections/{quote(each, safe='')}"))
        for each in connection_ids
    )
    outcomes = _Flight(address, time.monotonic() + seconds).run(requests)
    _report(method, outcomes)
    return outcomes


class _Flight:
    """The requests of one frame: as many in the air as there are lines, each read when its answer is there."""

    def __init__(self, address: Address, deadline: float) -> None:
        self._address = address
        self._deadline = deadline
        self._opening = OPENING_SECONDS
        self._flying: dict[int, tuple[Line, str, bytes]] = {}  # by file descriptor
        self._answers = select.poll()
        self._outcomes: dict[str, Outcome] = {}

    def run(self, requests: Iterator[tuple[str, bytes]]) -> dict[str, Outcome]:
        for connection_id, request in requests:
            self._write(self._line(), connection_id, request)
        while self._flying:
            self._land_some(self._until(), len(self._flying))
        return self._outcomes

    def _line(self) -> Line | None:
        """An idle line, also one whose answer is here by now; None where a new one is to be opened."""
        line = LINES.idle(self._address)
        if not line and self._flying:
            full = len(self._flying) >= LINES_AT_ONCE
            self._land_some(self._until() if full else 0, 1 if full else 0)
            line = LINES.idle(self._address)
        return line

    def _write(self, line: Line | None, connection_id: str, request: bytes) -> None:
        try:
            line = line or self._open()
            line.write(request, self._until())
        except UnreachableError as error:
            if line:
                line.close()
            if isinstance(error, ClosedError):  # stale: nothing was taken, a new line may
                self._write(None, connection_id, request)
            else:
                self._outcomes[connection_id] = Outcome.FAILED
        else:
            self._flying[line.fileno()] = line, connection_id, request
            self._answers.register(line.fileno(), select.POLLIN)

    def _open(self) -> Line:
        """A new line; the time it takes is not counted as waiting for answers."""
        began = time.monotonic()
        try:
            return LINES.open(self._address, began + self._opening)
        finally:
            took = time.monotonic() - began
            self._opening -= took
            self._deadline += took

    def _land_some(self, until: float, given_up: int) -> None:
        """Read the answers that are here, or the first to come until then; if none does, give up so many lines."""
        left = max(until - time.monotonic(), 0)
        landing = [number for number, _ in self._answers.poll(left * 1000)]
        for number in landing:
            self._land(*self._take(number))
        for number in [] if landing else [*self._flying][:given_up]:
            line, connection_id, _ = self._take(number)
            line.close()
            self._outcomes[connection_id] = Outcome.FAILED

    def _take(self, number: int) -> tuple[Line, str, bytes]:
        self._answers.unregister(number)
        return self._flying.pop(number)

    def _land(self, line: Line, connection_id: str, request: bytes) -> None:
        try:
            answer = line.read(self._until())
        except UnreachableError as error:
            line.close()
            if isinstance(error, ClosedError):
                self._write(None, connection_id, request)
            else:
                self._outcomes[connection_id] = Outcome.FAILED
        else:
            LINES.release(line)
            self._outcomes[connection_id] = _outcome(answer.status)

    def _until(self) -> float:
        """The budget bounds the waiting: what is on an open line, or has been answered, is still taken."""
        return max(self._deadline, time.monotonic() + GRACE_SECONDS)


def _outcome(status: int) -> Outcome:
    if 200 <= status < 300:
        return Outcome.DONE
    return Outcome(status) if status in (403, 410, 413, 429) else Outcome.FAILED


def _report(method: str, outcomes: dict[str, Outcome]) -> None:
    """One line an operator can act on; 410 and 429 are ordinary life."""
    found = set(outcomes.values())
    if Outcome.REFUSED in found or Outcome.TOO_LARGE in found:
        refused = next(name for name, value in outcomes.items() if value.value in (403, 413))
        logger().error(
            "the management API refuses us: check CALLBACK_URL and execute-api:ManageConnections",
            extra={"method": method, "connection_id": refused, "status": outcomes[refused].value},
        )
    elif Outcome.FAILED in found:
        failed = sum(outcome is Outcome.FAILED for outcome in outcomes.values())
        logger().warning("pushes given up", extra={"method": method, "failed": failed, "of": len(outcomes)})
