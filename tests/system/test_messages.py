"""What is done with a message, and what every device hears of it, over real gateways and sockets."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.fixtures.wedding_devices import PEOPLE, Device, Party

Connect = Callable[..., Device]


def test_every_device_sees_a_message_edited_pinned_and_deleted(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "petra", "flora")
    flora, carlo = connected("flora"), connected("carlo")
    message = party.send("ana", thread, "Roses at 4").body

    edited = party.call("ana", "PATCH", f"/messages/{message['id']}", {"message": "Roses at 5"})
    pinned = party.call("petra", "PUT", f"/messages/{message['id']}/pin")
    deleted = party.call("ana", "DELETE", f"/messages/{message['id']}")

    assert (edited.status, pinned.status, deleted.status) == (200, 200, 204)
    events = [flora.wait_seq(thread, message["seq"] + number) for number in range(4)]
    assert [event["kind"] for event in events] == [
        f"message.{k}" for k in ("created", "edited", "pinned", "deleted")
    ]
    assert [event["message"]["message"] for event in events] == ["Roses at 4", "Roses at 5", "Roses at 5", ""]
    assert {event["message"]["seq"] for event in events} == {message["seq"]}
    assert "is_read" not in events[1]["message"]
    assert party.call("flora", "GET", f"/messages/{message['id']}/history").body["data"] == []
    assert [frame for frame in carlo.quiet() if frame["type"] == "events"] == []
    assert party.call("carlo", "GET", f"/messages/{message['id']}").status == 404


def test_who_was_away_finds_the_message_as_it_is(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "flora")
    message = party.send("ana", thread, "Secret").body
    party.call("ana", "DELETE", f"/messages/{message['id']}")
    flora = connected("flora")
    epoch = party.call("flora", "GET", f"/threads/{thread}").body["epoch"]

    flora.sync(None, {thread: (epoch, 1)})

    events = flora.events(thread)
    assert [(events[seq]["kind"], events[seq]["message"]["message"]) for seq in sorted(events)] == [
        ("message.created", ""),
        ("message.deleted", ""),
    ]


@pytest.mark.parametrize("emoji", ["👍", "❤️", "👩🏻‍❤️‍💋‍👨🏼", "#️⃣"])
def test_a_reaction_travels_as_what_it_is(party: Party, connected: Connect, emoji: str) -> None:
    thread = party.thread("ana", "flora")
    ana = connected("ana")
    message = party.send("ana", thread, "Here we go").body
    path = f"/messages/{message['id']}/reactions/{quote(emoji)}"

    reacted = party.call("flora", "PUT", path)
    again = party.call("flora", "PUT", path)

    assert (reacted.status, again.status) == (200, 200)
    event = ana.wait_seq(thread, message["seq"] + 1)
    assert (event["kind"], event["message"]["reactions"]) == ("message.reaction", {emoji: [PEOPLE["flora"]]})
    assert party.call("flora", "DELETE", path).body["reactions"] == {}
    assert party.call("flora", "PUT", f"/messages/{message['id']}/reactions/ok").status == 422


def test_a_change_of_plan_is_acknowledged_by_everybody(party: Party, connected: Connect) -> None:
    thread = party.thread("petra", "ana", "flora")
    petra = connected("petra")
    stated = {"message": "Dinner moves to 19:00", "client_msg_id": str(uuid4()), "requires_ack": True}
    message = party.call("petra", "POST", f"/threads/{thread}/messages", stated).body

    first = party.call("flora", "POST", f"/messages/{message['id']}/ack")
    last = party.call("ana", "POST", f"/messages/{message['id']}/ack")

    assert (first.body["acked_at"], first.body["my_ack"]) == (None, "given")
    event = petra.wait_seq(thread, message["seq"] + 1)
    assert (event["kind"], event["message"]["acked_at"]) == ("message.acked", last.body["acked_at"])
    receipts = party.call("petra", "GET", f"/messages/{message['id']}/receipts").body["data"]
    assert all(receipt["ack_asked"] and receipt["acked_at"] for receipt in receipts)


def test_a_socket_sends_all_that_a_request_sends(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "flora")
    flora = connected("flora")
    place = {"lat": 52.52, "lng": 13.405, "label": "Gate 2"}
    stated = [
        {"message": "We park here", "message_type": "location", "payload": place, "requires_ack": True},
        {"message": "Where?", "message_type": "location"},
    ]
    messages = [{"client_msg_id": str(uuid4()), **each} for each in stated]

    flora.send("send", id="c1", thread_id=thread, messages=messages[:1])
    flora.send("send", id="c2", thread_id=thread, messages=messages[1:])

    (result,) = flora.wait("sent", re="c1")["results"]
    message = flora.wait_seq(thread, result["seq"])["message"]
    assert (message["message_type"], message["payload"], message["requires_ack"]) == ("location", place, True)
    assert flora.wait("error", re="c2")["code"] == "invalid"
    assert party.call("ana", "GET", f"/threads/{thread}").body["last_seq"] == result["seq"]
