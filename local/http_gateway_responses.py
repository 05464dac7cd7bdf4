"""Gateway responses: what the REST API itself answers, as the template overrides it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from local.gateway_context import Place, substitute
from local.http_gateway_answers import Answer, literal
from local.http_gateway_event import Request
from local.model import GatewayResponse, RestApi


@dataclass(frozen=True, slots=True)
class Default:
    """AWS's own answer of one kind: status, message (None renders as JSON null), x-amzn-ErrorType."""

    status: int
    message: str | None
    error_type: str


# Developer guide, "Gateway response types"; a failed Lambda proxy answers 502, not the 504 listed there.
DEFAULTS: Mapping[str, Default] = {
    "MISSING_AUTHENTICATION_TOKEN": Default(
        403, "Missing Authentication Token", "MissingAuthenticationTokenException"
    ),
    "UNAUTHORIZED": Default(401, "Unauthorized", "UnauthorizedException"),
    "ACCESS_DENIED": Default(403, "User is not authorized to access this resource", "AccessDeniedException"),
    "AUTHORIZER_FAILURE": Default(500, None, "AuthorizerConfigurationException"),
    "AUTHORIZER_CONFIGURATION_ERROR": Default(500, None, "AuthorizerConfigurationException"),
    "BAD_REQUEST_PARAMETERS": Default(400, "Invalid request parameters", "BadRequestException"),
    "BAD_REQUEST_BODY": Default(400, "Invalid request body", "BadRequestException"),
    "REQUEST_TOO_LARGE": Default(413, "Request Too Long", "RequestTooLongException"),
    "THROTTLED": Default(429, "Too Many Requests", "TooManyRequestsException"),
    "INTEGRATION_FAILURE": Default(502, "Internal server error", "InternalServerErrorException"),
    "INTEGRATION_TIMEOUT": Default(504, "Endpoint request timed out", "InternalServerErrorException"),
}
_PLAIN = GatewayResponse("", None, {}, {"application/json": '{"message":$context.error.messageString}'})


class GatewayResponses:
    """Renders gateway responses of one API."""

    def __init__(self, api: RestApi, place: Place) -> None:
        self._api = api
        self._place = place

    def render(self, kind: str, request: Request, resource_path: str | None = None) -> Answer:
        """The answer of `kind`: the template's own, else DEFAULT_4XX or DEFAULT_5XX, else AWS's."""
        default = DEFAULTS[kind]
        family = "DEFAULT_4XX" if default.status < 500 else "DEFAULT_5XX"
        overrides = self._api.gateway_responses
        chosen = overrides.get(kind) or overrides.get(family) or _PLAIN
        context = self._context(kind, default, request, resource_path)
        content_type, template = next(iter((chosen.templates or _PLAIN.templates).items()))
        headers = {"content-type": ("Content-Type", content_type)}
        headers["x-amzn-errortype"] = ("x-amzn-ErrorType", default.error_type)
        for name, expression in chosen.headers.items():
            value = _mapped(expression, request, context)
            if value is not None:
                headers[name.lower()] = (name, value)
        body = substitute(template, context)
        return Answer(chosen.status or default.status, tuple(headers.values()), body.encode())

    def _context(
        self, kind: str, default: Default, request: Request, resource_path: str | None
    ) -> Callable[[str], str]:
        values = {
            "error.message": default.message or "",
            "error.messageString": json.dumps(default.message),
            "error.responseType": kind,
            "requestId": request.request_id,
            "extendedRequestId": request.extended_id,
            "requestTime": request.moment.text,
            "requestTimeEpoch": str(request.moment.epoch_ms),
            "httpMethod": request.method,
            "path": f"/{self._api.stage}{request.path}",
            "resourcePath": resource_path or "",
            "stage": self._api.stage,
            "protocol": "HTTP/1.1",
            "apiId": self._api.identifier,
            "accountId": self._place.account,
            "identity.sourceIp": request.source_ip,
        }
        return lambda name: values.get(name, "")


def _mapped(expression: str, request: Request, context: Callable[[str], str]) -> str | None:
    if expression.startswith("method.request.header."):
        return request.header(expression.removeprefix("method.request.header."))
    if expression.startswith("context."):
        return context(expression.removeprefix("context."))
    return literal(expression)
