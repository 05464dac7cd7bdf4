"""The frames of `wedsync.v1` that are about people and not in the log: lost ones are not made up for (R2, T7)."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from typing_extensions import TypedDict

from wedsync.realtime.protocol import ClientFrame, CorrelationId

Own = Literal["place", "draft", "scheduled"]


class Focus(ClientFrame):
    """This thread is on screen and visible, or none is: on each change, and every 4 s while one is. No answer."""

    action: Literal["focus"]
    id: CorrelationId | None = None
    thread_id: UUID | None


class Typing(ClientFrame):
    """The person types: at most every 3 s. No answer."""

    action: Literal["typing"]
    id: CorrelationId | None = None
    thread_id: UUID


class ReceiptFrame(TypedDict):
    """How far a person has got in a thread, at most once a second; one's own is told to all one's devices."""

    type: Literal["receipt"]
    thread_id: str
    user_id: str
    delivered_seq: int
    read_seq: int


class TypingFrame(TypedDict):
    """Somebody types, for so many seconds unless it comes again or his message does."""

    type: Literal["typing"]
    thread_id: str
    user_id: str
    ttl: int


class PresenceFrame(TypedDict):
    """Who looks at the thread now, oneself included: instead of who did before, and for so many seconds."""

    type: Literal["presence"]
    thread_id: str
    user_ids: list[str]
    ttl: int


class MeFrame(TypedDict):
    """What is yours alone in a thread has changed: `sync` lists its `me`; load the draft, or what is scheduled."""

    type: Literal["me"]
    thread_id: str
    changed: Own
