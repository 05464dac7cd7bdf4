"""Conditional requests (RFC 9110 section 13): a client says which state it has seen.

The tag of a resource with a version is `"<version>.<hash of the answer>"`. If-None-Match compares all of it, so that
304 is the truth about every field; If-Match compares the version alone, which only editable fields raise (R28):
somebody else's message does not spoil an edit. Pages have no version; their tags are weak.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from request import answer

from wedsync.platform.errors import PreconditionFailed, PreconditionRequired

_OURS: Final = re.compile(r'"(?P<version>[0-9]{1,9})(?:\.[0-9a-f]{16})?"')
_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


def stated_version(router: BaseRouter) -> int:
    """The version that If-Match names, for the transaction to compare.

    Raises PreconditionRequired without the header or for `*`, which says nothing about what was seen;
    PreconditionFailed for what no answer of ours has carried.
    """
    stated = _header(router, "if-match")
    if stated in ("", "*"):
        raise PreconditionRequired("If-Match has to name the ETag that you saw" if stated else "")
    known = _OURS.fullmatch(stated)
    if known is None:
        raise PreconditionFailed("If-Match takes one entity tag, as an ETag of this resource stated it")
    return int(known["version"])


def versioned(
    router: BaseRouter,
    status: int,
    content: Mapping[str, Any],
    version: int,
    headers: Mapping[str, str] | None = None,
) -> Response[str]:
    """An answer with the tag of a resource's version; 304 for a GET by somebody who has it."""
    return _conditional(router, answer(status, content, headers), f'"{version}.{{}}"')


def page(router: BaseRouter, content: Mapping[str, Any]) -> Response[str]:
    """A page with a weak tag, or 304 for who has it."""
    return _conditional(router, answer(200, content), 'W/"{}"')


def _conditional(router: BaseRouter, full: Response[str], form: str) -> Response[str]:
    tag = form.format(sha256((full.body or "").encode()).hexdigest()[:16])
    full.headers["ETag"] = tag
    if router.current_event.http_method != "GET" or not _has(_header(router, "if-none-match"), tag):
        return full
    unchanged = answer(304, None)
    unchanged.headers["ETag"] = tag
    return unchanged


def _has(stated: str, tag: str) -> bool:
    """Whether If-None-Match lists the tag, by the weak comparison that RFC 9110 section 13.1.2 asks for."""
    return stated == "*" or tag.removeprefix("W/") in _TAG.findall(stated)


def _header(router: BaseRouter, name: str) -> str:
    return (router.current_event.headers.get(name) or "").strip()
