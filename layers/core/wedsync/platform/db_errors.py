"""What a database error means to the one who asked."""

from __future__ import annotations

from uuid import UUID

import psycopg

from wedsync.platform.errors import (
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionFailed,
    Problem,
    Unavailable,
)
from wedsync.platform.idempotency import Answered

# States that the schema's functions raise.
_RAISED: dict[str, type[Problem]] = {
    "WS403": Forbidden,
    "WS404": NotFound,
    "WS409": Conflict,
    "WS412": PreconditionFailed,
}
# Classes of SQLSTATE (PostgreSQL manual, appendix A) that pass by themselves: connection, resources, operator
# intervention, deadlock and serialisation, lock time-out, a failed-over writer.
_PASSING_CLASSES = frozenset({"08", "53", "57", "40"})
_PASSING_STATES = frozenset({"WS503", "55P03", "25P03", "25006"})


def problem_of(error: psycopg.Error) -> Exception:
    """The Problem or the Answered that `error` stands for, or `error` itself if it is a defect of ours."""
    state = error.sqlstate
    if state is None:
        return (
            Unavailable("the database cannot be reached")
            if isinstance(error, psycopg.OperationalError)
            else error
        )
    if state in _PASSING_STATES or state[:2] in _PASSING_CLASSES:
        return Unavailable("the database is busy or restarting")
    if state == "WS208":
        made = error.diag.message_hint
        return Answered(int(error.diag.message_detail or 0), UUID(made) if made else None)
    said = error.diag.message_primary or ""
    if state == "WS422":
        return Invalid(said, errors=(FieldError(error.diag.message_hint or "", said),))
    raised = _RAISED.get(state)
    return error if raised is None else raised() if raised is NotFound else raised(said)
