"""The frames of `wedsync.v1` (contract.md section 3); docs/asyncapi.yaml is generated from them.

What clients send is checked by pydantic; what we send is typed dictionaries, so that a push costs
no second validation.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from wedsync.conversations.events import Event
from wedsync.conversations.models import Cursor, Epoch, Id, NewMessage, Seq
from wedsync.conversations.replay import ChangedThread, Reason

SUBPROTOCOL = "wedsync.v1"
FRAME_BYTES = 28_000  # of UTF-8, either way: API Gateway cuts and bills at 32 KB
MAX_BATCH = 20
MAX_CURSORS = 200
MAX_EVENTS = 300
MAX_WAIT = 20  # seconds; API Gateway gives an answer 29

CorrelationId = Annotated[str, Field(pattern=r"^[!-~]{1,64}$")]


class ClientFrame(BaseModel):
    """What a client sends; unknown fields are refused."""

    # Built when first used: most requests need one of them.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Wanted(ClientFrame):
    """What a device has: the token of its last sync, and how far it is in each thread."""

    since: str | None = Field(default=None, max_length=500)
    cursors: dict[Id, Cursor] = Field(default={}, max_length=MAX_CURSORS)
    limit: int = Field(default=MAX_EVENTS, ge=1, le=MAX_EVENTS, strict=True)


class Sync(Wanted):
    """Catch up: the first frame of a connection, after every gap, and every 120 s (R19)."""

    action: Literal["sync"]
    id: CorrelationId


class Poll(Wanted):
    """Catch up over REST; `wait` so many seconds for something new, if there is a `since` to measure it by."""

    wait: int = Field(default=0, ge=0, le=MAX_WAIT, strict=True)


class Send(ClientFrame):
    """Send messages in order, in one transaction (R14)."""

    action: Literal["send"]
    id: CorrelationId
    thread_id: UUID
    messages: tuple[NewMessage, ...] = Field(min_length=1, max_length=MAX_BATCH)


class Ack(ClientFrame):
    """Everything up to these seqs is stored on this device (R16). No answer."""

    action: Literal["ack"]
    id: CorrelationId | None = None
    epoch: Epoch
    cursors: dict[Id, Seq] = Field(min_length=1, max_length=MAX_CURSORS)


class Read(ClientFrame):
    """The person has seen everything up to this seq. No answer."""

    action: Literal["read"]
    id: CorrelationId | None = None
    epoch: Epoch
    thread_id: UUID
    seq: Seq


class Auth(ClientFrame):
    """Stay connected under a new token: a ticket for this device, asked for with it."""

    action: Literal["auth"]
    id: CorrelationId
    ticket: str = Field(max_length=200)


class Ping(ClientFrame):
    """Answered by the gateway itself; also keeps the connection from idling out."""

    action: Literal["ping"]


class EventsFrame(TypedDict):
    """Events of one thread, contiguous from `from_seq`; a live push has no `re`."""

    type: Literal["events"]
    re: NotRequired[str]
    thread_id: str
    epoch: str
    from_seq: int
    to_seq: int
    head_seq: int
    more: bool
    events: list[Event]


class ResyncRequiredFrame(TypedDict):
    """Drop the thread's cache, load its newest page, adopt its head, sync (R20)."""

    type: Literal["resync_required"]
    re: str
    thread_id: str
    reason: Reason
    epoch: str
    head_seq: int


class SyncedFrame(TypedDict):
    """What changed since; comes last, in parts counted from 1: `since` stands in the one with `more: false`."""

    type: Literal["synced"]
    re: str
    threads: list[ChangedThread]
    gone: list[str]
    inbox_head: str | None
    part: int
    more: bool
    since: str | None


class SentResult(TypedDict):
    """What became of one message; `code` says why it is not in the log."""

    client_msg_id: str
    status: Literal["ok", "duplicate", "error"]
    id: str | None
    seq: int | None
    duplicate: bool
    code: str | None


class SentFrame(TypedDict):
    """The answer to `send`, one result per message and in their order."""

    type: Literal["sent"]
    re: str
    thread_id: str
    epoch: str
    results: list[SentResult]


class AccessFrame(TypedDict):
    """The thread is no longer yours: forget it."""

    type: Literal["access"]
    thread_id: str
    state: Literal["revoked"]


class Notification(TypedDict):
    """One item of the in-app inbox, as GET /notifications lists it; `message` is cut to a preview."""

    id: str
    category: Literal["ordinary", "urgent", "emergency"]
    thread_id: str
    message_id: str
    seq: int
    subject: str
    sender_name: str | None
    message: str
    created_at: str
    seen_at: str | None
    read_at: str | None


class NotificationFrame(TypedDict):
    """Something new in the inbox. Like every push a hint: GET /notifications is the truth."""

    type: Literal["notification"]
    notification: Notification


class ErrorField(TypedDict):
    field: str
    message: str


class ErrorFrame(TypedDict):
    """A frame was refused and changed nothing; codes are those of the REST API, and `unknown_action`."""

    type: Literal["error"]
    re: str | None
    code: str
    detail: str
    errors: NotRequired[list[ErrorField]]
    retry_after_ms: NotRequired[int]


def encode(frame: Any) -> bytes:
    """A frame as it goes out."""
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode()
