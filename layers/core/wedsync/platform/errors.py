"""Everything a request can be refused with (RFC 9457).

    Problem
    ├── Malformed             400 malformed
    ├── Unauthenticated       401 unauthenticated
    ├── Forbidden             403 forbidden               only for things the caller can see
    ├── NotFound              404 not_found               missing or hidden: identical
    ├── Conflict              409 conflict
    ├── PreconditionFailed    412 precondition_failed
    ├── TooLarge              413 too_large
    ├── UnsupportedMediaType  415 unsupported_media_type
    ├── Invalid               422 invalid                 names the fields
    ├── PreconditionRequired  428 precondition_required
    ├── RateLimited           429 rate_limited            with Retry-After
    ├── Internal              500 internal
    └── Unavailable           503 unavailable             with Retry-After

A problem is raised where it is known and mapped to an answer in one place per API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; `field` is a dotted path into the request."""

    field: str
    message: str


class Problem(Exception):  # noqa: N818 (RFC 9457's word for it)
    """A refusal. `detail` is shown to the caller: it never repeats content or secrets."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(
        self,
        detail: str = "",
        *,
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.errors = errors
        self.headers = headers


class Malformed(Problem):
    status, code, title = 400, "malformed", "The request cannot be read"


class Unauthenticated(Problem):
    status, code, title = 401, "unauthenticated", "A valid token is needed"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(Problem):
    status, code, title = 403, "forbidden", "You may not do this"


class NotFound(Problem):
    status, code, title = 404, "not_found", "There is nothing here"


class Conflict(Problem):
    status, code, title = 409, "conflict", "This contradicts what is there"


class PreconditionFailed(Problem):
    status, code, title = 412, "precondition_failed", "It has changed since you read it"


class TooLarge(Problem):
    status, code, title = 413, "too_large", "The request is too large"


class UnsupportedMediaType(Problem):
    status, code, title = 415, "unsupported_media_type", "Send application/json"


class Invalid(Problem):
    status, code, title = 422, "invalid", "The request is not valid"


class PreconditionRequired(Problem):
    status, code, title = 428, "precondition_required", "Send If-Match"


class RateLimited(Problem):
    status, code, title = 429, "rate_limited", "Too many requests"

    def __init__(self, detail: str = "", *, retry_after: int = 1) -> None:
        """`retry_after` in seconds."""
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class Internal(Problem):
    status, code, title = 500, "internal", "Something went wrong on our side"


class Unavailable(Problem):
    status, code, title = 503, "unavailable", "Please try again in a moment"

    def __init__(self, detail: str = "", *, retry_after: int = 2) -> None:
        """`retry_after` in seconds."""
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


def problem_body(problem: Problem, request_id: str) -> dict[str, Any]:
    """The `application/problem+json` document of a problem."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": request_id,
    }
    if problem.errors:
        body["errors"] = [{"field": e.field, "message": e.message} for e in problem.errors]
    return body
