"""Payment card numbers, which have no business in a message about money (C10, PCI DSS 3)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final, LiteralString
from uuid import UUID

from pydantic import JsonValue

from wedsync.platform.db import Statement

# Fails the transaction in threads that take no card numbers: WS422.
_REFUSE: Final[LiteralString] = "select app.refuse_card_number(%(thread_id)s, %(field)s)"
_DIGITS = range(13, 20)
_DATE = re.compile(
    r"(?<!\d)(?:(?:0?[1-9]|[12]\d|3[01])([./-])(?:0?[1-9]|1[0-2])\1(?:19|20)\d\d"
    r"|(?:19|20)\d\d([./-])(?:0?[1-9]|1[0-2])\2(?:0?[1-9]|[12]\d|3[01]))(?!\d)"
)
# Points and commas part groups where there are several alike, or both sides are as long as a card's; else decimals.
_POINTED = re.compile(r"(?<!\d)\d+(?:[.,]\d+)+")
_GROUPS = re.compile(r"\d{4,6}[.,]\d{3,6}|\d+(?:\.\d+){2,}|\d+(?:,\d+){2,}")
# Digits in groups, as people write them: up to three characters that are no letters between two. Decimals are none.
_GROUPED = re.compile(r"(?<!\d)(?<!\d[.,])\d+(?:(?:[^\w.,]|_){1,3}\d+)*")
# What issuers give out (ISO/IEC 7812): Visa, Mastercard, American Express, Diners, JCB, Discover, UnionPay, Maestro.
_ISSUED = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"
    r"|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11,16}"
    r"|35(?:2[89]|[3-8]\d)\d{12,15}"
    r"|6(?:011|4[4-9]\d|5\d\d|2\d\d)\d{12,15}"
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{9,15}"
)


def refusals(thread_id: UUID, **stated: JsonValue) -> list[Statement]:
    """What comes before storing these fields in a thread: nothing, unless one of them holds a card number."""
    field = holder(stated)
    return [] if field is None else [(_REFUSE, {"thread_id": thread_id, "field": field})]


def holder(stated: Mapping[str, JsonValue]) -> str | None:
    """The first of these fields with a card number in it, or None."""
    return next((field for field, value in stated.items() if any_holds(value)), None)


def any_holds(stated: JsonValue) -> bool:
    """Whether there is a card number in a text, or in a text or whole number somewhere in a JSON value."""
    if isinstance(stated, dict):
        return any(any_holds(name) or any_holds(value) for name, value in stated.items())
    if isinstance(stated, list):
        return any(map(any_holds, stated))
    return isinstance(stated, (str, int)) and holds_card_number(str(stated))


def holds_card_number(text: str) -> bool:
    """Whether some of the digits in `text`, grouped or not, begin and end like a card's and pass its check."""
    return any(_ISSUED.fullmatch(number) and _checks(number) for number in _numbers(text))


def _numbers(text: str) -> Iterator[str]:
    """Every run of whole groups that is as long as a card number."""
    undated = _DATE.sub("date", _plain(text))
    spaced = _POINTED.sub(lambda found: _spaced(found[0]), undated)
    for found in _GROUPED.finditer(spaced):
        groups = ["".join(str(int(digit)) for digit in group) for group in re.findall(r"\d+", found[0])]
        for first in range(len(groups)):
            number = ""
            for group in groups[first:]:
                number += group
                if len(number) in _DIGITS:
                    yield number
                elif len(number) > _DIGITS[-1]:
                    break


def _plain(text: str) -> str:
    """Without what nobody sees between two digits: marks, and characters of no width."""
    if text.isascii():
        return text
    return "".join(
        letter
        for letter in unicodedata.normalize("NFKC", text)
        if unicodedata.category(letter) not in ("Cf", "Me", "Mn")
    )


def _spaced(pointed: str) -> str:
    return pointed.replace(".", " ").replace(",", " ") if _GROUPS.fullmatch(pointed) else pointed


def _checks(number: str) -> bool:
    """The check digit (ISO/IEC 7812-1 annex B, Luhn)."""
    doubled = [int(digit) * 2 for digit in number[-2::-2]]
    return (sum(map(int, number[-1::-2])) + sum(d // 10 + d % 10 for d in doubled)) % 10 == 0
