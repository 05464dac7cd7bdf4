"""What people type into a search box, read as web search engines read it, and bounded before any work."""

from __future__ import annotations

import re

from typing_extensions import TypedDict

from wedsync.conversations.folding import fold
from wedsync.platform.errors import FieldError, Invalid
from wedsync.trust.sanitising import normalise

QUERY_CHARACTERS = 200
TERMS = 12

_TERM = re.compile(r'(?P<negated>-)?(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')


class Term(TypedDict):
    """A word, or the words of a phrase; `beginning`: its last word is still being typed."""

    text: str
    negated: bool
    beginning: bool


def parse(query: str) -> list[list[Term]]:
    """Alternatives of terms that must all hold: `lilac "first dance" -rain or roses`.

    The last word, unless it is quoted or excluded, also finds what begins with it. A term without a letter or
    digit is left out. Raises Invalid for a query that is too long, or looks for nothing in one of its alternatives.
    """
    cleaned = normalise(query)
    if len(cleaned) > QUERY_CHARACTERS:
        raise _refused(f"longer than {QUERY_CHARACTERS} characters")
    alternatives: list[list[Term]] = [[]]
    for found in _TERM.finditer(cleaned):
        if found["word"] and found["word"].lower() == "or" and not found["negated"]:
            alternatives.append([])
        elif fold(text := found["word"] or found["phrase"] or "").strip():
            last = found.end() == len(cleaned) and found["word"] is not None and not found["negated"]
            alternatives[-1].append({"text": text, "negated": bool(found["negated"]), "beginning": last})
    stated = [terms for terms in alternatives if terms]
    if sum(map(len, stated)) > TERMS:
        raise _refused(f"more than {TERMS} words and phrases")
    if not stated or any(all(term["negated"] for term in terms) for terms in stated):
        raise _refused("there is nothing to look for in it")
    return stated


def _refused(why: str) -> Invalid:
    return Invalid(why, errors=(FieldError("q", why),))
