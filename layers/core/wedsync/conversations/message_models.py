"""What clients send about messages that are there, or are not yet."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any

from pydantic import Field, model_validator

from wedsync.conversations.models import Id, Mentions, MessageContent, Text
from wedsync.conversations.payloads import Stated
from wedsync.platform.errors import FieldError, Invalid
from wedsync.platform.written_times import Moment

EMOJI_CODE_POINTS = 12  # two people of stated skin tones kissing are ten
# Emoji by the grammar of UTS #51, 1.4.9, with a letter for what a character can be.
_EMOJI = re.compile("s[vc]?g*(js[vc]?g*)*|rr|kv?e")
_PARTS = {
    "j": re.compile("\u200d"),
    "v": re.compile("\ufe0f"),
    "e": re.compile("\u20e3"),
    "k": re.compile("[0-9#*]"),
    "c": re.compile("[\U0001f3fb-\U0001f3ff]"),
    "g": re.compile("[\U000e0020-\U000e007f]"),
    "r": re.compile("[\U0001f1e6-\U0001f1ff]"),
    "s": re.compile("[\u203c\u2049\u2194\u25fb-\u25fe\u3030\u303d]"),  # emoji that are no symbols by category
}
_RELATIVE = r"^P-?([0-9]{1,3}D|[0-9]{1,2}W)$"


class EditedMessage(Stated):
    """The new text of a message, and whom it mentions: absent, the same people as before."""

    message: Text
    mentions: Mentions | None = None


class Draft(Stated):
    """What somebody has begun to write."""

    message: Text
    parent_message_id: Id | None = None


class LaterMessage(MessageContent):
    """A message to be sent at a time, or at a wall time some days from the wedding, in its zone (R18)."""

    send_at: Moment | None = None
    relative: Annotated[str, Field(pattern=_RELATIVE, examples=["P-7D"])] | None = None
    at: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["09:00"])] | None = None

    @model_validator(mode="after")
    def _one_time(self) -> LaterMessage:
        if (self.send_at is None) == (self.relative is None) or (self.relative is None) != (self.at is None):
            raise ValueError("give send_at, or relative and at")
        return self

    def offset_days(self) -> int | None:
        """Days from the wedding, negative before it; None for an absolute time."""
        if self.relative is None:
            return None
        return int(self.relative[1:-1]) * (7 if self.relative.endswith("W") else 1)

    def content(self) -> dict[str, Any]:
        """What is to be sent, as JSON that `MessageContent` reads again."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"send_at", "relative", "at"})


def emoji(stated: str) -> str:
    """One emoji in the form that is stored. Raises Invalid for anything else.

    NFC; a symbol of the older blocks gets the selector that makes it an emoji: it is one reaction however it was typed.
    """
    text = unicodedata.normalize("NFC", stated)
    if len(text) == 1 and text < "\U0001f000":
        text += "\ufe0f"
    if len(text) > EMOJI_CODE_POINTS or not _EMOJI.fullmatch("".join(map(_part, text))):
        raise Invalid(errors=(FieldError("emoji", "one emoji"),))
    return text


def _part(character: str) -> str:
    """What a character can be in an emoji, as a letter of `_EMOJI`."""
    for letter, found in _PARTS.items():
        if found.fullmatch(character):
            return letter
    return "s" if unicodedata.category(character) == "So" else "?"
