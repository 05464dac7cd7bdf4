"""What clients send about messages that are there, or are not yet."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any

from pydantic import Field, model_validator

from wedsync.conversations.models import Id, Mentions, MessageContent, MessagePriority, Text
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
_NO_CHARACTERS = "\ufffc\ufffd"  # stand for what was not text
_TIMES = {"send_at", "relative", "at"}
_RELATIVE = r"^P-?([0-9]{1,3}D|[0-9]{1,2}W)$"


class EditedMessage(Stated):
    """The new text of a message, and whom it mentions: absent, the same people as before."""

    message: Text
    mentions: Mentions | None = None


class Draft(Stated):
    """What somebody has begun to write."""

    message: Text
    parent_message_id: Id | None = None


Relative = Annotated[str, Field(pattern=_RELATIVE, examples=["P-7D"])]
WallTime = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["09:00"])]


class LaterMessage(MessageContent):
    """A message to be sent at a time, or at a wall time some days from the wedding, in its zone (R18)."""

    send_at: Moment | None = None
    relative: Relative | None = None
    at: WallTime | None = None

    @model_validator(mode="after")
    def _one_time(self) -> LaterMessage:
        if (self.send_at is None) == (self.relative is None) or (self.relative is None) != (self.at is None):
            raise ValueError("give send_at, or relative and at")
        return self

    def content(self) -> dict[str, Any]:
        """What is to be sent, as JSON that `MessageContent` reads again."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude=_TIMES)


class LaterEdit(Stated):
    """New values of some fields of a scheduled message, another time, or both."""

    message: Text = ""
    mentions: Mentions = ()
    priority_level: MessagePriority = "normal"
    requires_ack: bool = Field(default=False, strict=True)
    send_at: Moment | None = None
    relative: Relative | None = None
    at: WallTime | None = None

    @model_validator(mode="after")
    def _something_and_one_time(self) -> LaterEdit:
        if not self.model_fields_set:
            raise ValueError("give at least one field")
        if (self.send_at and self.relative) or (self.relative is None) != (self.at is None):
            raise ValueError("give one time: send_at, or relative and at")
        return self

    def changed(self) -> dict[str, Any]:
        """What is to be said otherwise, as JSON."""
        return self.model_dump(mode="json", exclude_unset=True, exclude=_TIMES)


def offset_days(relative: str | None) -> int | None:
    """Days from the wedding, negative before it; None for an absolute time."""
    return None if relative is None else int(relative[1:-1]) * (7 if relative.endswith("W") else 1)


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
    return "s" if unicodedata.category(character) == "So" and character not in _NO_CHARACTERS else "?"
