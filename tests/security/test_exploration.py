"""Every documented operation, asked thousands of things: no 5xx, and no answer that is not in the description."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from tests.fixtures.stack import RunningStack

Explore = Callable[..., str]


def person(number: int) -> str:
    return f"0190a000-0000-7000-8000-{number:012d}"


def known_ids(stack: RunningStack, token: str) -> dict[str, str]:
    """A thread with a message in it, and who and what else there is."""
    new = {
        "wedding_id": person(201),
        "subject": "Explored",
        "participants": [{"user_id": person(103)}],
        "message": {"message": "Hello", "client_msg_id": str(uuid4()), "requires_ack": True},
    }
    thread = stack.call("POST", "/threads", token, new).body["id"]
    page = stack.call("GET", f"/threads/{thread}/messages", token).body
    later = {"message": "Later", "relative": "P-1D", "at": "09:00"}
    scheduled = stack.call("POST", f"/threads/{thread}/scheduled-messages", token, later).body
    return {
        "thread_id": thread,
        "message_id": page["data"][0]["id"],
        "scheduled_id": scheduled["id"],
        "user_id": person(103),
    }


def test_a_person_gets_only_what_is_described(stack: RunningStack, explorer: Explore) -> None:
    token = stack.token(person(101))

    assert explorer(token, known_ids(stack, token), "^/(?!directory/)") == ""


def test_a_service_gets_only_what_is_described(stack: RunningStack, explorer: Explore) -> None:
    token = stack.token(str(uuid4()), "service")
    stated = {
        "user_id": str(uuid4()),
        "organization_id": str(uuid4()),
        "wedding_id": str(uuid4()),
    }

    assert explorer(token, stated, "^/directory/") == ""
