"""The words of notifications: one file for each text, `$name` stands for a value.

What people wrote is only ever a value. A text depends on nothing but the delivery and the message: a
repeated one must be the same, byte for byte, or the provider's idempotency key refuses it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from string import Template

from wedsync.notifications.deliveries import NotificationText


def render(name: str, **values: str) -> str:
    """The text in the file `name` of this folder. Raises KeyError for a value that is missing."""
    return _template(name).substitute(values)


def sender(text: NotificationText) -> str:
    """Who wrote it, on one line."""
    return one_line(text.sender_name or "Somebody who has left the thread")


def one_line(words: str) -> str:
    """Without line breaks: for subjects and titles."""
    return " ".join(words.split())


def cut(words: str, length: int) -> str:
    """At most `length` characters."""
    return words if len(words) <= length else words[: length - 3].rstrip() + "..."


@cache
def _template(name: str) -> Template:
    return Template((Path(__file__).parent / name).read_text(encoding="utf-8").rstrip("\n"))
