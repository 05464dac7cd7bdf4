"""Bad input through the whole stack: the documented problem, and nothing is written."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.fixtures.stack import Answer, RunningStack
from tests.fixtures.wedding_devices import PEOPLE, Party

ID = str(uuid4())
MESSAGE = {"client_msg_id": ID, "message": "hello"}
DEEP = b'{"metadata":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}"

NESTED = b'{"client_msg_id":"%s","message":"x","metadata":' % ID.encode() + b'{"a":' * 300 + b"1" + b"}" * 301

BODIES: dict[str, tuple[Any, int, str]] = {
    "nothing": (b"", 400, "malformed"),
    "not JSON": (b"{", 400, "malformed"),
    "JSON that never ends": (DEEP, 400, "malformed"),
    "a list": ([], 422, "invalid"),
    "null": (b"null", 422, "invalid"),
    "not UTF-8": (b'{"message":"\xff"}', 400, "malformed"),
    "a field twice": (b'{"message":"a","message":"b"}', 400, "malformed"),
    "not a number": (b'{"metadata":{"x":NaN}}', 400, "malformed"),
    "no message": ({"client_msg_id": ID}, 422, "invalid"),
    "no client_msg_id": ({"message": "x"}, 422, "invalid"),
    "an empty message": (MESSAGE | {"message": ""}, 422, "invalid"),
    "a blank message": (MESSAGE | {"message": " \n "}, 422, "invalid"),
    "a number as message": (MESSAGE | {"message": 5}, 422, "invalid"),
    "too long a message": (MESSAGE | {"message": "x" * 8_001}, 422, "invalid"),
    "a lone surrogate": (b'{"client_msg_id":"%s","message":"\\ud800"}' % ID.encode(), 422, "invalid"),
    "an unknown field": (MESSAGE | {"seq": 7}, 422, "invalid"),
    "a client_msg_id that is none": (MESSAGE | {"client_msg_id": "1"}, 422, "invalid"),
    "a client_msg_id in another form": (MESSAGE | {"client_msg_id": f"{{{ID}}}"}, 422, "invalid"),
    "facts nested deep": (NESTED, 422, "invalid"),
    "an unknown priority": (MESSAGE | {"priority_level": "loud"}, 422, "invalid"),
    "an unknown parent": (MESSAGE | {"parent_message_id": ID}, 422, "invalid"),
    "a stranger mentioned": (MESSAGE | {"mentions": [ID]}, 422, "invalid"),
    "SQL": (MESSAGE | {"parent_message_id": "' or 1=1 --"}, 422, "invalid"),
}


@pytest.fixture(scope="module")
def thread(party: Party) -> str:
    return party.thread("ana", "flora")


def assert_problem(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.body.get("code")) == (status, code), answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["status"] == status
    assert answer.body["request_id"] == answer.headers["x-request-id"]
    assert {"type", "title", "detail"} <= answer.body.keys()
    if code == "invalid":
        assert all(set(error) == {"field", "message"} for error in answer.body["errors"])
        assert answer.body["errors"]


@pytest.mark.parametrize("case", BODIES)
def test_a_bad_message_is_refused_and_not_stored(party: Party, thread: str, case: str) -> None:
    body, status, code = BODIES[case]

    answer = party.call("ana", "POST", f"/threads/{thread}/messages", body)

    assert_problem(answer, status, code)
    assert party.call("ana", "GET", f"/threads/{thread}").body["last_seq"] == 1


def test_another_media_type_is_refused(stack: RunningStack, thread: str) -> None:
    headers = {"Content-Type": "text/plain"}

    answer = stack.call("POST", f"/threads/{thread}/messages", stack.token(PEOPLE["ana"]), MESSAGE, headers)

    assert_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "cursor=x",
        "cursor=",
        "offset=3",
        "limit=1&limit=2",
        "wedding_id=1",
        "status=open",
    ],
)
def test_a_bad_query_is_refused(party: Party, query: str) -> None:
    assert_problem(party.call("ana", "GET", f"/threads?{query}"), 422, "invalid")


def test_a_cursor_of_another_list_is_refused(party: Party, thread: str) -> None:
    for _ in range(2):
        party.thread("ben")
    cursor = party.call("ben", "GET", "/threads?limit=1").body["next_cursor"]

    assert_problem(party.call("ana", "GET", f"/threads/{thread}/messages?cursor={cursor}"), 422, "invalid")


def refused_alike(party: Party, method: str, path: str, hidden: str, body: object = None) -> None:
    """Hidden equals missing, to the letter."""
    answers = [
        party.call("carlo", method, path.format(thread), body)
        for thread in (hidden, str(uuid4()), "not-an-id")
    ]
    for answer in answers:
        assert_problem(answer, 404, "not_found")
    same = [{**answer.body, "request_id": "", "headers": sorted(answer.headers)} for answer in answers]
    assert same[0] == same[1] == same[2]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/threads/{}", None),
        ("GET", "/threads/{}/messages", None),
        ("POST", "/threads/{}/messages", MESSAGE),
        ("GET", "/threads/{}/participants", None),
        ("POST", "/threads/{}/participants", {"user_id": PEOPLE["carlo"], "history": "all"}),
        ("DELETE", "/threads/{}/participants/" + PEOPLE["ana"], None),
        ("DELETE", "/threads/{}/participants/" + PEOPLE["carlo"], None),
        ("PUT", "/threads/{}/read", {"seq": 1, "epoch": "x"}),
        ("PUT", "/threads/{}/delivered", {"seq": 1, "epoch": "x"}),
    ],
)
def test_a_hidden_thread_answers_as_a_missing_one(
    party: Party, thread: str, method: str, path: str, body: object
) -> None:
    refused_alike(party, method, path, thread, body)

    assert party.call("ana", "GET", f"/threads/{thread}").body["last_seq"] == 1


@pytest.mark.parametrize(
    "wedding", ["0190a000-0000-7000-8000-00000000ffff", "0190a000-0000-7000-8000-000000000202"]
)
def test_a_foreign_wedding_and_a_missing_one_are_refused_alike(party: Party, wedding: str) -> None:
    before = len(party.call("ana", "GET", "/threads?limit=100").body["data"])

    answer = party.call("ana", "POST", "/threads", {"wedding_id": wedding, "subject": "x"})

    assert_problem(answer, 422, "invalid")
    assert answer.body["errors"] == [{"field": "wedding_id", "message": "no such wedding of yours"}]
    assert len(party.call("ana", "GET", "/threads?limit=100").body["data"]) == before


def test_a_foreign_origin_changes_nothing(stack: RunningStack, thread: str) -> None:
    token = stack.token(PEOPLE["ana"])
    for origin in (
        "https://evil.example",
        "null",
        "http://localhost:1",
        "https://app.wedsync.example.evil.example",
    ):
        answer = stack.call("POST", f"/threads/{thread}/messages", token, MESSAGE, {"Origin": origin})

        assert_problem(answer, 403, "forbidden")
    assert stack.call("GET", f"/threads/{thread}", token).body["last_seq"] == 1


@pytest.mark.parametrize(
    "path", ["/nothing", "/threads/x/y/z", "/_local/people", "/../health", "/threads//messages"]
)
def test_a_path_that_is_none_answers_as_a_thing_that_is_not_there(party: Party, path: str) -> None:
    assert_problem(party.call("ana", "GET", path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/threads"), ("DELETE", "/threads/{}"), ("POST", "/me"), ("POST", "/health")]
)
def test_a_method_that_a_path_does_not_have_is_not_there(
    party: Party, thread: str, method: str, path: str
) -> None:
    assert_problem(party.call("ana", method, path.format(thread), {}), 404, "not_found")

    assert party.call("ana", "GET", f"/threads/{thread}").body["last_seq"] == 1


def test_without_a_token_only_health_answers(stack: RunningStack, thread: str) -> None:
    assert stack.call("GET", "/health").body == {"status": "ok"}
    for path in ("/me", "/threads", f"/threads/{thread}", "/nothing"):
        answer = stack.call("GET", path)

        assert (answer.status, answer.body["code"]) == (401, "unauthenticated"), path
    for token in (stack.token(PEOPLE["ana"], expires_in=-1), "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."):
        assert stack.call("GET", "/me", token).status == 401


def test_a_person_nobody_knows_is_authenticated_and_sees_nothing(stack: RunningStack) -> None:
    token = stack.token(str(uuid4()))

    assert stack.call("GET", "/threads", token).body == {"data": [], "next_cursor": None}
    assert stack.call("GET", "/me", token).body["display_name"] is None


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("PUT", "read", {"seq": 1, "epoch": "\0"}, "epoch"),
        ("PUT", "delivered", {"seq": 1, "epoch": "\0"}, "epoch"),
        ("PUT", "read", {"seq": True, "epoch": "a"}, "seq"),
        ("PUT", "read", {"seq": "2", "epoch": "a"}, "seq"),
        (
            "POST",
            "participants",
            {"user_id": PEOPLE["carlo"], "history": {"from_seq": True}},
            "history.from_seq",
        ),
        ("POST", "participants", {"user_id": PEOPLE["carlo"], "history": "some"}, "history"),
    ],
)
def test_a_value_of_another_kind_is_refused_by_the_name_the_client_gave_it(
    party: Party, thread: str, method: str, path: str, body: object, field: str
) -> None:
    answer = party.call("ana", method, f"/threads/{thread}/{path}", body)

    assert_problem(answer, 422, "invalid")
    assert field in {error["field"] for error in answer.body["errors"]}
    assert party.call("carlo", "GET", f"/threads/{thread}").status == 404


def test_a_body_that_lambda_does_not_take_is_too_large(party: Party, thread: str) -> None:
    answer = party.call("ana", "POST", f"/threads/{thread}/messages", MESSAGE | {"message": "x" * 7_000_000})

    assert (answer.status, answer.body["code"]) == (413, "too_large")
