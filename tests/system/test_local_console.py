"""What only local mode offers beside the API: tokens, people, queues, the page."""

from __future__ import annotations

import jwt
import pytest

from tests.fixtures.stack import RunningStack, request


def test_a_token_opens_the_api_as_that_person(stack: RunningStack) -> None:
    ana = stack.people()["Ana"]

    answer = stack.call("GET", "/me", stack.token(ana))

    assert (answer.status, answer.body["user_id"]) == (200, ana)


def test_a_token_that_has_expired_opens_nothing(stack: RunningStack) -> None:
    answer = stack.call("GET", "/me", stack.token(stack.people()["Ana"], expires_in=-1))

    assert (answer.status, answer.body["code"]) == (401, "unauthenticated")


def test_the_key_set_verifies_the_tokens(stack: RunningStack) -> None:
    token = stack.token(stack.people()["Ana"], scope="support")
    keys = jwt.PyJWKSet.from_dict(stack.local("GET", "/_local/jwks.json").body)

    claims = jwt.decode(
        token,
        keys[jwt.get_unverified_header(token)["kid"]],
        algorithms=["ES256"],
        audience="wedsync",
        issuer=stack.console,
    )

    assert (claims["sub"], claims["scope"]) == (stack.people()["Ana"], "support")


@pytest.mark.parametrize(
    "wish",
    [
        {},
        [],
        {"user_id": "ana"},
        {"user_id": 7},
        {"user_id": "0190a000-0000-7000-8000-000000000101", "expires_in": "1h"},
        {"user_id": "0190a000-0000-7000-8000-000000000101", "scopes": "service"},
        b"{",
    ],
)
def test_a_wrong_wish_for_a_token_is_refused(stack: RunningStack, wish: object) -> None:
    answer = stack.local("POST", "/_local/tokens", wish)

    assert (answer.status, answer.body["code"]) == (422, "invalid")
    assert "access_token" not in answer.body


def test_pages_of_other_origins_get_no_token(stack: RunningStack) -> None:
    wish = {"user_id": stack.people()["Ana"]}

    foreign = request("POST", stack.console + "/_local/tokens", wish, {"Origin": "https://evil.example"})
    rebound = request("POST", stack.console + "/_local/tokens", wish, {"Host": "evil.example"})

    assert (foreign.status, rebound.status) == (403, 403)


def test_the_demo_people_are_listed_with_their_parts(stack: RunningStack) -> None:
    people = {each["display_name"]: each for each in stack.local("GET", "/_local/people").body["data"]}

    assert [part["title"] for part in people["Phil Light"]["weddings"]] == ["Ana & Ben", "Dina & Emil"]
    assert people["Flora Bloom"]["weddings"][0]["service"] == "flowers"


def test_every_queue_shows_its_depth_and_its_dead_letters(stack: RunningStack) -> None:
    queues = {each["queue"]: each for each in stack.local("GET", "/_local/queues").body["data"]}

    # Other tests' messages are on their way through it.
    assert set(queues["EventsQueue"]) == {"queue", "visible", "in_flight", "delayed", "dead_letters"}
    assert queues["EventsQueue"]["dead_letters"] == "EventsQueueDead"
    assert queues["EventsEmergencyQueueDead"]["visible"] == 0


def test_the_page_says_what_runs_where(stack: RunningStack) -> None:
    page = request("GET", stack.console + "/")

    assert page.status == 200
    for said in (stack.api, stack.ws, "RestFunction", "EventsQueue", "Flora Bloom", "ANY /{proxy+}"):
        assert said in page.body
    assert "Ana &amp; Ben" in page.body
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    "wish",
    [{}, {"name": "database"}, {"name": "dns", "running": False}, {"name": "database", "running": 0}, b"["],
)
def test_a_wrong_wish_about_a_service_changes_nothing(stack: RunningStack, wish: object) -> None:
    answer = stack.local("POST", "/_local/services", wish)

    assert (answer.status, answer.body["code"]) == (422, "invalid")
    assert stack.call("GET", "/me", stack.token(stack.people()["Ana"])).status == 200
