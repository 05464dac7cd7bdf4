"""What clients send about conversations, checked at the edge. Unknown fields are refused."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, model_validator

from wedsync.conversations.payloads import Location, Offer, Payload, Stated
from wedsync.conversations.search_terms import QUERY_CHARACTERS
from wedsync.platform.ids import CANONICAL
from wedsync.platform.written_times import Day
from wedsync.trust.sanitising import normalise, one_line, shows_nothing

MESSAGE_CHARACTERS = 8_000
SUBJECT_CHARACTERS = 200
FACTS_BYTES = 4_096
FACTS_DEPTH = 8
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
Permission = Literal["read", "post", "react", "pin", "invite", "manage"]


def _clean_message(text: str) -> str:
    cleaned = normalise(text)
    if shows_nothing(cleaned):
        raise ValueError("there is nothing in it")
    if len(cleaned) > MESSAGE_CHARACTERS:
        raise ValueError(f"longer than {MESSAGE_CHARACTERS} characters")
    return cleaned


def _clean_line(text: str) -> str:
    cleaned = one_line(text)
    if len(cleaned) > SUBJECT_CHARACTERS:
        raise ValueError(f"longer than {SUBJECT_CHARACTERS} characters")
    return cleaned


def _storable(facts: dict[str, Any]) -> dict[str, Any]:
    """PostgreSQL's jsonb refuses NUL and lone surrogates; facts are few and flat, not a place for long text."""
    if not _flat(facts, FACTS_DEPTH):
        raise ValueError(f"more than {FACTS_DEPTH} levels deep, or with NUL in it")
    try:
        written = json.dumps(facts, ensure_ascii=False, allow_nan=False).encode()
    except (UnicodeEncodeError, ValueError):
        raise ValueError("not storable as JSON") from None
    if len(written) > FACTS_BYTES:
        raise ValueError(f"longer than {FACTS_BYTES} bytes of JSON")
    return facts


def _flat(value: JsonValue, levels: int) -> bool:
    """Whether there are at most so many levels, and NUL in none of them."""
    if isinstance(value, str):
        return "\0" not in value
    if isinstance(value, dict):
        return levels > 0 and all("\0" not in name and _flat(value[name], levels - 1) for name in value)
    return not isinstance(value, list) or (levels > 0 and all(_flat(each, levels - 1) for each in value))


def _canonical(stated: object) -> object:
    """Ids come back as they went: of the forms of a UUID only the one we write ourselves is taken."""
    if isinstance(stated, str) and not CANONICAL.fullmatch(stated):
        raise ValueError("a UUID in the hyphenated form")
    return stated


Id = Annotated[UUID, BeforeValidator(_canonical)]
Seq = Annotated[int, Field(strict=True, ge=0, le=2**62)]
Epoch = Annotated[str, Field(pattern=r"^[!-~]{1,32}$")]
Text = Annotated[str, Field(min_length=1, max_length=MESSAGE_CHARACTERS), AfterValidator(_clean_message)]
Line = Annotated[str, Field(min_length=1, max_length=SUBJECT_CHARACTERS), AfterValidator(_clean_line)]
Mentions = Annotated[
    tuple[Id, ...], Field(max_length=MENTIONS), AfterValidator(lambda people: tuple(dict.fromkeys(people)))
]
Facts = Annotated[dict[str, Any], AfterValidator(_storable)]


class MessageContent(Stated):
    """What a message is, whenever it is sent. `message` is for those too who cannot show the payload."""

    message: Text
    message_type: Literal["text", "location", "offer"] = "text"
    payload: Payload | None = None
    parent_message_id: Id | None = None
    mentions: Mentions = ()
    priority_level: MessagePriority = "normal"
    requires_ack: bool = Field(default=False, strict=True)
    wedding_context: Facts = Field(default={})
    metadata: Facts = Field(default={})

    @model_validator(mode="after")
    def _payload_of_its_type(self) -> MessageContent:
        wanted = {"text": type(None), "location": Location, "offer": Offer}[self.message_type]
        if type(self.payload) is not wanted:
            raise ValueError("payload: that of the message_type, and none for text")
        return self

    def written(self) -> dict[str, JsonValue]:
        """Whatever in it a person may have typed, by field."""
        payload = self.payload.model_dump(mode="json") if self.payload else None
        return {
            "message": self.message,
            "wedding_context": self.wedding_context,
            "metadata": self.metadata,
            "payload": payload,
        }


class NewMessage(MessageContent):
    """A message to send; the same `client_msg_id` again is the same message (R13).

    `epoch`: that of the answer which the message had before, for one that is offered again after a restore (R4).
    """

    client_msg_id: Id
    epoch: Epoch | None = None


class NewParticipant(Stated):
    """Somebody who is in a thread from its beginning."""

    user_id: Id
    role: Role = "participant"


class NewThread(Stated):
    """A thread, the people in it, and perhaps its first message."""

    wedding_id: Id
    subject: Line
    thread_type: ThreadType = "general"
    priority_level: ThreadPriority = "normal"
    visibility: Visibility = "participants"
    natural_key: Annotated[str, Field(pattern=r"^[!-~]{1,200}$")] | None = None
    surprise: bool = Field(default=False, strict=True)
    participants: tuple[NewParticipant, ...] = Field(default=(), max_length=PARTICIPANTS)
    wedding_context: Facts = Field(default={})
    metadata: Facts = Field(default={})
    message: NewMessage | None = None

    @model_validator(mode="after")
    def _each_person_once(self) -> NewThread:
        if len({person.user_id for person in self.participants}) != len(self.participants):
            raise ValueError("a person is listed twice")
        return self

    @model_validator(mode="after")
    def _no_surprise_for_hosts(self) -> NewThread:
        if self.surprise and self.visibility == "hosts":
            raise ValueError("a surprise is not for the hosts to see")
        return self


class FromSeq(Stated):
    """History from this seq on."""

    from_seq: Annotated[int, Field(strict=True, ge=1, le=2**62)]


class AddedParticipant(Stated):
    """Somebody to add to a thread, and how much of its history he sees (R6)."""

    user_id: Id
    role: Role = "participant"
    history: Literal["none", "all"] | FromSeq = "none"


class Cursor(Stated):
    """How far a person has read, or a device has stored, within an epoch."""

    seq: Seq
    epoch: Epoch


class ThreadQuery(Stated):
    """Filters of GET /threads."""

    wedding_id: Id | None = None
    thread_type: ThreadType | None = None
    status: Literal["active", "closed", "archived", "frozen", "all"] | None = None
    priority_level: ThreadPriority | None = None
    participant: Id | None = None
    unread: bool = False
    wedding_from: Day | None = None
    wedding_to: Day | None = None
    q: str | None = Field(default=None, min_length=1, max_length=QUERY_CHARACTERS)
    sort: Literal["-last_activity", "wedding_date"] = "-last_activity"
    limit: int = Field(default=50, ge=1, le=PAGE)
    cursor: str | None = Field(default=None, min_length=1, max_length=500)


class MessageQuery(Stated):
    """Anchors of GET /threads/{id}/messages; without one, the newest page."""

    before_seq: int | None = Field(default=None, ge=1, le=2**62)
    after_seq: int | None = Field(default=None, ge=0, le=2**62)
    around_seq: int | None = Field(default=None, ge=1, le=2**62)
    from_: Literal["first_unread"] | None = Field(default=None, alias="from")
    limit: int = Field(default=50, ge=1, le=PAGE)
    cursor: str | None = Field(default=None, min_length=1, max_length=500)

    @model_validator(mode="after")
    def _one_anchor(self) -> MessageQuery:
        anchors = (self.before_seq, self.after_seq, self.around_seq, self.from_, self.cursor)
        if sum(anchor is not None for anchor in anchors) > 1:
            raise ValueError("give one of before_seq, after_seq, around_seq, from and cursor")
        return self
