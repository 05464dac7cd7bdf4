"""HTTP/1.1 over kept-alive blocking sockets, in two halves: write a request now, read its answer later.

Splitting the two is what lets one thread have many requests in flight without an event loop.
Redirects, proxies and trailers are not spoken: AWS service endpoints use none of them.
"""

from __future__ import annotations

import select
import socket
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl

CONNECT_SECONDS = 1.0
READ_SIZE = 65536


class UnreachableError(ConnectionError):
    """No answer: refused, reset, timed out, or not HTTP."""


class ClosedError(UnreachableError):
    """The peer closed a kept-alive connection before answering; the request may be sent again."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service listens; `path` is the prefix of every request path, without a last slash."""

    host: str
    port: int
    tls: bool
    path: str

    @classmethod
    @lru_cache(maxsize=16)
    def parse(cls, url: str) -> Address:
        """From `http(s)://host[:port][/path]`."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not an http address: {url}")
        tls = parts.scheme == "https"
        return cls(parts.hostname, parts.port or (443 if tls else 80), tls, parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """The `Host` header: the port is left out where it is the scheme's own."""
        default = 443 if self.tls else 80
        return self.host if self.port == default else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response; header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """Checks the chain against the system's authorities, and the name."""
    import ssl  # 10 ms that a plain loopback endpoint does not need

    return ssl.create_default_context()


class Line:
    """One connection. A line that failed or was closed by the peer is never used again."""

    __slots__ = ("_buffer", "_poll", "_socket", "address", "reused")

    def __init__(self, address: Address, deadline: float) -> None:
        self.address = address
        self.reused = False  # an answer was read before, and nothing of the next one yet
        self._buffer = b""
        try:
            plain = socket.create_connection((address.host, address.port), _remaining(deadline))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if address.tls:
                self._socket = tls_context().wrap_socket(plain, server_hostname=address.host)
            else:
                self._socket = plain
        except OSError as error:
            raise UnreachableError(f"{address.authority}: {error}") from error
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    def fileno(self) -> int:
        """For `select.poll`."""
        return self._socket.fileno()

    def readable(self) -> bool:
        """Whether something is there to read: an answer, or on an idle line its end."""
        return bool(self._poll.poll(0))

    def write(self, request: bytes, deadline: float) -> None:
        """Hand the request to the kernel; raises `ClosedError` on a stale line, else `UnreachableError`."""
        try:
            self._socket.settimeout(_remaining(deadline))
            self._socket.sendall(request)
        except OSError as error:
            raise self._failure(error) from error

    def read(self, deadline: float) -> Answer:
        """The answer to the oldest request written; raises `ClosedError` or `UnreachableError`."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            self._fill(deadline)
        status, headers = _head(self._buffer[:end])
        self._buffer = self._buffer[end + 4 :]
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = self._chunks(deadline)
        else:
            body = self._take(_length(status, headers), deadline)
        self.reused = headers.get("connection", "").lower() != "close"
        return Answer(status, headers, body)

    def close(self) -> None:
        self._socket.close()

    def _take(self, size: int, deadline: float) -> bytes:
        while len(self._buffer) < size:
            self._fill(deadline)
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _chunks(self, deadline: float) -> bytes:
        body = b""
        while True:
            while (end := self._buffer.find(b"\r\n")) < 0:
                self._fill(deadline)
            size = _chunk_size(self._buffer[:end])
            self._buffer = self._buffer[end + 2 :]
            body += self._take(size + 2, deadline)[:size]
            if size == 0:
                return body

    def _fill(self, deadline: float) -> None:
        try:
            self._socket.settimeout(_remaining(deadline))
            data = self._socket.recv(READ_SIZE)
        except OSError as error:
            raise self._failure(error) from error
        if not data:
            raise self._failure(ConnectionResetError("closed by the peer"))
        self._buffer += data
        self.reused = False

    def _failure(self, error: OSError) -> UnreachableError:
        """Only a used line on which nothing has come back yet may have been closed while idle."""
        stale = self.reused and not isinstance(error, TimeoutError)
        return (ClosedError if stale else UnreachableError)(f"{self.address.authority}: {error}")


class Lines:
    """The idle lines of this process, by address. Lambda runs one request at a time: no locks."""

    def __init__(self) -> None:
        self._idle: dict[Address, list[Line]] = {}

    def idle(self, address: Address) -> Line | None:
        """A line kept alive, if there is one that the peer has not closed meanwhile."""
        waiting = self._idle.get(address, [])
        while waiting:
            line = waiting.pop()
            if not line.readable():
                return line
            line.close()
        return None

    def open(self, address: Address, deadline: float) -> Line:
        """A new line; raises `UnreachableError`."""
        return Line(address, min(deadline, time.monotonic() + CONNECT_SECONDS))

    def release(self, line: Line) -> None:
        """Keep a line whose answer has been read for the next request."""
        if line.reused:
            self._idle.setdefault(line.address, []).append(line)
        else:
            line.close()

    def exchange(self, address: Address, request: bytes, deadline: float) -> Answer:
        """Write and read one request. A stale line is replaced and the request sent once more."""
        line = self.idle(address)
        if line:
            try:
                return self._converse(line, request, deadline)
            except ClosedError:
                pass  # closed while idle: nothing of this request was answered
        return self._converse(self.open(address, deadline), request, deadline)

    def close(self) -> None:
        """Close every idle line."""
        for waiting in self._idle.values():
            for line in waiting:
                line.close()
        self._idle.clear()

    def _converse(self, line: Line, request: bytes, deadline: float) -> Answer:
        try:
            line.write(request, deadline)
            answer = line.read(deadline)
        except UnreachableError:
            line.close()
            raise
        self.release(line)
        return answer


def _remaining(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no time left")
    return left


def _head(raw: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = raw.decode("latin-1").split("\r\n")
    parts = first.split(" ", 2)
    if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
        raise UnreachableError("the peer does not speak HTTP/1.1")
    pairs = (line.partition(":") for line in lines)
    return int(parts[1]), {name.lower(): value.strip() for name, _, value in pairs}


def _length(status: int, headers: dict[str, str]) -> int:
    if status in (204, 304):
        return 0
    length = headers.get("content-length", "")
    if not length.isdigit():
        raise UnreachableError("an answer without a length")
    return int(length)


def _chunk_size(line: bytes) -> int:
    """A chunk begins with its size in hexadecimal, and perhaps extensions (RFC 9112 section 7.1)."""
    try:
        return int(line.split(b";")[0], 16)
    except ValueError:
        raise UnreachableError("a chunk without a size") from None


LINES = Lines()
