"""Reading and writing the frames of `protocol`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TypeVar

from pydantic import ValidationError

from wedsync.conversations.messages import Sent
from wedsync.platform import json_text
from wedsync.platform.clock import rfc3339
from wedsync.platform.errors import Invalid, Malformed, Problem, TooLarge
from wedsync.platform.refused_fields import field_errors
from wedsync.realtime.connection_frames import AuthOkFrame
from wedsync.realtime.protocol import (
    FRAME_BYTES,
    Auth,
    ClientFrame,
    ErrorFrame,
    Send,
    SentFrame,
    SentResult,
)

Bodied = TypeVar("Bodied", bound=ClientFrame)


def parse(model: type[Bodied], body: str) -> Bodied:
    """A client's frame; raises TooLarge, Malformed or Invalid, which never repeat what was sent."""
    if len(body.encode(errors="replace")) > FRAME_BYTES:
        raise TooLarge(f"a frame is at most {FRAME_BYTES} bytes")
    try:
        json_text.loads(body)  # pydantic takes the last of two fields with one name
    except (ValueError, RecursionError):
        raise Malformed("not JSON, or a field is named twice") from None
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        if any(each["type"] == "json_invalid" for each in error.errors()):
            raise Malformed("not JSON") from None
        raise Invalid(errors=field_errors(error)) from None


def unroutable(body: str) -> ErrorFrame:
    """The `error` frame for a frame without a route: it is no JSON object, or names no action of ours."""
    try:
        readable = isinstance(json_text.loads(body), dict)
    except (ValueError, RecursionError):
        readable = False
    if not readable:
        return refusal(Malformed("not a JSON object"), body)
    return {
        "type": "error",
        "re": _correlation(body),
        "code": "unknown_action",
        "detail": "There is no such action",
    }


def refusal(problem: Problem, body: str) -> ErrorFrame:
    """The `error` frame that answers `body`, which may be anything."""
    frame: ErrorFrame = {
        "type": "error",
        "re": _correlation(body),
        "code": problem.code,
        "detail": problem.detail,
    }
    if problem.errors:
        frame["errors"] = [{"field": each.field, "message": each.message} for each in problem.errors]
    if "Retry-After" in problem.headers:
        frame["retry_after_ms"] = int(problem.headers["Retry-After"]) * 1000
    return frame


def sent(frame: Send, answer: Sent) -> SentFrame:
    """The answer to a `send` that was carried out."""
    results: list[SentResult] = [
        {
            "client_msg_id": str(each.client_msg_id),
            "status": each.status,
            "id": each.message["id"] if each.message else None,
            "seq": each.message["seq"] if each.message else None,
            "duplicate": each.status == "duplicate",
            "code": each.problem.code if each.problem else None,
        }
        for each in answer.results
    ]
    return {
        "type": "sent",
        "re": frame.id,
        "thread_id": str(answer.thread_id),
        "epoch": answer.epoch,
        "results": results,
    }


def auth_ok(frame: Auth, until: datetime) -> AuthOkFrame:
    """The answer to an `auth` that was carried out."""
    return {"type": "auth_ok", "re": frame.id, "expires_at": rfc3339(until)}


def _correlation(body: str) -> str | None:
    try:
        named = json.loads(body)["id"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return named if isinstance(named, str) and len(named) <= 64 else None
