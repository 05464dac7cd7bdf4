"""What the description of one operation of the REST API is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Operation:
    """`answers` maps a status to its type, None for an answer without content; `problems` lists statuses.

    Which every operation with a body, a token or a key may be refused with need not be listed. 304 among the answers
    means `If-None-Match`, 428 among the problems `If-Match`; `located` means that 201 carries `Location`.
    A body that is not `body_required` may be left out. A POST that is not `keyed` takes no Idempotency-Key.
    """

    summary: str
    answers: dict[int, Any]
    problems: tuple[int, ...] = ()
    body: Any = None
    body_required: bool = True
    query: Any = None
    who: Literal["anybody", "a person", "a service"] = "a person"
    located: bool = False
    keyed: bool = True
