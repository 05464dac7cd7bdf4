"""How long a message takes to the last of so many connections, drawn as an SVG on logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 770, 420, 70, 46, 210, 50
COLOURS = ("#2563eb", "#dc2626", "#059669", "#7c3aed")
PARTS = ((50, ""), (95, "5 3"), (99, "1 3"))


@dataclass(frozen=True, slots=True)
class Line:
    """The figures of one size: sockets open, background messages a second, connections, seconds in order."""

    sockets: int
    background: float
    connections: int
    seconds: list[float]

    def milliseconds(self, part: int) -> float:
        """A percentile."""
        return self.seconds[min(len(self.seconds) - 1, len(self.seconds) * part // 100)] * 1000


def drawing(lines: Sequence[Line], machine: str) -> str:
    """The whole picture."""
    shown = [line for line in lines if line.seconds]
    sizes = sorted({line.connections for line in shown})
    longest = max(line.milliseconds(99) for line in shown)
    scale = Scale(sizes[0], sizes[-1], 10 ** math.ceil(math.log10(longest)))
    parts = [*_frame(scale, sizes, machine)]
    for colour, (key, group) in zip(
        COLOURS, groupby(shown, lambda each: (each.sockets, each.background)), strict=False
    ):
        found, row = list(group), TOP + 20 + COLOURS.index(colour) * 62
        parts.append(_text(WIDTH - RIGHT + 16, row, f"{key[0]:,} sockets, {key[1]:.0f}/s", "start", colour))
        for number, (part, dashes) in enumerate(PARTS):
            points = " ".join(
                f"{scale.x(each.connections):.1f},{scale.y(each.milliseconds(part)):.1f}" for each in found
            )
            parts.append(_polyline(points, colour, dashes))
            key_y = row + 13 * (number + 1)
            key_x = WIDTH - RIGHT + 16
            parts.append(_polyline(f"{key_x},{key_y - 4} {key_x + 26},{key_y - 4}", colour, dashes))
            parts.append(_text(key_x + 32, key_y, f"p{part}", "start"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """Connections from left to right, milliseconds from 1 at the bottom."""

    least: int
    most: int
    longest: float

    def x(self, connections: int) -> float:
        """Pixels from the left."""
        share = math.log(connections / self.least) / (math.log(self.most / self.least) or 1.0)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, milliseconds: float) -> float:
        """Pixels from the top."""
        share = math.log(max(1.0, milliseconds)) / math.log(self.longest)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _frame(scale: Scale, sizes: Sequence[int], machine: str) -> Iterator[str]:
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    yield _text(LEFT, 18, "From sending a message to the last connection that has it", "start", size=14)
    yield _text(LEFT, 34, machine, "start", "#666")
    for exponent in range(round(math.log10(scale.longest)) + 1):
        y = scale.y(10**exponent)
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
        yield _text(LEFT - 6, y + 4, f"{10**exponent:,} ms", "end")
    for size in sizes:
        yield _text(scale.x(size), HEIGHT - BOTTOM + 18, f"{size:,}", "middle")
    yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 38, "connections of the thread", "middle")


def _polyline(points: str, colour: str, dashes: str) -> str:
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#222", size: int = 11) -> str:
    style = f'font-family="sans-serif" font-size="{size}" fill="{colour}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'
