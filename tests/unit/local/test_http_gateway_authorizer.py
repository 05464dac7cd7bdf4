"""The REST authorizer: identity sources, verdicts, policies and the result cache."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from local import gateway_authorizer
from local.gateway_authorizer import Authorizers, Identity
from local.gateway_policy import MalformedPolicyError, read_grant
from local.model import Outcome
from tests.fixtures.gateways import BEARER, Functions, RestUnderTest, allow, policy

ARN = "arn:aws:execute-api:eu-central-1:123456789012:restapi/v1/GET/threads"
TOKEN = {"Authorization": "Bearer a"}


async def test_without_the_identity_source_the_authorizer_is_not_even_asked(
    rest_gateway: RestUnderTest,
) -> None:
    answer = await rest_gateway.http.get("threads")

    assert (answer.status, await answer.json()) == (401, {"message": "Unauthorized"})
    assert answer.headers["x-amzn-ErrorType"] == "UnauthorizedException"
    assert rest_gateway.functions.calls == []


async def test_open_routes_ask_nobody(rest_gateway: RestUnderTest) -> None:
    answer = await rest_gateway.http.get("health")

    assert answer.status == 200
    [event] = rest_gateway.functions.events("Rest")
    assert "authorizer" not in event["requestContext"]


async def test_context_values_arrive_as_strings(rest_gateway: RestUnderTest) -> None:
    async def authorizer(event: Mapping[str, Any]) -> Any:
        return allow(event, number=5, real=1.5, yes=True, text="t")

    rest_gateway.functions.by_name["Authorizer"] = authorizer

    await rest_gateway.http.get("threads", headers=TOKEN)

    [event] = rest_gateway.functions.events("Rest")
    context = event["requestContext"]["authorizer"]
    latency = context.pop("integrationLatency")
    assert context == {"principalId": "person-1", "number": "5", "real": "1.5", "yes": "true", "text": "t"}
    assert isinstance(latency, int)


FAILED = Outcome(error_type="Exception", error_message="Unauthorized access")
UNAUTHORIZED = Outcome(error_type="Exception", error_message="Unauthorized")


@pytest.mark.parametrize(
    ("answer", "status", "kind"),
    [
        (UNAUTHORIZED, 401, "UnauthorizedException"),
        (FAILED, 500, "AuthorizerConfigurationException"),
        (Outcome(throttled=True), 500, "AuthorizerConfigurationException"),
        (None, 500, "AuthorizerConfigurationException"),
        ({"principalId": "p"}, 500, "AuthorizerConfigurationException"),
        (policy("Allow", "*", nested={"a": 1}), 500, "AuthorizerConfigurationException"),
        (policy("Deny", "*"), 403, "AccessDeniedException"),
        (policy("Allow", ARN.replace("GET", "PUT")), 403, "AccessDeniedException"),
    ],
)
async def test_refusals_never_reach_the_function(
    rest_gateway: RestUnderTest, answer: Any, status: int, kind: str
) -> None:
    async def authorizer(_: Mapping[str, Any]) -> Any:
        return answer

    rest_gateway.functions.by_name["Authorizer"] = authorizer

    response = await rest_gateway.http.get("threads", headers=TOKEN)

    assert (response.status, response.headers["x-amzn-ErrorType"]) == (status, kind)
    assert rest_gateway.functions.events("Rest") == []


async def test_a_grant_is_cached_for_its_identity_and_held_against_every_request() -> None:
    async def authorizer(_: Mapping[str, Any]) -> Any:
        return policy("Allow", ARN.replace("GET/threads", "GET/*"))

    functions, clock = Functions({"Authorizer": authorizer}), [0.0]
    authorizers = Authorizers(functions, clock=lambda: clock[0])

    async def refusal(token: str, arn: str) -> str | None:
        verdict = await authorizers.decide(BEARER, Identity({"authorization": token}, {}), arn, dict)
        return verdict.refusal

    assert [await refusal("a", ARN), await refusal("a", ARN + "/1")] == [None, None]
    assert await refusal("a", ARN.replace("GET", "POST")) == "ACCESS_DENIED"
    assert len(functions.calls) == 1
    assert await refusal("b", ARN) is None
    assert len(functions.calls) == 2
    clock[0] = 60.0
    assert await refusal("a", ARN) is None
    assert len(functions.calls) == 3


async def test_nothing_is_cached_when_the_template_says_zero_nor_when_refused() -> None:
    answers: list[Any] = [UNAUTHORIZED, policy("Allow", "*"), policy("Allow", "*")]

    async def authorizer(_: Mapping[str, Any]) -> Any:
        return answers.pop(0)

    functions = Functions({"Authorizer": authorizer})
    authorizers = Authorizers(functions)
    identity = Identity({"authorization": "a"}, {})
    uncached = replace(BEARER, ttl=0)

    refusals = [(await authorizers.decide(uncached, identity, ARN, dict)).refusal for _ in range(3)]

    assert refusals == ["UNAUTHORIZED", None, None]


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([("Allow", "execute-api:Invoke", ARN)], True),
        ([("Allow", "execute-api:*", "*")], True),
        ([("Allow", "EXECUTE-API:invoke", ARN)], True),
        ([("Allow", "*", "arn:aws:execute-api:*:*:restapi/*/*")], True),
        ([("Allow", "*", ARN[:-1] + "?")], True),
        ([("Allow", "*", ARN[:-7] + "[threads]")], False),
        ([("Allow", "execute-api:ManageConnections", "*")], False),
        ([("Allow", "*", ARN.upper())], False),
        ([("Allow", "*", "*"), ("Deny", "*", ARN)], False),
        ([("Allow", "*", "*"), ("Deny", "*", ARN + "/*")], True),
        ([("Deny", "*", "*")], False),
    ],
)
def test_policies_are_evaluated_as_iam_does(statements: list[tuple[str, str, str]], allowed: bool) -> None:
    listed = [{"Effect": effect, "Action": [action], "Resource": [arn]} for effect, action, arn in statements]

    grant = read_grant({"principalId": "p", "policyDocument": {"Statement": listed}})

    assert grant.allows(ARN) is allowed


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"principalId": "", "policyDocument": {"Statement": []}},
        {"principalId": "p", "policyDocument": "Allow"},
        {"principalId": "p", "policyDocument": {"Statement": ["Allow"]}},
        {"principalId": "p", "policyDocument": {"Statement": {"Effect": "Maybe"}}},
        {
            "principalId": "p",
            "policyDocument": {"Statement": {"Effect": "Allow", "Action": 1, "Resource": "*"}},
        },
        {"principalId": "p", "policyDocument": {"Statement": {"Effect": "Allow", "Condition": {}}}},
        {"principalId": "p", "policyDocument": {"Statement": []}, "context": ["a"]},
    ],
)
def test_answers_that_api_gateway_would_not_take_are_malformed(answer: Any) -> None:
    with pytest.raises(MalformedPolicyError):
        read_grant(answer)


async def test_an_authorizer_that_never_answers_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(_: Mapping[str, Any]) -> Any:
        await asyncio.sleep(0.2)

    monkeypatch.setattr(gateway_authorizer, "AUTHORIZER_SECONDS", 0.02)
    authorizers = Authorizers(Functions({"Authorizer": hangs}))

    verdict = await authorizers.decide(BEARER, Identity({"authorization": "a"}, {}), ARN, dict)

    assert verdict.refusal == "AUTHORIZER_FAILURE"


async def test_the_cache_forgets_the_oldest_grant_first(monkeypatch: pytest.MonkeyPatch) -> None:
    async def authorizer(_: Mapping[str, Any]) -> Any:
        return policy("Allow", "*")

    monkeypatch.setattr(gateway_authorizer, "CACHED_GRANTS", 2)
    functions = Functions({"Authorizer": authorizer})
    authorizers = Authorizers(functions)

    for token in ("a", "b", "c", "b", "c", "a"):
        await authorizers.decide(BEARER, Identity({"authorization": token}, {}), ARN, dict)

    assert len(functions.calls) == 4
