"""What the gateway answers itself looks like what the functions answer (contract.md section 1, aws.md 15)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fixtures.template import resources
from wedsync.platform import errors

HEADER = "gatewayresponse.header."


def responses() -> dict[str, Any]:
    [api] = resources("AWS::ApiGateway::RestApi")
    return api.properties["Body"]["x-amazon-apigateway-gateway-responses"]


def headers(kind: str) -> dict[str, str]:
    return {key.removeprefix(HEADER): value for key, value in responses()[kind]["responseParameters"].items()}


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("MISSING_AUTHENTICATION_TOKEN", errors.NotFound()),
        ("RESOURCE_NOT_FOUND", errors.NotFound()),
        ("UNAUTHORIZED", errors.Unauthenticated()),
        ("EXPIRED_TOKEN", errors.Unauthenticated()),
        ("ACCESS_DENIED", errors.Forbidden()),
        ("WAF_FILTERED", errors.Forbidden()),
        ("REQUEST_TOO_LARGE", errors.TooLarge()),
        ("UNSUPPORTED_MEDIA_TYPE", errors.UnsupportedMediaType()),
        ("THROTTLED", errors.RateLimited()),
        ("AUTHORIZER_FAILURE", errors.Unavailable()),
        ("INTEGRATION_FAILURE", errors.Unavailable()),
        ("INTEGRATION_TIMEOUT", errors.Unavailable()),
        ("DEFAULT_4XX", errors.Malformed()),
        ("DEFAULT_5XX", errors.Internal()),
    ],
)
def test_the_gateway_answers_with_the_problems_of_the_functions(kind: str, problem: errors.Problem) -> None:
    response = responses()[kind]
    body = json.loads(response["responseTemplates"]["application/json"])

    assert body == errors.problem_body(problem, "$context.requestId")
    assert response["statusCode"] == str(problem.status)
    assert {
        name: value.strip("'") for name, value in headers(kind).items()
    }.items() >= problem.headers.items()


def test_every_answer_of_the_gateway_can_be_read_by_a_browser() -> None:
    for kind in responses():
        sent = headers(kind)
        assert sent["Content-Type"] == "'application/problem+json'"
        assert sent["Access-Control-Allow-Origin"] == "'*'"
        assert sent["X-Request-Id"] == "context.requestId"
        exposed = sent["Access-Control-Expose-Headers"].strip("'").split(",")
        assert "X-Request-Id" in exposed
        assert ("Retry-After" in sent) == ("Retry-After" in exposed)


def test_no_answer_of_the_gateway_lets_a_page_send_cookies() -> None:
    assert not any("Access-Control-Allow-Credentials" in headers(kind) for kind in responses())
