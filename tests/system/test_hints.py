"""Hints about people, over real sockets: who is here, who types, how far somebody has got. Each person types once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.fixtures.wedding_devices import PATIENCE_SECONDS, PEOPLE, Device, Party

Connect = Callable[..., Device]


def told(device: Device, kind: str, thread_id: str) -> list[dict[str, Any]]:
    return [each for each in device.quiet() if each["type"] == kind and each["thread_id"] == thread_id]


def sees(device: Device, thread_id: str, *people: str) -> None:
    """Until the device has heard that just these people look at the thread."""
    device.wait("presence", thread_id=thread_id, user_ids=sorted(PEOPLE[each] for each in people))


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_who_looks_at_a_thread_sees_who_else_does_and_hears_who_types(
    party: Party, connected: Connect
) -> None:
    thread = party.thread("ana", "petra", "flora")
    ana, petra, flora, carlo = (connected(name) for name in ("ana", "petra", "flora", "carlo"))
    petra.send("focus", thread_id=None)
    carlo.send("focus", thread_id=thread)

    ana.send("focus", thread_id=thread)
    sees(ana, thread, "ana")
    flora.send("focus", thread_id=thread)
    for device in (ana, flora):
        sees(device, thread, "ana", "flora")
    flora.send("typing", thread_id=thread)

    typing = {"type": "typing", "thread_id": thread, "user_id": PEOPLE["flora"], "ttl": 6}
    assert ana.wait("typing", thread_id=thread) == typing
    assert [told(device, "typing", thread) for device in (petra, flora, carlo)] == [[], [], []]
    assert [told(device, "presence", thread) for device in (petra, carlo)] == [[], []]
    flora.send("focus", thread_id=None)
    until(lambda: [each["user_ids"] for each in told(ana, "presence", thread)][-1] == [PEOPLE["ana"]])


def test_who_was_removed_hears_no_hint_and_gives_none(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "petra", "flora")
    ana, petra, flora = (connected(name) for name in ("ana", "petra", "flora"))
    for device in (ana, flora):
        device.send("focus", thread_id=thread)
    sees(ana, thread, "ana", "flora")
    party.call("ana", "DELETE", f"/threads/{thread}/participants/{PEOPLE['flora']}")
    before = len(told(flora, "presence", thread))

    petra.send("focus", thread_id=thread)
    sees(ana, thread, "ana", "petra")
    petra.send("typing", thread_id=thread)
    ana.wait("typing", thread_id=thread)

    assert told(flora, "typing", thread) == []
    assert len(told(flora, "presence", thread)) == before


def test_who_has_not_said_for_long_what_he_looks_at_is_not_here(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "petra", "flora")
    ana, petra = connected("ana"), connected("petra")
    flora = connected("flora", "flora-late")
    for device in (ana, flora):
        device.send("focus", thread_id=thread)
    sees(ana, thread, "ana", "flora")

    party.registered("flora").looked_long_ago("flora-late")
    petra.send("focus", thread_id=thread)

    sees(ana, thread, "ana", "petra")
    assert not [each for each in told(flora, "presence", thread) if PEOPLE["petra"] in each["user_ids"]]


def test_others_hear_how_far_somebody_has_read_but_not_each_step(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "flora")
    last = [party.send("ana", thread, f"step {number}").body["seq"] for number in range(5)][-1]
    ana, flora, tablet = connected("ana"), connected("flora"), connected("flora")
    epoch = party.call("flora", "GET", f"/threads/{thread}").body["epoch"]
    began = time.monotonic()

    for seq in range(2, last + 1):
        flora.send("read", epoch=epoch, thread_id=thread, seq=seq)
    until(lambda: party.call("flora", "GET", f"/threads/{thread}").body["me"]["read_seq"] == last)

    def is_told() -> bool:
        flora.send("focus", thread_id=thread)  # what is owed is told with it, when a second has passed
        time.sleep(0.2)
        return any(each["read_seq"] == last for each in told(ana, "receipt", thread))

    until(is_told)

    for device in (ana, tablet):
        receipt = device.wait("receipt", thread_id=thread, read_seq=last)
        assert (receipt["user_id"], receipt["delivered_seq"]) == (PEOPLE["flora"], last)
        assert len(told(device, "receipt", thread)) <= 2 + (time.monotonic() - began)


def test_what_one_device_does_for_itself_the_others_hear(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "flora")
    ana, flora = connected("ana"), connected("flora")

    party.call("flora", "PUT", f"/threads/{thread}/mute")
    party.call("flora", "PUT", f"/threads/{thread}/draft", {"message": "Dear Ana"})

    for changed in ("place", "draft"):
        assert flora.wait("me", changed=changed) == {"type": "me", "thread_id": thread, "changed": changed}
    assert told(ana, "me", thread) == []


def test_a_hint_that_is_no_hint_is_refused(connected: Connect) -> None:
    flora = connected("flora")

    flora.socket.send('{"action": "typing", "id": "t1"}')
    flora.socket.send('{"action": "focus", "id": "f1", "thread_id": "flowers"}')

    for asked in ("t1", "f1"):
        error = flora.wait("error", re=asked)
        assert (error["code"], error["errors"][0]["field"]) == ("invalid", "thread_id")
