"""The conversation of the demo wedding, over real sockets, functions, database and gateways."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from websockets.exceptions import InvalidStatus

from tests.fixtures.stack import DEVELOPERS_PAGE
from tests.fixtures.wedding_devices import PATIENCE_SECONDS, PEOPLE, Device, Party

Connect = Callable[..., Device]


def texts(device: Device, thread_id: str) -> list[str]:
    events = device.events(thread_id)
    return [events[seq]["message"]["message"] for seq in sorted(events) if "message" in events[seq]]


def test_a_message_reaches_every_device_of_every_participant_and_nobody_else(
    party: Party, connected: Connect
) -> None:
    thread = party.thread("ana", "petra", "flora")
    petra, tablet, flora, carlo = (connected(name) for name in ("petra", "petra", "flora", "carlo"))

    sent = party.send("ana", thread, "Could the arch be white & green?")

    assert sent.status == 201
    for device in (petra, tablet, flora):
        event = device.wait_seq(thread, sent.body["seq"])
        assert event["message"]["message"] == "Could the arch be white & green?"
        assert "&amp;" in event["message"]["message_html"]
        assert "is_read" not in event["message"]
    assert [frame for frame in carlo.quiet() if frame["type"] == "events"] == []
    assert party.call("carlo", "GET", f"/threads/{thread}").status == 404


def test_what_is_sent_on_a_socket_is_answered_there_and_heard_everywhere(
    party: Party, connected: Connect
) -> None:
    thread = party.thread("ana", "petra", "flora")
    flora, petra = connected("flora"), connected("petra")
    messages = [{"client_msg_id": str(uuid4()), "message": text} for text in ("White", "& green", "it is")]

    flora.send("send", id="c1", thread_id=thread, messages=messages)

    answer = flora.wait("sent", re="c1")
    assert [each["status"] for each in answer["results"]] == ["ok"] * 3
    last = answer["results"][-1]["seq"]
    assert [each["seq"] for each in answer["results"]] == [last - 2, last - 1, last]
    for device in (flora, petra):
        device.wait_seq(thread, last)
        assert texts(device, thread) == ["White", "& green", "it is"]


def test_sending_twice_is_sending_once(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "flora")
    flora, ana = connected("flora"), connected("ana")
    message = {"client_msg_id": str(uuid4()), "message": "On my way"}
    flora.send("send", id="c1", thread_id=thread, messages=[message])
    first = flora.wait("sent", re="c1")["results"][0]

    flora.send("send", id="c2", thread_id=thread, messages=[message])

    again = flora.wait("sent", re="c2")["results"][0]
    assert again == {**first, "status": "duplicate", "duplicate": True}
    assert party.call("flora", "POST", f"/threads/{thread}/messages", message).status == 200
    ana.quiet()
    assert texts(ana, thread) == ["On my way"]


def test_who_was_away_catches_up_without_loss_or_duplicate(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "phil", "flora")
    phone = party.connect("phil", "phil-phone")
    before = phone.sync()
    at = next(each for each in before["threads"] if each["thread_id"] == thread)
    phone.close()
    said = [f"message {number}" for number in range(60)]
    for text in said:
        assert party.send("ana", thread, text).status == 201

    back = connected("phil", "phil-phone")
    synced = back.sync(before["since"], {thread: (at["epoch"], at["head_seq"])})

    frames = [frame for frame in back.frames if frame["type"] == "events"]
    seqs = [event["seq"] for frame in frames for event in frame["events"]]
    assert seqs == [*range(at["head_seq"] + 1, at["head_seq"] + 61)]
    assert texts(back, thread) == said
    assert {frame["more"] for frame in frames} == {False}
    assert [each["head_seq"] for each in synced["threads"] if each["thread_id"] == thread] == [seqs[-1]]
    assert back.sync(synced["since"])["threads"] == []


def test_a_long_absence_is_made_good_page_by_page(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "phil")
    ana, phil = connected("ana"), connected("phil")
    for batch in range(3):
        messages = [
            {"client_msg_id": str(uuid4()), "message": f"{batch}.{n} " + "é" * 1500} for n in range(5)
        ]
        ana.send("send", id=f"b{batch}", thread_id=thread, messages=messages)
        ana.wait("sent", re=f"b{batch}")
    last_sent = ana.wait("sent", re="b2")
    epoch, head = last_sent["epoch"], last_sent["results"][-1]["seq"]

    pages: list[tuple[int, int, bool]] = []
    seq, more = 0, True
    while more:
        phil.send("sync", id=f"from-{seq}", cursors={thread: {"epoch": epoch, "seq": seq}}, limit=8)
        phil.wait("synced", re=f"from-{seq}")
        frames = [
            frame for frame in phil.frames if frame.get("re") == f"from-{seq}" and frame["type"] == "events"
        ]
        pages += [(frame["from_seq"], frame["to_seq"], frame["more"]) for frame in frames]
        seq, more = frames[-1]["to_seq"], frames[-1]["more"]

    assert [first for first, _, _ in pages] == [1, *(last + 1 for _, last, _ in pages[:-1])]
    assert pages[-1][1] == head
    assert sum(more for _, _, more in pages) == (head - 1) // 8
    assert len(pages) > 3
    assert all(len(json.dumps(frame, ensure_ascii=False).encode()) < 32_000 for frame in phil.frames)


def test_a_cursor_that_cannot_be_is_not_recovered_in_part(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "phil")
    phil = connected("phil")

    phil.send(
        "sync",
        id="odd",
        cursors={thread: {"epoch": "restored", "seq": 1}, str(uuid4()): {"epoch": "a", "seq": 1}},
    )

    assert phil.wait("resync_required", re="odd")["reason"] == "epoch_changed"
    assert len(phil.wait("synced", re="odd")["gone"]) == 1


def test_who_is_removed_hears_so_at_once_and_then_nothing(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "petra", "flora")
    flora, petra = connected("flora"), connected("petra")

    removed = party.call("ana", "DELETE", f"/threads/{thread}/participants/{PEOPLE['flora']}")
    sent = party.send("ana", thread, "Flora must not read this")

    assert removed.status == 204
    petra.wait_seq(thread, sent.body["seq"])
    assert flora.wait("access")["thread_id"] == thread
    flora.send(
        "send", id="late", thread_id=thread, messages=[{"client_msg_id": str(uuid4()), "message": "?"}]
    )
    assert flora.wait("error", re="late")["code"] == "not_found"
    assert sent.body["seq"] not in flora.events(thread)
    assert "Flora must not read this" not in str(flora.quiet())


def test_who_is_added_hears_from_then_on(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "petra")
    party.send("ana", thread, "before")
    carlo = connected("carlo")

    added = party.call("ana", "POST", f"/threads/{thread}/participants", {"user_id": PEOPLE["carlo"]})
    sent = party.send("ana", thread, "after")

    assert added.status == 201
    carlo.wait_seq(thread, sent.body["seq"])
    epoch = carlo.wait("events", thread_id=thread)["epoch"]
    carlo.sync(cursors={thread: (epoch, 0)})
    assert texts(carlo, thread) == ["after"]
    assert carlo.events(thread)[1]["kind"] == "void"


def test_a_commit_that_races_a_connect_is_pushed_or_synced(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "petra")
    seqs: list[int] = []
    stop = threading.Event()

    def chatter() -> None:
        while not stop.is_set():
            seqs.append(party.send("ana", thread, f"number {len(seqs)}").body["seq"])

    talking = threading.Thread(target=chatter)
    talking.start()
    try:
        arrived = []
        for _ in range(5):
            device = connected("petra")
            epoch = device.sync()["threads"][0]["epoch"]
            device.sync(cursors={thread: (epoch, 0)})
            arrived.append(device)
    finally:
        stop.set()
        talking.join()

    for device in arrived:
        device.wait_seq(thread, seqs[-1])
        missing = {*range(1, seqs[-1] + 1)} - {*device.events(thread)}
        assert missing == set()


def test_a_device_that_connects_again_takes_over(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "flora")
    old = connected("flora", "flora-phone")

    new = connected("flora", "flora-phone")

    bye = old.wait("bye")
    assert (bye["code"], bye["reason"]) == (4009, "this device has a newer connection")
    old.wait_closed()
    sent = party.send("ana", thread, "only on the new one")
    new.wait_seq(thread, sent.body["seq"])
    assert old.events(thread) == {}


def test_the_eleventh_device_of_a_person_takes_the_place_of_the_oldest(
    party: Party, connected: Connect
) -> None:
    thread = party.thread("ana", "ben")
    registered = party.registered("ben")
    assert all(registered.loses(device_id) for device_id in registered.devices())
    oldest, *others = (connected("ben", f"ben-{number}") for number in range(10))
    registered.connected_long_ago("ben-0")

    newest = connected("ben", "ben-10")

    bye = oldest.wait("bye")
    oldest.wait_closed()
    sent = party.send("ana", thread, "to ten of your devices")
    assert (bye["code"], bye["reason"], oldest.frames[-1]) == (4009, "too many devices are connected", bye)
    assert all(device.wait_seq(thread, sent.body["seq"]) for device in (*others, newest))
    assert oldest.events(thread) == {}
    assert registered.devices() == {f"ben-{number}" for number in range(1, 11)}


def test_a_dead_socket_is_forgotten_and_disturbs_nobody(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "petra", "flora")
    petra, flora = connected("petra", "petra-laptop"), connected("flora")
    registered = party.registered("petra")
    registered.add("petra-lost-phone", "AAAAAAAAAAAAAAA=")

    sent = party.send("ana", thread, "hello?")

    for device in (petra, flora):
        device.wait_seq(thread, sent.body["seq"])
    assert registered.loses("petra-lost-phone")
    assert "petra-laptop" in registered.devices()


def test_closed_sockets_are_forgotten(party: Party, connected: Connect) -> None:
    device = connected("ben", "ben-phone")
    registered = party.registered("ben")
    assert "ben-phone" in registered.devices()

    device.close()

    assert registered.loses("ben-phone")


def test_cursors_move_over_the_socket(party: Party, connected: Connect) -> None:
    thread = party.thread("ana", "flora")
    sent = party.send("ana", thread, "please read")
    flora = connected("flora")
    epoch, seq = flora.sync()["threads"][0]["epoch"], sent.body["seq"]
    assert party.call("flora", "GET", f"/threads/{thread}").body["unread_count"] == 1

    flora.send("ack", epoch=epoch, cursors={thread: seq})
    flora.send("read", epoch="another", thread_id=thread, seq=seq)
    flora.send("read", id="r1", epoch=epoch, thread_id=str(uuid4()), seq=1)
    assert flora.wait("error", re="r1")["code"] == "not_found"
    flora.send("read", epoch=epoch, thread_id=thread, seq=seq + 1000)

    def stands() -> tuple[int, int, int]:
        seen = party.call("flora", "GET", f"/threads/{thread}").body
        return seen["unread_count"], seen["me"]["read_seq"], seen["me"]["delivered_seq"]

    # The frames of one connection are worked on side by side, and these have no answer.
    give_up = time.monotonic() + PATIENCE_SECONDS
    while stands() != (0, seq, seq):
        assert time.monotonic() < give_up, stands()


def test_a_ping_is_answered(party: Party, connected: Connect) -> None:
    flora = connected("flora")

    flora.send("ping")

    assert flora.wait("pong") == {"type": "pong"}


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("hello", "malformed"),
        ("[]", "malformed"),
        ('{"action":"dance","id":"x"}', "unknown_action"),
        ('{"action":"sync","id":"x","since":"forged"}', "invalid"),
        ('{"action":"sync","id":"x","limit":0}', "invalid"),
        ('{"action":"send","id":"x","thread_id":"nonsense","messages":[]}', "invalid"),
        ('{"action":"ack","id":"x","epoch":"a","cursors":{"nonsense":1}}', "invalid"),
        ('{"action":"read","id":"x","surprise":1}', "invalid"),
    ],
)
def test_a_bad_frame_is_refused_and_the_socket_stays(
    party: Party, connected: Connect, frame: str, code: str
) -> None:
    flora = connected("flora")

    flora.socket.send(frame)

    assert flora.wait("error")["code"] == code
    flora.sync()


def test_a_page_of_an_origin_that_was_let_in_gets_a_ticket_and_a_socket(party: Party) -> None:
    page = {"Origin": DEVELOPERS_PAGE}

    answer = party.call("flora", "POST", "/realtime/tickets", {"device_id": "flora-page"}, page)
    party.open(answer.body["ticket"], "flora-page", additional_headers=page).close()

    assert answer.status == 201
    assert answer.headers["access-control-allow-origin"] == DEVELOPERS_PAGE


def test_a_used_ticket_and_a_foreign_origin_open_nothing(party: Party) -> None:
    ticket = party.ticket("flora", "flora-tablet")

    with pytest.raises(InvalidStatus) as foreign:
        party.connect("flora", additional_headers={"Origin": "https://evil.example"})
    party.open(ticket, "flora-tablet").close()
    with pytest.raises(InvalidStatus) as used:
        party.open(ticket, "flora-tablet")

    assert foreign.value.response.status_code == 403
    assert used.value.response.status_code == 401


def test_the_sub_protocol_is_ours_or_none(party: Party) -> None:
    ours = party.connect("flora", subprotocols=["other", "wedsync.v1"])
    with pytest.raises(InvalidStatus) as refused:
        party.connect("flora", subprotocols=["other"])

    assert ours.socket.subprotocol == "wedsync.v1"
    assert refused.value.response.status_code == 400
    ours.close()


def test_an_expired_identity_is_shown_out(party: Party) -> None:
    token = party.stack.token(PEOPLE["flora"], expires_in=2)
    asked = party.stack.call("POST", "/realtime/tickets", token, {"device_id": "flora-watch"})
    flora = party.open(asked.body["ticket"], "flora-watch")

    while not flora.closed:
        flora.send("read", epoch="none", thread_id=str(uuid4()), seq=1)
        time.sleep(0.1)

    assert flora.wait("bye")["code"] == 4001
    flora.wait_closed()


def test_on_the_day_of_a_wedding_its_people_are_told_how_to_behave(party: Party) -> None:
    service = party.stack.token("0190a000-0000-7000-8000-00000000a001", scope="service")
    bride, wedding = str(uuid4()), str(uuid4())
    stated = {
        f"users/{bride}": {"display_name": "Ida Moss", "email": "ida@example.com"},
        f"weddings/{wedding}": {
            "organization_id": "0190a000-0000-7000-8000-000000000001",
            "title": "Ida & Jon",
            "wedding_date": datetime.now(UTC).date().isoformat(),
            "time_zone": "UTC",
            "status": "planned",
        },
        f"weddings/{wedding}/members/{bride}": {"role": "couple"},
    }
    for path, body in stated.items():
        assert party.stack.call("PUT", f"/directory/{path}", service, body).status == 201
    token = party.stack.token(bride)
    asked = party.stack.call("POST", "/realtime/tickets", token, {"device_id": "ida-phone"})
    ida = party.open(asked.body["ticket"], "ida-phone")

    ida.sync()

    assert ida.wait("mode") == {
        "type": "mode",
        "wedding_id": wedding,
        "phase": "day_of",
        "ping_seconds": 25,
        "typing": False,
    }
    ida.close()
