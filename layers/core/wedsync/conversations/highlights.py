"""The piece of a text that shows why it was found, as HTML that cannot bite: escaped, and <mark> is the only tag."""

from __future__ import annotations

import re
from html import escape

from wedsync.conversations.folding import WORD, fold

PIECE_CHARACTERS = 240
_BEFORE = 60


def highlight(text: str, found: frozenset[str]) -> str:
    """A piece of `text` from shortly before the first of the `found` (folded) words on, with these words marked."""
    words = [word for word in WORD.finditer(text) if not found.isdisjoint(fold(word[0]).split())]
    start, end = _piece(text, words[0].start() if words else 0)
    parts = ["…"] if start else []
    done = start
    for word in words:
        if start <= word.start() and word.end() <= end:
            parts += [escape(text[done : word.start()]), "<mark>", escape(word[0]), "</mark>"]
            done = word.end()
    parts += [escape(text[done:end]), "…" if end < len(text) else ""]
    return "".join(parts)


def _piece(text: str, first: int) -> tuple[int, int]:
    """Where the piece begins and ends: at spaces, where there are some nearby."""
    start = max(0, first - _BEFORE)
    if start:
        space = re.compile(r"\s").search(text, start, first)
        start = space.end() if space else first
    end = start + PIECE_CHARACTERS
    if end < len(text):
        space = text.rfind(" ", first, end)
        end = space if space > start + PIECE_CHARACTERS // 2 else end
    return start, min(end, len(text))
