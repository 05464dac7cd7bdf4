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
# What shows nothing: spaces, the default-ignorable code points of Unicode and the noncharacters.
_UNSEEN = re.compile(
    "[\\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    + "".join(chr(plane + low) for plane in range(0, 0x110000, 0x10000) for low in (0xFFFE, 0xFFFF))
    + "]*"
)
# Without one of these there is nothing to escape and nothing to link.
_NEEDS_WORK = re.compile(r"[<>&\"'.@\xa0]")
# Where an e-mail address may begin: bleach would look for one from each character of a long word on.
_BEGINS = r"(?<![-!#$%&'*+/=?^_`{|}~0-9A-Z])(?<![-!#$%&'*+/=?^_`{|}~0-9A-Z]\.)"
_SCHEMES = frozenset({"https", "mailto"})
_REL = "noopener noreferrer nofollow"


def normalise(text: str) -> str:
    """`text` in NFC without control and bidi-override characters; line breaks are line feeds."""
    return unicodedata.normalize("NFC", _REMOVED.sub("", text.replace("\r\n", "\n")))


def shows_nothing(text: str) -> bool:
    """Whether a reader would see no more of it than of an empty text."""
    return _UNSEEN.fullmatch(text) is not None


def one_line(text: str) -> str:
    """Normalised text of one line, without spaces around it. Raises ValueError if it is empty, or more than a line."""
    line = normalise(text).strip()
    if "\t" in line or len(line.splitlines()) != 1 or shows_nothing(line):
        raise ValueError("one line that is not empty")
    return line


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
    from bleach.linkifier import EMAIL_RE, Linker

    callbacks: Any = [_safe_link]  # the stubs do not know that None means "no link"
    addresses = re.compile(_BEGINS + EMAIL_RE.pattern, EMAIL_RE.flags)
    return Linker(callbacks=callbacks, parse_email=True, email_re=addresses)


def _safe_link(attributes: MutableMapping[Any, str], new: bool = False) -> MutableMapping[Any, str] | None:
    """The attributes of a link bleach found, or None to leave it text. A bare domain is linked by https."""
    href = attributes[None, "href"]
    if not attributes["_text"].startswith("http://"):
        href = re.sub("^http://", "https://", href)
    if href.partition(":")[0] not in _SCHEMES:
        return None
    return {(None, "href"): href, (None, "target"): "_blank", "_text": attributes["_text"]}
