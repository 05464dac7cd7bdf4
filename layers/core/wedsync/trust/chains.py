"""Whether the log of a contract or payment thread still says what was written (C10, R27)."""

from __future__ import annotations

from typing import Any, Final, Literal, LiteralString
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from wedsync.platform.context import Caller
from wedsync.platform.db import transaction
from wedsync.platform.errors import FieldError, Invalid

VERIFY: Final[LiteralString] = (
    "select * from app.verify_thread(%(thread_id)s, %(seq)s, %(after_seq)s, %(up_to)s)"
)


AT_ONCE = 5_000  # events; each is hashed twice


class VerificationQuery(BaseModel):
    """Whose link is asked for (without a seq, that of the head), and after which seq to begin."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    seq: int | None = Field(default=None, ge=1, le=2**62)
    after_seq: int = Field(default=0, ge=0, le=2**62)


class Verification(TypedDict):
    """`broken` from `broken_at` on; contents at `erased` were erased by an event of the log, which still holds.

    What was checked ends at `checked_to`; where that is before the head, go on with it as `after_seq`.
    `link` stands for everything up to `seq`: who keeps it can tell later whether any of that was replaced.
    Threads of other types are `unchained` and have no link.
    """

    thread_id: str
    state: Literal["intact", "broken", "unchained"]
    head_seq: int
    checked_to: int
    broken_at: int | None
    erased: list[int]
    seq: int
    link: str | None


def verify(who: Caller, thread_id: UUID, query: VerificationQuery) -> Verification:
    """Check the log of a thread, at most `AT_ONCE` events. Raises NotFound, Invalid for a seq beyond the head."""
    (rows,) = transaction(who, (VERIFY, {"thread_id": thread_id, "up_to": AT_ONCE, **query.model_dump()}))
    (row,) = rows
    if row["seq"] is None:
        raise Invalid(errors=(FieldError("seq", "beyond the head of the thread"),))
    chained: bool = row["chained"]
    link: bytes | None = row["link"]
    return {
        "thread_id": str(thread_id),
        "state": _state(row) if chained else "unchained",
        "head_seq": row["head_seq"],
        "checked_to": row["checked_to"],
        "broken_at": row["broken_at"] if chained else None,
        "erased": row["erased"],
        "seq": row["seq"],
        "link": None if link is None else link.hex(),
    }


def _state(row: dict[str, Any]) -> Literal["intact", "broken"]:
    return "intact" if row["broken_at"] is None else "broken"
