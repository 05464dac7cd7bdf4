"""From the gateway's event to typed values, and from a result to its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent
from pydantic import BaseModel, ValidationError

from wedsync.identity.principals import Principal, from_authorizer
from wedsync.platform import json_text
from wedsync.platform.clock import now
from wedsync.platform.errors import FieldError, Invalid, Malformed, UnsupportedMediaType
from wedsync.platform.refused_fields import field_errors

M = TypeVar("M", bound=BaseModel)

# Answers are a person's own: no cache on the way may keep them, no browser may guess at their type.
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def principal(router: BaseRouter) -> Principal:
    """Who is asking. Raises Unauthenticated, also for a token that expired since the gateway looked."""
    context: Mapping[str, Any] = router.current_event.raw_event["requestContext"].get("authorizer") or {}
    return from_authorizer(context, now())


def body(router: BaseRouter, model: type[M]) -> M:
    """The JSON body. Raises UnsupportedMediaType, Malformed (no JSON object), Invalid (names each field)."""
    event = router.current_event
    media_type = (event.headers.get("content-type") or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType
    try:
        stated = json_text.loads(event.decoded_body or "")
    except (ValueError, RecursionError):
        raise Malformed("the body is not JSON, or names a field twice") from None
    return _checked(model, stated)


def optional_body(router: BaseRouter, model: type[M]) -> M:
    """The JSON body, or what a request without one states: no field at all. Raises as `body`."""
    return body(router, model) if router.current_event.body else _checked(model, {})


def query(router: BaseRouter, model: type[M]) -> M:
    """The query string; each parameter once. Raises Invalid."""
    sent = _parameters(router.current_event)
    repeated = [name for name, values in sent.items() if len(values) > 1]
    if repeated:
        raise Invalid(errors=tuple(FieldError(name, "given more than once") for name in repeated))
    return _checked(model, {name: values[0] for name, values in sent.items()})


def answer(
    status: int, content: Mapping[str, Any] | None, headers: Mapping[str, str] | None = None
) -> Response[str]:
    """An answer of JSON, or with nothing in it."""
    text = "" if content is None else json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    content_type = None if content is None else "application/json"
    return Response(status, content_type, text, headers={**HEADERS, **(headers or {})})


def _parameters(event: BaseProxyEvent) -> Mapping[str, list[str]]:
    return event.raw_event.get("multiValueQueryStringParameters") or {}


def _checked(model: type[M], stated: Any) -> M:
    try:
        return model.model_validate(stated)
    except ValidationError as error:
        raise Invalid(errors=field_errors(error)) from None
