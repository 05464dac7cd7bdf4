"""Text as search compares it: what private.fold does in the database, for highlights and for reading a query."""

from __future__ import annotations

import re
import unicodedata

# The same sets as in schema/0014_search.sql and 0023_conversation_mends.sql.
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670]")
_PARTING = "\x01-\x2f\x3a-\x40\x5b-\x60\x7b-\xbf\u2000-\u206f\u3000-\u303f"
_GAPS = re.compile(f"[{_PARTING}]+")
_LETTERS = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ħ": "h",
        "ŧ": "t",
        "\u0131": "i",
        "\u03c2": "\u03c3",  # final sigma
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
    }
)

WORD = re.compile(f"[^{_PARTING}]+")


def fold(text: str) -> str:
    """Lower case, accents folded, words parted by single spaces."""
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", text))
    return _GAPS.sub(" ", unicodedata.normalize("NFC", bare).lower().translate(_LETTERS))
