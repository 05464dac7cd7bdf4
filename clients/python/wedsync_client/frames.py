"""What travels and what comes of it: frames, events, and the effects of a step of the protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wedsync_client.state import StateChanged

Frame = Mapping[str, Any]
Message = Mapping[str, Any]

MAX_BATCH = 20
MAX_FRAME_BYTES = 28_000
MAX_CURSORS = 200
MAX_EVENTS = 300
NO_END = 2**62  # beyond any seq
MAX_WAIT = 20  # seconds, for something new, where nothing is pushed


def text_of(frame: Frame) -> str:
    """As it travels. Raises TypeError or ValueError for what is no JSON."""
    return json.dumps(frame, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a thread's log, or the span `seq`..`last` of it that is not the reader's (`void`)."""

    seq: int
    kind: str
    body: Frame

    @classmethod
    def of(cls, body: Frame) -> Event:
        """From an element of an `events` frame."""
        return cls(body["seq"], body["kind"], body)

    def after(self, seq: int) -> Event:
        """What of it comes after `seq`: a void may reach back into what is known."""
        if self.seq > seq or self.kind != "void":
            return self
        return Event(seq + 1, self.kind, {**self.body, "seq": seq + 1})

    @property
    def last(self) -> int:
        """Where a reader is after it."""
        return self.body.get("to_seq", self.seq)

    @property
    def message(self) -> Message | None:
        """The message as it was when the event was read: it replaces what one has."""
        return self.body.get("message")

    @property
    def truncated(self) -> str | None:
        """The id of the message, where that is too large for a frame."""
        return self.body["message_id"] if self.body.get("truncated") else None


@dataclass(frozen=True, slots=True)
class Place:
    """How far a device is in a thread; `head` is the last number heard of, `seen` what the person has read."""

    epoch: str
    seq: int
    head: int = 0
    seen: int = 0
    read: int = 0  # as far as the server knows of `seen`
    delivered: int = 0  # as far as it knows of `seq`
    loading: bool = False  # the newest page has to be loaded before anything else


@dataclass(frozen=True, slots=True)
class Queued:
    """A message that waits to be sent; `body` is what POST /threads/{id}/messages takes."""

    thread_id: str
    body: Message

    @property
    def client_msg_id(self) -> str:
        """What makes sending it twice sending it once."""
        return self.body["client_msg_id"]

    @property
    def is_emergency(self) -> bool:
        """Whether it waits for nothing."""
        return self.body.get("priority_level") == "emergency"


@dataclass(frozen=True, slots=True)
class Page:
    """The newest messages of a thread, or some before others, and the head of its log in the same snapshot."""

    thread_id: str
    epoch: str
    head_seq: int
    messages: Sequence[Message]


@dataclass(frozen=True, slots=True)
class Applied:
    """The next event of a thread; each comes once, in the order of the log."""

    thread_id: str
    epoch: str
    event: Event


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The thread was begun anew: `page` replaces all there was, the next event is page.head_seq + 1."""

    thread_id: str
    page: Page


@dataclass(frozen=True, slots=True)
class Filled:
    """A message too large for a frame, now with its text."""

    thread_id: str
    message: Message


@dataclass(frozen=True, slots=True)
class Left:
    """The thread is not yours any more: it was forgotten."""

    thread_id: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A message is in the log as `seq`; `duplicate` if it had been before."""

    thread_id: str
    client_msg_id: str
    seq: int
    epoch: str
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A message will never be in the log, for the reason `code`."""

    thread_id: str
    client_msg_id: str
    code: str


@dataclass(frozen=True, slots=True)
class Hint:
    """A frame that changes nothing here: typing, presence, receipt, me, notification, mode."""

    frame: Frame


Told = Applied | Reloaded | Filled | Left | Sent | Refused | Hint | StateChanged


# What only the client itself has to do.


@dataclass(frozen=True, slots=True)
class Keep:
    """Store how far a thread is."""

    thread_id: str
    place: Place


@dataclass(frozen=True, slots=True)
class Drop:
    """Store nothing of a thread any more."""

    thread_id: str


@dataclass(frozen=True, slots=True)
class Remember:
    """Store where the last whole sync ended."""

    since: str | None
    epoch: str | None


@dataclass(frozen=True, slots=True)
class Reoffer:
    """The log was restored: queue again what was sent under another epoch (R4)."""

    epoch: str


@dataclass(frozen=True, slots=True)
class Load:
    """Load the newest page of a thread over REST, or the one message that the event `at` was about."""

    thread_id: str
    message_id: str | None = None
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send a frame, once everything before it is stored."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Post:
    """Carry out a `send` frame over REST, whatever the connection does."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection; `frame` is the `bye` that asked for it, None for a dead line."""

    frame: Frame | None = None


@dataclass(frozen=True, slots=True)
class Renew:
    """Hand in another ticket: the token behind the connection ends soon."""


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Nothing is missing."""


Effect = Told | Keep | Drop | Remember | Reoffer | Load | Transmit | Post | Close | Renew | CaughtUp


@dataclass(frozen=True, slots=True)
class Saved:
    """What a device knows when it starts."""

    since: str | None = None
    epoch: str | None = None
    places: Mapping[str, Place] = field(default_factory=dict[str, Place])
    queued: Sequence[Queued] = ()
    truncated: Sequence[Load] = ()  # messages whose text is still to be loaded
