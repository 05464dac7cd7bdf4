"""The gate in front of aiohttp's reader: frame borders wherever the line cuts, and garbage on it."""

from __future__ import annotations

import asyncio
import os
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.websocket_gateway_frames import FrameGate
from tests.fixtures.gateways import SocketUnderTest

HANDSHAKE = (
    b"GET /v1?ticket=t HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: +W5xw47OHh3OTFsWKjGu9Q==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Sink:
    """A reader that keeps what it is fed."""

    def __init__(self) -> None:
        self.fed = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.fed += data
        return False, b""

    def feed_eof(self) -> None:
        self.fed += b"|"


def frame(first: int, payload: bytes) -> bytes:
    """A masked client frame with the shortest length encoding."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    else:
        length = b"\xfe" + size.to_bytes(2, "big") if size < 65536 else b"\xff" + size.to_bytes(8, "big")
    return bytes([first]) + length + bytes(4) + payload


def feed(gate: FrameGate, stream: bytes, cuts: list[int]) -> None:
    """Give the stream in pieces."""
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for start, end in pairwise(edges):
        gate.feed_data(stream[start:end])


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 100_000])
def test_an_oversized_frame_is_cut_out_and_its_neighbours_stay(step: int) -> None:
    small, big = frame(0x81, b"a" * 300), frame(0x81, b"b" * 70_000)
    start, end, ping = frame(0x01, b"c" * 10), frame(0x80, b""), frame(0x89, b"p")
    stream = small + big + start + ping + end + frame(0x88, b"")
    sink, oversized = Sink(), list[int]()
    gate = FrameGate(sink, 300, 1000, lambda: oversized.append(len(sink.fed)))

    feed(gate, stream, list(range(0, len(stream), step)))
    gate.feed_eof()

    assert sink.fed == small + start + ping + end + frame(0x88, b"") + b"|"
    assert len(oversized) == 1


SIZES = st.lists(st.integers(0, 400), max_size=12)


@settings(deadline=None)
@given(SIZES, st.lists(st.integers(0, 10_000), max_size=20))
def test_small_frames_pass_unchanged_however_the_line_cuts(sizes: list[int], cuts: list[int]) -> None:
    stream = b"".join(frame(0x81, b"x" * size) for size in sizes)
    sink, oversized = Sink(), list[bool]()

    feed(FrameGate(sink, 400, 400, lambda: oversized.append(True)), stream, cuts)

    assert (sink.fed, oversized) == (stream, [])


@settings(deadline=None)
@given(SIZES, st.lists(st.integers(0, 10_000), max_size=20))
def test_exactly_the_frames_above_the_limit_are_cut_out(sizes: list[int], cuts: list[int]) -> None:
    sink, oversized = Sink(), list[bool]()

    feed(
        FrameGate(sink, 200, 1000, lambda: oversized.append(True)),
        b"".join(frame(0x81, b"x" * size) for size in sizes),
        cuts,
    )

    assert sink.fed == b"".join(frame(0x81, b"x" * size) for size in sizes if size <= 200)
    assert len(oversized) == sum(size > 200 for size in sizes)


@pytest.mark.parametrize("upgraded", [True, False])
async def test_garbage_on_one_line_costs_nobody_else(socket_gateway: SocketUnderTest, upgraded: bool) -> None:
    socket = await socket_gateway.connect()

    for _ in range(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", socket_gateway.port)
        writer.write((HANDSHAKE if upgraded else b"") + os.urandom(3000))
        await writer.drain()
        writer.write_eof()
        await asyncio.wait_for(reader.read(), 5)
        writer.close()
    await socket.send_json({"action": "ping"})

    assert await socket.receive_json(timeout=5) == {"type": "pong"}
