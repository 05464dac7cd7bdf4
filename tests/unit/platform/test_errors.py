"""Problems as they are sent (RFC 9457)."""

from __future__ import annotations

from wedsync.platform import errors
from wedsync.platform.errors import FieldError, Invalid, NotFound, Problem, RateLimited, problem_body

CODES = {
    400: "malformed",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    412: "precondition_failed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    428: "precondition_required",
    429: "rate_limited",
    500: "internal",
    503: "unavailable",
}


def test_every_code_of_the_contract_has_its_problem() -> None:
    assert {kind.status: kind.code for kind in Problem.__subclasses__()} == CODES


def test_the_drawn_tree_is_the_tree() -> None:
    drawn = errors.__doc__ or ""

    for kind in Problem.__subclasses__():
        assert f"{kind.__name__:<20}  {kind.status} {kind.code}" in drawn


def test_a_problem_names_the_fields() -> None:
    problem = Invalid(errors=(FieldError("participants.0.user_id", "is no UUID"),))

    assert problem_body(problem, "r-1") == {
        "type": "about:blank",
        "title": "The request is not valid",
        "status": 422,
        "detail": "The request is not valid",
        "code": "invalid",
        "request_id": "r-1",
        "errors": [{"field": "participants.0.user_id", "message": "is no UUID"}],
    }


def test_a_missing_and_a_hidden_thing_look_the_same() -> None:
    assert problem_body(NotFound(), "r") == problem_body(NotFound(), "r")
    assert "errors" not in problem_body(NotFound(), "r")


def test_a_limit_says_when_to_come_back() -> None:
    assert RateLimited(retry_after=7).headers == {"Retry-After": "7"}
    assert errors.Unavailable().headers == {"Retry-After": "2"}
    assert errors.Unauthenticated().headers == {"WWW-Authenticate": "Bearer"}
