"""What clients send about conversations, checked at the edge. Unknown fields are refused."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from wedsync.trust.sanitising import normalise

MESSAGE_CHARACTERS = 8_000
SUBJECT_CHARACTERS = 200
FACTS_BYTES = 4_096
PARTICIPANTS = 100
MENTIONS = 50
PAGE = 100

ThreadType = Literal[
    "general",
    "vendor_coordination",
    "timeline",
    "guest_logistics",
    "payment",
    "contract",
    "emergency",
    "announcement",
]
Status = Literal["active", "closed", "archived", "frozen"]
ThreadPriority = Literal["low", "normal", "high", "urgent"]
MessagePriority = Literal["low", "normal", "high", "urgent", "emergency"]
Visibility = Literal["participants", "hosts"]
Role = Literal["owner", "participant", "observer"]


def _clean_message(text: str) -> str:
    cleaned = normalise(text)
    if not cleaned.strip():
        raise ValueError("there is nothing in it")
    if len(cleaned) > MESSAGE_CHARACTERS:
        raise ValueError(f"longer than {MESSAGE_CHARACTERS} characters")
    return cleaned


def _clean_line(text: str) -> str:
    cleaned = normalise(text).strip()
    if not cleaned or "\n" in cleaned or "\t" in cleaned:
        raise ValueError("one line that is not empty")
    if len(cleaned) > SUBJECT_CHARACTERS:
        raise ValueError(f"longer than {SUBJECT_CHARACTERS} characters")
    return cleaned


def _storable(facts: dict[str, Any]) -> dict[str, Any]:
    """PostgreSQL's jsonb refuses NUL and lone surrogates; a fact is not a place for long text."""
    try:
        written = json.dumps(facts, ensure_ascii=False, allow_nan=False).encode()
    except (UnicodeEncodeError, ValueError, RecursionError):
        raise ValueError("not storable as JSON") from None
    if len(written) > FACTS_BYTES:
        raise ValueError(f"longer than {FACTS_BYTES} bytes of JSON")
    if b"\\u0000" in written:
        raise ValueError("NUL cannot be stored")
    return facts


Text = Annotated[str, Field(min_length=1, max_length=MESSAGE_CHARACTERS), AfterValidator(_clean_message)]
Line = Annotated[str, Field(min_length=1, max_length=SUBJECT_CHARACTERS), AfterValidator(_clean_line)]
Facts = Annotated[dict[str, Any], AfterValidator(_storable)]


class Stated(BaseModel):
    """A request body."""

    # Built when first used: most requests need one of them.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class NewMessage(Stated):
    """A message to send; the same `client_msg_id` again is the same message (R13)."""

    message: Text
    client_msg_id: UUID
    message_type: Literal["text"] = "text"
    parent_message_id: UUID | None = None
    mentions: tuple[UUID, ...] = Field(default=(), max_length=MENTIONS)
    priority_level: MessagePriority = "normal"
    wedding_context: Facts = {}
    metadata: Facts = {}


class NewParticipant(Stated):
    """Somebody who is in a thread from its beginning."""

    user_id: UUID
    role: Role = "participant"


class NewThread(Stated):
    """A thread, the people in it, and perhaps its first message."""

    wedding_id: UUID
    subject: Line
    thread_type: ThreadType = "general"
    priority_level: ThreadPriority = "normal"
    visibility: Visibility = "participants"
    participants: tuple[NewParticipant, ...] = Field(default=(), max_length=PARTICIPANTS)
    wedding_context: Facts = {}
    metadata: Facts = {}
    message: NewMessage | None = None

    @model_validator(mode="after")
    def _each_person_once(self) -> NewThread:
        if len({person.user_id for person in self.participants}) != len(self.participants):
            raise ValueError("a person is listed twice")
        return self


class FromSeq(Stated):
    """History from this seq on."""

    from_seq: int = Field(ge=1, le=2**62)


class AddedParticipant(Stated):
    """Somebody to add to a thread, and how much of its history he sees (R6)."""

    user_id: UUID
    role: Role = "participant"
    history: Literal["none", "all"] | FromSeq = "none"


class Cursor(Stated):
    """How far a person has read, or a device has stored, within an epoch."""

    seq: int = Field(ge=0, le=2**62)
    epoch: str = Field(min_length=1, max_length=32)


class ThreadQuery(Stated):
    """Filters of GET /threads."""

    wedding_id: UUID | None = None
    thread_type: ThreadType | None = None
    status: Status | None = None
    limit: int = Field(default=50, ge=1, le=PAGE)
    cursor: str | None = Field(default=None, min_length=1, max_length=500)


class MessageQuery(Stated):
    """Anchors of GET /threads/{id}/messages; without one, the newest page."""

    before_seq: int | None = Field(default=None, ge=1, le=2**62)
    after_seq: int | None = Field(default=None, ge=0, le=2**62)
    limit: int = Field(default=50, ge=1, le=PAGE)
    cursor: str | None = Field(default=None, min_length=1, max_length=500)

    @model_validator(mode="after")
    def _one_anchor(self) -> MessageQuery:
        if sum(anchor is not None for anchor in (self.before_seq, self.after_seq, self.cursor)) > 1:
            raise ValueError("give one of before_seq, after_seq and cursor")
        return self
