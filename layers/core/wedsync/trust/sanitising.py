"""The one place where text is made clean (decision 12): stored as typed, shown as HTML that cannot bite.

`normalise` is what is stored, `to_html` is made once from it. Escaped, then linked by bleach; nh3 has the
last word, because bleach is no longer maintained and never stands alone. bleach does not escape: what it
takes for a comment or an instruction (`<!--`, `<?`) it leaves out, and what was typed would be lost.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import MutableMapping
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bleach.linkifier import Linker

# Control characters but tab and line feed, and the characters that turn text around (Unicode TR 36, 3.2).
_REMOVED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# Without one of these there is nothing to escape and nothing to link.
_NEEDS_WORK = re.compile(r"[<>&\"'.@\xa0]")
_SCHEMES = frozenset({"https", "mailto"})
_REL = "noopener noreferrer nofollow"


def normalise(text: str) -> str:
    """`text` in NFC without control and bidi-override characters; line breaks are line feeds."""
    return unicodedata.normalize("NFC", _REMOVED.sub("", text.replace("\r\n", "\n")))


def to_html(text: str) -> str:
    """Safe HTML of normalised text: everything escaped, web and e-mail addresses linked.

    Links are https or mailto only, with rel and target. Line breaks stay line feeds. Cost is linear
    in the length, which the caller has limited.
    """
    if not _NEEDS_WORK.search(text):
        return text
    import nh3

    return nh3.clean(
        _linker().linkify(escape(text, quote=False)),
        tags={"a"},
        attributes={"a": {"href", "target"}},
        url_schemes=set(_SCHEMES),
        link_rel=_REL,
    )


@lru_cache(maxsize=1)
def _linker() -> Linker:
    """bleach takes 60 ms to import: only a message that may hold a link pays for it."""
    from bleach.linkifier import Linker

    callbacks: Any = [_safe_link]  # the stubs do not know that None means "no link"
    return Linker(callbacks=callbacks, parse_email=True)


def _safe_link(attributes: MutableMapping[Any, str], new: bool = False) -> MutableMapping[Any, str] | None:
    """The attributes of a link bleach found, or None to leave it text. A bare domain is linked by https."""
    href = attributes[None, "href"]
    if not attributes["_text"].startswith("http://"):
        href = re.sub("^http://", "https://", href)
    if href.partition(":")[0] not in _SCHEMES:
        return None
    return {(None, "href"): href, (None, "target"): "_blank", "_text": attributes["_text"]}
