"""What all operations have in common: headers, problems, and how an answer is written down."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Final

SCHEMA: Final = "#/components/schemas/{model}"
TEXT: Final = {"type": "string"}
REQUEST_ID: Final = "8f14e45f-ceea-467f-a8f2-1d0c5a3b7e21"

HEADERS: Final[dict[str, Any]] = {
    "X-Request-Id": {"description": "Names this request in our logs", "schema": TEXT},
    "Access-Control-Allow-Origin": {
        "description": "The origin that asked, if it is one of ours",
        "schema": TEXT,
    },
    "ETag": {
        "description": "Names this state of the resource, for `If-None-Match` and `If-Match`",
        "schema": TEXT,
    },
    "Location": {"description": "Path of what was made", "schema": TEXT},
    "Idempotency-Replayed": {
        "description": "`true` if the act was done before, under the same key",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Retry-After": {"description": "Seconds to wait", "schema": TEXT},
    "WWW-Authenticate": {"description": "`Bearer`", "schema": TEXT},
}
PARAMETERS: Final[dict[str, Any]] = {
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Made by the client, once per intention: the same request under the same key acts once",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$", "maxLength": 255},
        "example": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
    },
    "If-None-Match": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The `ETag` of what the client has: 304 as long as that is the answer",
        "schema": {"type": "string", "maxLength": 1_000},
        "example": 'W/"3b1f0c9a52de7744"',
    },
    "If-Match": {
        "name": "If-Match",
        "in": "header",
        "required": True,
        "description": "The `ETag` of the state that the client has seen: 412 if it was edited since, 428 without",
        "schema": {"type": "string", "maxLength": 50},
        "example": '"3.3b1f0c9a52de7744"',
    },
}
WHO: Final = {
    "anybody": "Needs no token.",
    "a person": "For whoever the token names, within what he may see.",
    "a service": "Needs a token with the scope `service`.",
}
QUERY: Final = {
    "after_seq": "Newer than this, the oldest first to come",
    "around_seq": "The messages about this one, it included",
    "before_seq": "Older than this",
    "cursor": "`next_cursor` of the page before, with the same filters",
    "from": "Where to begin instead of a seq",
    "kind": "Only threads, or only messages",
    "limit": "How many at most",
    "participant": "With this person in it",
    "priority_level": "Of this priority",
    "q": "Words to find, `-` before those to leave out, quotation marks around phrases",
    "sender_id": "Written, or created, by this person",
    "seq": "The event whose link is asked for; the last one, if absent",
    "since": "From this time on",
    "sort": "In which order",
    "status": "In this state",
    "thread_id": "In this thread",
    "thread_type": "Of this type",
    "unread": "Only what has something unread",
    "until": "Before this time",
    "wedding_from": "Of weddings on this day or later",
    "wedding_id": "Of this wedding",
    "wedding_to": "Of weddings on this day or earlier",
}
FIELD_ERRORS: Final = {
    "type": "array",
    "description": "Which fields are wrong, as dotted paths into the request",
    "maxItems": 1_000,
    "items": {
        "type": "object",
        "required": ["field", "message"],
        "properties": {"field": TEXT, "message": {"type": "string", "maxLength": 1_000}},
    },
}


def problem() -> dict[str, Any]:
    """The schema of every refusal."""
    codes = sorted(kind.code for kind in _problems().values())
    return {
        "type": "object",
        "description": "RFC 9457",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": TEXT,
            "title": TEXT,
            "status": {"type": "integer", "minimum": 400, "maximum": 599, "format": "int32"},
            "detail": TEXT,
            "code": {"type": "string", "enum": codes},
            "request_id": {"type": "string", "maxLength": 64},
            "errors": FIELD_ERRORS,
        },
    }


def refusals() -> dict[str, Any]:
    """Every problem with an example, by its code."""
    errors = importlib.import_module("wedsync.platform.errors")
    wrong = (errors.FieldError("message", "longer than 8000 characters"),)
    shown: dict[str, Any] = {}
    for kind in _problems().values():
        made = kind(errors=wrong) if kind is errors.Invalid else kind()
        headers = ["X-Request-Id", "Access-Control-Allow-Origin", *made.headers]
        shown[kind.code] = {
            "description": f"`{kind.code}`: {kind.title}",
            "headers": _headers(headers),
            "content": {
                "application/problem+json": {
                    "schema": {"$ref": SCHEMA.format(model="Problem")},
                    "examples": {kind.code: {"value": errors.problem_body(made, REQUEST_ID)}},
                }
            },
        }
    return shown


def refusal(status: int) -> str:
    """Where the problem of this status stands."""
    return f"#/components/responses/{_problems()[status].code}"


def refused(operation: Any, path: str, keyed: bool) -> list[int]:
    """With which statuses an operation may refuse. The gateway throttles all alike, and refuses what is no HTTP."""
    body = {413, 415, 422} if operation.body is not None else set[int]()
    token = {401} if operation.who != "anybody" else set[int]()
    key = {404, 409, 422} if keyed else set[int]()  # 404: what the act made is gone by now
    named = {404} if "{" in path else set[int]()
    return sorted({*operation.problems, 400, 429, 500, 503} | body | token | key | named)


def description(operation: Any, keyed: bool) -> str:
    """Who may ask, and what repeating it means."""
    again = " Repeating it under the same `Idempotency-Key` acts once." if keyed else ""
    return WHO[operation.who] + again


def header_parameters(operation: Any, keyed: bool) -> list[dict[str, str]]:
    """References to the headers that an operation looks at."""
    wanted = {
        "Idempotency-Key": keyed,
        "If-None-Match": 304 in operation.answers,
        "If-Match": 428 in operation.problems,
    }
    return [{"$ref": f"#/components/parameters/{name}"} for name, looked_at in wanted.items() if looked_at]


def answer(
    status: int, schema: dict[str, Any] | None, operation: Any, keyed: bool, examples: Mapping[str, Any]
) -> dict[str, Any]:
    """An answer of an operation, with the example that was recorded of it."""
    wanted = {
        "X-Request-Id": True,
        "Access-Control-Allow-Origin": True,
        "ETag": 304 in operation.answers or 428 in operation.problems,
        "Idempotency-Replayed": keyed,
        "Location": status == 201 and operation.located,
    }
    described: dict[str, Any] = {
        "description": {201: "Made", 204: "Done, nothing to say", 304: "As you have it"}.get(status, "Done"),
        "headers": _headers([name for name, carried in wanted.items() if carried]),
    }
    if schema is not None:
        content: dict[str, Any] = {"schema": schema}
        if str(status) in examples:
            content["examples"] = {"recorded": {"value": examples[str(status)]}}
        described["content"] = {"application/json": content}
    return described


def path_parameter(name: str) -> dict[str, Any]:
    """Ids, but for the one thing that is named by itself."""
    emoji = name == "emoji"
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": "One emoji, percent-encoded" if emoji else f"Which {name.removesuffix('_id')}",
        "schema": {"type": "string", "maxLength": 64} if emoji else {"type": "string", "format": "uuid"},
        "example": "👍" if emoji else "0190a000-0000-7000-8000-000000000201",
    }


def _headers(names: list[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _problems() -> dict[int, Any]:
    """The problem of each status, from the exception tree."""
    errors = importlib.import_module("wedsync.platform.errors")
    return {kind.status: kind for kind in errors.Problem.__subclasses__()}
