"""What is done with a thread, and what every device hears of it, over real gateways and sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fixtures.wedding_devices import PEOPLE, Device, Party

Connect = Callable[..., Device]


def test_an_edit_is_seen_on_every_device_and_spoiled_by_nobody(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "petra", "flora")
    flora, carlo = connected("flora"), connected("carlo")
    read = party.call("ana", "GET", f"/threads/{thread}")
    party.send("flora", thread, "A message in between")

    edited = party.call(
        "ana", "PATCH", f"/threads/{thread}", {"subject": "Roses"}, {"If-Match": read.headers["etag"]}
    )
    late = party.call(
        "petra", "PATCH", f"/threads/{thread}", {"subject": "Tulips"}, {"If-Match": read.headers["etag"]}
    )

    assert (edited.status, late.status) == (200, 412)
    event = flora.wait_seq(thread, edited.body["last_seq"])
    assert (event["kind"], event["fields"], event["thread"]["subject"]) == (
        "thread.updated",
        ["subject"],
        "Roses",
    )
    assert [frame for frame in carlo.quiet() if frame["type"] == "events"] == []


def test_a_closed_thread_is_closed_on_sockets_too(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "petra", "flora")
    flora = connected("flora")

    closed = party.call("ana", "POST", f"/threads/{thread}/close", {"reason": "All is said"})

    event = flora.wait_seq(thread, closed.body["last_seq"])
    assert (event["kind"], event["thread"]["status_reason"]) == ("thread.closed", "All is said")
    message = {"client_msg_id": "0190cccc-0000-7000-8000-000000000001", "message": "One more thing"}
    flora.send("send", id="c1", thread_id=thread, messages=[message])
    assert flora.wait("sent", re="c1")["results"][0]["code"] == "conflict"
    reopened = party.call("ana", "POST", f"/threads/{thread}/reopen")
    flora.wait_seq(thread, reopened.body["last_seq"])
    flora.send("send", id="c2", thread_id=thread, messages=[message])
    assert flora.wait("sent", re="c2")["results"][0]["status"] == "ok"


def test_what_happened_to_a_thread_is_in_the_next_sync(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "phil")
    phone = party.connect("phil", "phil-phone")
    before = phone.sync()
    at = next(each for each in before["threads"] if each["thread_id"] == thread)
    phone.close()
    party.call("ana", "PATCH", f"/threads/{thread}", {"priority_level": "high"}, {"If-Match": '"1"'})
    party.call("ana", "PATCH", *_role(thread, "phil", {"role": "owner"}))
    party.call("ana", "POST", f"/threads/{thread}/archive")

    back = connected("phil", "phil-phone")
    synced = back.sync(before["since"], {thread: (at["epoch"], at["head_seq"])})

    events = back.events(thread)
    assert [events[seq]["kind"] for seq in sorted(events)] == [
        "thread.updated",
        "participant.role_changed",
        "thread.archived",
    ]
    [changed] = [each for each in synced["threads"] if each["thread_id"] == thread]
    assert changed["me"]["role"] == "owner"
    assert "manage" in changed["me"]["permissions"]


def test_a_changed_role_counts_from_the_next_message_on(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "flora")
    flora = connected("flora")

    party.call("ana", "PATCH", *_role(thread, "flora", {"role": "observer"}))

    event = flora.wait_seq(thread, 2)
    assert event["participant"] == {"user_id": PEOPLE["flora"], "role": "observer", "permissions": ["read"]}
    assert party.send("flora", thread, "Am I still here?").status == 403
    assert party.call("flora", "GET", f"/threads/{thread}/messages").status == 200


def test_ownership_is_handed_over_and_the_first_owner_leaves(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "petra")
    petra = connected("petra")
    me = f"/threads/{thread}/participants/{PEOPLE['ana']}"

    stuck = party.call("ana", "DELETE", me)
    party.call("ana", "PATCH", *_role(thread, "petra", {"role": "owner"}))
    left = party.call("ana", "DELETE", me)

    assert (stuck.status, left.status) == (409, 204)
    assert petra.wait_seq(thread, 3)["kind"] == "participant.removed"
    assert party.call("ana", "GET", f"/threads/{thread}").status == 404


def test_a_host_who_reads_along_is_told_when_the_door_is_closed(party: Party, connected: Connect) -> None:
    thread = party.thread("petra", "flora")
    opened = party.call("petra", "PATCH", f"/threads/{thread}", {"visibility": "hosts"}, {"If-Match": '"1"'})
    ben = connected("ben")
    assert party.call("ben", "GET", f"/threads/{thread}").body["me"]["role"] is None

    party.call(
        "petra",
        "PATCH",
        f"/threads/{thread}",
        {"visibility": "participants"},
        {"If-Match": opened.headers["etag"]},
    )

    assert ben.wait("access", thread_id=thread)["state"] == "revoked"
    assert party.call("ben", "GET", f"/threads/{thread}").status == 404


def test_a_muted_thread_is_muted_on_the_other_device_after_its_sync(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "flora")
    tablet, petra = connected("flora", "flora-tablet"), connected("petra")
    before = tablet.sync()

    muted = party.call("flora", "PUT", f"/threads/{thread}/mute", {"until": "2099-01-01T00:00:00Z"})

    assert muted.status == 200
    [changed] = tablet.sync(before["since"])["threads"]
    assert changed == muted.body
    assert [frame for frame in petra.quiet() if frame["type"] == "events"] == []


def _role(thread: str, person: str, stated: dict[str, Any]) -> tuple[str, dict[str, Any], dict[str, str]]:
    return f"/threads/{thread}/participants/{PEOPLE[person]}", stated, {"If-Match": '"1"'}
