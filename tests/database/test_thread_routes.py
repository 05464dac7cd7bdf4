"""Threads and participants over REST: tags, preconditions, statuses and what a refusal looks like."""

from __future__ import annotations

from typing import Any

import pytest

from tests.database.test_conversation import make_thread
from tests.database.test_thread_acts import kinds, stored
from tests.fixtures.postgres import Database
from tests.fixtures.rest_api import Answer, Rest
from tests.fixtures.wedding import ANA, CARLO, FLORA, PETRA, STRANGER, WEDDING, Person, new_id


class Call:
    """Requests of one person."""

    def __init__(self, rest: Rest, who: Person, scope: str = "") -> None:
        self.rest, self.who, self.scope = rest, who, scope

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.rest(method, path, body, user_id=self.who.user_id, scope=self.scope, headers=named)


@pytest.fixture
def ana(rest: Rest, wedding: Database) -> Call:
    del wedding
    return Call(rest, ANA)


def test_an_edit_needs_the_tag_of_what_was_read(ana: Call, wedding: Database) -> None:
    thread = make_thread()
    read = ana("GET", f"/threads/{thread}")

    without = ana("PATCH", f"/threads/{thread}", {"subject": "Roses"})
    edited = ana("PATCH", f"/threads/{thread}", {"subject": "Roses"}, If_Match=read.headers["etag"])
    late = ana("PATCH", f"/threads/{thread}", {"subject": "Tulips"}, If_Match=read.headers["etag"])

    assert (without.status, without.body["code"]) == (428, "precondition_required")
    assert (edited.status, edited.body["subject"], edited.body["version"]) == (200, "Roses", 2)
    assert edited.headers["etag"] != read.headers["etag"]
    assert (late.status, late.body["code"]) == (412, "precondition_failed")
    assert stored(wedding, thread)["subject"] == "Roses"
    assert kinds(wedding, thread) == ["thread.created", "thread.updated"]
    again = ana("GET", f"/threads/{thread}", If_None_Match=edited.headers["etag"])
    assert (again.status, again.body) == (304, None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, ""),
        ({"subject": None}, "subject"),
        ({"subject": ""}, "subject"),
        ({"subject": "x" * 201}, "subject"),
        ({"thread_type": "payment"}, "thread_type"),
        ({"status": "closed"}, "status"),
        ({"metadata": []}, "metadata"),
        ({"priority_level": "emergency"}, "priority_level"),
        ({"natural_key": "a"}, "natural_key"),
        ({"surprise": True}, "surprise"),
    ],
)
def test_what_cannot_be_edited_is_named(ana: Call, wedding: Database, body: Any, field: str) -> None:
    thread = make_thread()

    refused = ana("PATCH", f"/threads/{thread}", body, If_Match='"1"')

    assert refused.status == 422
    assert refused.body["errors"][0]["field"] == field
    assert kinds(wedding, thread) == ["thread.created"]


@pytest.mark.parametrize(
    ("act", "status"), [("close", "closed"), ("archive", "archived"), ("reopen", "active")]
)
def test_a_status_is_set_with_or_without_a_reason(ana: Call, act: str, status: str) -> None:
    plain, reasoned = make_thread(), make_thread()

    bare = ana("POST", f"/threads/{plain}/{act}")
    stated = ana("POST", f"/threads/{reasoned}/{act}", {"reason": "Done & dusted"})
    wrong = ana("POST", f"/threads/{plain}/{act}", {"reason": ""})

    assert (bare.status, bare.body["status"], bare.body["status_reason"]) == (200, status, None)
    expected = None if act == "reopen" else "Done & dusted"
    assert (stated.status, stated.body["status_reason"]) == (200, expected)
    assert wrong.status == 422


def test_the_support_is_told_nothing_of_what_it_freezes(rest: Rest, ana: Call, wedding: Database) -> None:
    thread = make_thread()
    support = Call(rest, Person(new_id()), "support")

    frozen = support("POST", f"/threads/{thread}/freeze", {"reason": "Complaint"})

    assert (frozen.status, frozen.body) == (204, None)
    assert support("GET", f"/threads/{thread}").status == 404
    assert support("POST", f"/threads/{thread}/close").status == 409
    assert ana("POST", f"/threads/{thread}/reopen").status == 403
    assert ana("GET", f"/threads/{thread}").body["status_reason"] == "Complaint"
    assert support("POST", f"/threads/{thread}/reopen").status == 204
    assert support("POST", f"/threads/{thread}/close").status == 404
    assert kinds(wedding, thread) == ["thread.created", "thread.frozen", "thread.reopened"]


def test_a_natural_key_makes_once_and_finds_ever_after(ana: Call, rest: Rest) -> None:
    asked = {"wedding_id": str(WEDDING), "subject": "Order", "natural_key": f"order-{new_id()}"}

    made = ana("POST", "/threads", asked)
    found = ana("POST", "/threads", {**asked, "subject": "Another"})
    hidden = Call(rest, CARLO)("POST", "/threads", asked)

    assert (made.status, found.status, hidden.status) == (201, 200, 201)
    assert found.body == made.body
    assert found.headers["location"] == made.headers["location"] == f"/v1/threads/{made.body['id']}"
    assert hidden.body["id"] != made.body["id"]


def test_a_replayed_find_is_a_find(ana: Call) -> None:
    asked = {"wedding_id": str(WEDDING), "subject": "Order", "natural_key": f"order-{new_id()}"}
    ana("POST", "/threads", asked)
    key = f"{new_id()}"

    first = ana("POST", "/threads", asked, Idempotency_Key=key)
    again = ana("POST", "/threads", asked, Idempotency_Key=key)

    assert (first.status, again.status) == (200, 200)
    assert again.body == first.body
    assert again.headers["idempotency-replayed"] == "true"


def test_closing_twice_under_one_key_is_closing_once(ana: Call, wedding: Database) -> None:
    thread, key = make_thread(), f"{new_id()}"
    ana("POST", f"/threads/{thread}/close", Idempotency_Key=key)
    ana("POST", f"/threads/{thread}/reopen")

    again = ana("POST", f"/threads/{thread}/close", Idempotency_Key=key)

    assert (again.status, again.body["status"]) == (200, "active")
    assert kinds(wedding, thread) == ["thread.created", "thread.closed", "thread.reopened"]


def test_a_role_is_changed_by_the_tag_of_the_person(ana: Call, wedding: Database) -> None:
    thread = make_thread()
    flora = f"/threads/{thread}/participants/{FLORA.user_id}"
    read = ana("GET", flora)

    without = ana("PATCH", flora, {"role": "observer"})
    changed = ana("PATCH", flora, {"role": "observer"}, If_Match=read.headers["etag"])
    late = ana("PATCH", flora, {"role": "owner"}, If_Match=f'"{read.body["version"]}"')

    assert (without.status, late.status) == (428, 412)
    assert (changed.status, changed.body["role"], changed.body["permissions"]) == (200, "observer", ["read"])
    assert kinds(wedding, thread) == ["thread.created", "participant.role_changed"]
    assert ana("GET", flora).body == changed.body


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"role": None},
        {"role": "king"},
        {"permissions": ["fly"]},
        {"permissions": ["post"]},
        {"permissions": "read"},
    ],
)
def test_permissions_are_those_we_know_and_include_reading(ana: Call, wedding: Database, body: Any) -> None:
    thread = make_thread()

    refused = ana("PATCH", f"/threads/{thread}/participants/{FLORA.user_id}", body, If_Match='"1"')

    assert refused.status == 422
    assert kinds(wedding, thread) == ["thread.created"]


def test_a_mute_is_put_and_taken_back(ana: Call) -> None:
    thread = make_thread()
    muted = ana("PUT", f"/threads/{thread}/mute")
    snoozed = ana("PUT", f"/threads/{thread}/snooze", {"until": "2099-01-01T00:00:00Z"})
    pinned = ana("PUT", f"/threads/{thread}/pin")

    lifted = [ana("DELETE", f"/threads/{thread}/{way}") for way in ("mute", "snooze", "pin")]

    assert muted.body["me"]["muted_until"] == "2199-12-31T00:00:00.000Z"
    assert snoozed.body["me"]["snoozed_until"] == "2099-01-01T00:00:00.000Z"
    assert pinned.body["me"]["pinned_at"] is not None
    assert [each.status for each in lifted] == [200, 200, 200]
    me = lifted[-1].body["me"]
    assert (me["muted_until"], me["snoozed_until"], me["pinned_at"]) == (None, None, None)


def test_a_snooze_says_until_when(ana: Call) -> None:
    refused = ana("PUT", f"/threads/{make_thread()}/snooze")

    assert (refused.status, refused.body["errors"]) == (422, [{"field": "until", "message": "it is needed"}])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"subject": "Mine"}),
        ("POST", "/close", None),
        ("POST", "/reopen", None),
        ("POST", "/archive", None),
        ("POST", "/freeze", None),
        ("PUT", "/mute", None),
        ("DELETE", "/mute", None),
        ("PUT", "/snooze", {"until": "2099-01-01T00:00:00Z"}),
        ("DELETE", "/snooze", None),
        ("PUT", "/pin", None),
        ("DELETE", "/pin", None),
        ("GET", f"/participants/{ANA.user_id}", None),
        ("PATCH", f"/participants/{ANA.user_id}", {"role": "observer"}),
    ],
)
def test_a_hidden_thread_is_a_missing_one(
    rest: Rest, wedding: Database, method: str, path: str, body: Any
) -> None:
    thread = make_thread(people=(PETRA,))

    for who in (CARLO, STRANGER):
        call = Call(rest, who)
        hidden = call(method, f"/threads/{thread}{path}", body, If_Match='"1"')
        missing = call(method, f"/threads/{new_id()}{path}", body, If_Match='"1"')
        assert hidden == missing
        assert hidden.status == 404

    assert kinds(wedding, thread) == ["thread.created"]


def test_a_list_refuses_what_it_does_not_know(ana: Call) -> None:
    for query in ("sort=subject", "unread=maybe", "wedding_from=1", "status=gone", "participant=x"):
        refused = ana("GET", f"/threads?{query}")

        assert (refused.status, refused.body["errors"][0]["field"]) == (422, query.split("=")[0])
