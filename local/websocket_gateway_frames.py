"""Sees the size of every single frame, which aiohttp's reader only tells for whole messages.

A gate stands between the socket and aiohttp's reader, walks the frame headers (RFC 6455 §5.2) and drops what
is too big; the gateway then closes with 1009 while the reader still takes the client's own close frame.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from aiohttp import web

_FIN, _OPCODE, _CONTROL, _MASKED = 0x80, 0x0F, 0x08, 0x80


class Parser(Protocol):
    """What aiohttp's connection feeds after the upgrade."""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take bytes; answers (finished, rest)."""
        ...

    def feed_eof(self) -> None:
        """The peer is gone."""
        ...


class FrameGate:
    """Passes frames on to `reader`, unless the frame or its message is too big."""

    def __init__(
        self, reader: Parser, frame_bytes: int, message_bytes: int, oversized: Callable[[], None]
    ) -> None:
        self._reader = reader
        self._frame_bytes = frame_bytes
        self._message_bytes = message_bytes
        self._oversized = oversized
        self._header = b""
        self._payload_left = 0
        self._dropping = False
        self._message_size = 0

    def feed_eof(self) -> None:
        """The peer is gone."""
        self._reader.feed_eof()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Walk the frames in `data`; a header is held back until its length is known."""
        passed: list[bytes] = []
        data = self._header + data
        at, end, self._header = 0, len(data), b""
        while at < end:
            if not self._payload_left:
                header = _header_size(data, at)
                if end - at < header:
                    self._header = data[at:]
                    break
                self._enter(data, at)
                if not self._dropping:
                    passed.append(data[at : at + header])
                at += header
            step = min(self._payload_left, end - at)
            if step and not self._dropping:
                passed.append(data[at : at + step])
            self._payload_left -= step
            at += step
        return self._reader.feed_data(b"".join(passed)) if passed else (False, b"")

    def _enter(self, data: bytes, at: int) -> None:
        """Start the frame whose header begins at `at`: its size decides whether it passes."""
        first, size = data[at], _payload_size(data, at)
        self._payload_left = size
        self._dropping = False
        if first & _OPCODE & _CONTROL:
            return
        self._message_size += size
        if size > self._frame_bytes or self._message_size > self._message_bytes:
            self._dropping = True
            self._oversized()
        if first & _FIN:
            self._message_size = 0


def _header_size(data: bytes, at: int) -> int:
    """Bytes of the header beginning at `at`, as far as it can be told; never less than 2."""
    if len(data) - at < 2:
        return 2
    flag, mask = data[at + 1] & 0x7F, 4 if data[at + 1] & _MASKED else 0
    return 2 + mask + (2 if flag == 126 else 8 if flag == 127 else 0)


def _payload_size(data: bytes, at: int) -> int:
    flag = data[at + 1] & 0x7F
    if flag < 126:
        return flag
    return int.from_bytes(data[at + 2 : at + (4 if flag == 126 else 10)], "big")


class GatedProtocol(web.RequestHandler):
    """aiohttp's connection with a gate before the WebSocket reader. Set `oversized` before the upgrade."""

    frame_bytes = 0
    message_bytes = 0
    oversized: Callable[[], None] = staticmethod(lambda: None)

    def set_parser(self, parser: Any, data_received_cb: Callable[[], None] | None = None) -> None:
        """Called by aiohttp at the upgrade."""
        gate = FrameGate(parser, self.frame_bytes, self.message_bytes, self.oversized)
        super().set_parser(gate, data_received_cb)  # pyright: ignore[reportArgumentType]


class GatedServer(web.Server):
    """aiohttp's low-level server whose connections are gated."""

    def __init__(self, handler: Any, frame_bytes: int, message_bytes: int, **settings: Any) -> None:
        super().__init__(handler, **settings)
        self._frame_bytes = frame_bytes
        self._message_bytes = message_bytes
        self._settings = settings

    def __call__(self) -> GatedProtocol:
        """A protocol for one new connection."""
        protocol = GatedProtocol(self, loop=self._loop, **self._settings)
        protocol.frame_bytes = self._frame_bytes
        protocol.message_bytes = self._message_bytes
        return protocol
