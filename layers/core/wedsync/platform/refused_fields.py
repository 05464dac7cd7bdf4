"""What pydantic refuses, said in our words: each text says what is expected, or why it cannot be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from wedsync.platform.errors import FieldError

_TIME: Final = "a time with its offset, such as 2026-06-06T14:30:00Z"
_DATE: Final = "a date, such as 2026-06-06"
# By pydantic's types of errors (its documentation, "Validation Errors"); braces name what the field's own limit is.
_SAID: Final[Mapping[str, str]] = {
    "missing": "it is needed",
    "extra_forbidden": "there is no such field",
    "string_type": "a string",
    "string_unicode": "a string of Unicode characters",
    "string_too_short": "at least {min_length} character(s)",
    "string_too_long": "longer than {max_length} characters",
    "string_pattern_mismatch": "in this form: {pattern}",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number that is not so large",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "uuid_type": "a UUID in the hyphenated form",
    "uuid_parsing": "a UUID in the hyphenated form",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "list_type": "a list",
    "tuple_type": "a list",
    "frozen_set_type": "a list",
    "too_long": "at most {max_length} of them",
    "too_short": "at least {min_length} of them",
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "datetime_object_invalid": _TIME,
    "timezone_aware": _TIME,
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
}
# A model or type of a union, as pydantic names it: Location, literal['none','all'].
_ALTERNATIVE: Final = re.compile(r"[A-Z]\w*$|[a-z-]+\[")


def field_errors(error: ValidationError) -> tuple[FieldError, ...]:
    """Where a client looks, and what to change there. Never what was sent."""
    found = error.errors(include_url=False, include_input=False)
    return tuple(
        FieldError(_path(each["loc"], each["type"]), _text(each["type"], each["msg"], each.get("ctx", {})))
        for each in found
    )


def _path(location: tuple[int | str, ...], kind: str) -> str:
    """Names and positions of the request's own, not which alternative of a model was tried."""
    *before, last = location or ("",)
    named = [str(part) for part in before if isinstance(part, int) or not _ALTERNATIVE.match(part)]
    if kind == "extra_forbidden" or isinstance(last, int) or not _ALTERNATIVE.match(last):
        named.append(str(last))
    return ".".join(named)


def _text(kind: str, said: str, limits: Mapping[str, Any]) -> str:
    """An error of ours comes as "Value error, …"."""
    if kind == "value_error":
        return str(limits["error"])
    if kind == "literal_error":
        return str(limits["expected"]).replace("True", "true")  # as JSON writes it
    return _SAID[kind].format_map(limits) if kind in _SAID else said
