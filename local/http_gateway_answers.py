"""From what a function or a MOCK returned to an HTTP answer, as the proxy integration of a REST API maps it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from local.http_gateway_event import is_binary
from local.model import MockIntegration

_FIELDS = frozenset(("statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"))
# Developer guide, "Amazon API Gateway important notes": these come back as x-amzn-Remapped-….
_REMAPPED = re.compile(
    "authorization|connection|content-length|date|expect|host|proxy-authenticate|server|trailer"
    "|transfer-encoding|upgrade|via|www-authenticate",
    re.IGNORECASE,
)


class MalformedAnswerError(ValueError):
    """Not a Lambda proxy response: the client gets INTEGRATION_FAILURE."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers in order (repeated ones repeated) and body of an HTTP answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def proxy_answer(payload: object, accept: str | None, binary_types: Sequence[str]) -> Answer:
    """The answer a function asked for. Raises MalformedAnswerError."""
    if not isinstance(payload, dict):
        raise MalformedAnswerError("the function returned no object")
    fields = cast("dict[str, Any]", payload)
    if unknown := fields.keys() - _FIELDS:
        raise MalformedAnswerError(f"unknown fields {sorted(unknown)}")
    headers = _headers(fields.get("headers"), fields.get("multiValueHeaders"))
    body = _body(
        fields.get("body"), encoded=fields.get("isBase64Encoded") is True and _wants(accept, binary_types)
    )
    return Answer(_status(fields.get("statusCode")), _with_content_type(headers), body)


def mock_answer(mock: MockIntegration) -> Answer:
    """The answer of a MOCK integration; only quoted literals are mapped."""
    headers = tuple((name, literal(value)) for name, value in mock.headers.items())
    return Answer(mock.status, _with_content_type(headers), mock.body.encode())


def literal(expression: str) -> str:
    """The text of a `'quoted literal'` mapping expression, the expression itself when it is not quoted."""
    quoted = re.fullmatch(r"'(.*)'", expression, re.DOTALL)
    return quoted[1] if quoted else expression


def _status(raw: object) -> int:
    try:
        status = int(raw) if isinstance(raw, (int, str)) and not isinstance(raw, bool) else 0
    except ValueError:
        status = 0
    if not 100 <= status <= 599:
        raise MalformedAnswerError("statusCode is no HTTP status")
    return status


def _body(raw: object, *, encoded: bool) -> bytes:
    if raw is None:
        return b""
    if not isinstance(raw, str):
        raise MalformedAnswerError("body is no string")
    if not encoded:
        return raw.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(raw, validate=True)
    except binascii.Error as error:
        raise MalformedAnswerError("body is not base64") from error


def _wants(accept: str | None, binary_types: Sequence[str]) -> bool:
    # REST APIs decode base64 only when the first media type of Accept is a binary one.
    return is_binary((accept or "").split(",", 1)[0], binary_types)


def _headers(single: object, multi: object) -> tuple[tuple[str, str], ...]:
    merged: dict[str, tuple[str, list[str]]] = {}
    for name, value in _mapping(single).items():
        merged[name.lower()] = (name, [_text(value)])
    for name, values in _mapping(multi).items():
        if not isinstance(values, list):
            raise MalformedAnswerError(f"multiValueHeaders.{name} is no list")
        # Where both name a header the values are joined, a value that stands in both once.
        known = merged.setdefault(name.lower(), (name, []))[1]
        known.extend(text for text in map(_text, cast("list[object]", values)) if text not in known)
    return tuple((_outgoing(name), value) for name, values in merged.values() for value in values)


def _mapping(raw: object) -> Mapping[str, object]:
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise MalformedAnswerError("headers are no object")
    return cast("dict[str, object]", raw)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)) and not re.search(r"[\r\n\0]", str(value)):
        return str(value)
    raise MalformedAnswerError("a header is no string, number or boolean")


def _outgoing(name: str) -> str:
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise MalformedAnswerError("a header name is no token")
    return f"x-amzn-Remapped-{name}" if _REMAPPED.fullmatch(name) else name


def _with_content_type(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    if any(name.lower() == "content-type" for name, _ in headers):
        return headers
    return (("Content-Type", "application/json"), *headers)
