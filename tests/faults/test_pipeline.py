"""Workers, queues and providers fail on the way of a message: nothing is lost, nobody is told twice."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from time import sleep
from uuid import uuid4

import pytest

from tests.faults.test_crashes import locked, stored, wait_until
from tests.fixtures.pipeline import ADDRESSES, PHONES, Channel, Pipeline
from tests.fixtures.wedding_devices import PEOPLE, Device

PROVIDERS: dict[str, tuple[Channel, str]] = {
    "twilio": ("sms", "SmsFunction"),
    "resend": ("email", "EmailFunction"),
}

READ = "select read_seq from wedsync.thread_participants where thread_id = %s and user_id = %s"


def canary() -> str:
    return f"canary-{uuid4().hex}"


def accepted(pipeline: Pipeline, message: str) -> bool:
    """Whether a provider has every e-mail and SMS of a message, and we know it."""
    statuses = pipeline.deliveries(message)
    return {statuses.get((channel, "flora")) for channel in ("email", "sms")} <= {"sent", "delivered"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_worker_killed_after_the_providers_acceptance_sends_nothing_twice(
    fragile: Pipeline, provider: str
) -> None:
    channel, function = PROVIDERS[provider]
    text = canary()
    thread = fragile.party.thread("ana", "flora")
    fragile.trouble(provider, "hang")

    message = fragile.send("ana", thread, text)
    fragile.until(lambda: fragile.sent(channel, text).total() == 1)
    for pid in fragile.stack.workers(function):
        os.kill(pid, signal.SIGKILL)
    orphaned = fragile.deliveries(message)[channel, "flora"]
    fragile.pass_time(lambda: accepted(fragile, message))
    fragile.settle()

    assert orphaned == "sending"
    assert fragile.sent("sms", text) == {PHONES["flora"]: 1}
    assert fragile.sent("email", text) == {ADDRESSES["flora"]: 1}
    assert fragile.notified("flora", message) == 1


@pytest.mark.parametrize(
    ("priority", "lane", "sms", "texts"),
    [("urgent", "", "failed", {}), ("emergency", "Emergency", "sent", {PHONES["flora"]: 1})],
)
def test_a_worker_killed_between_claim_and_provider_loses_no_mail_and_repeats_no_text(
    fragile: Pipeline, priority: str, lane: str, sms: str, texts: dict[str, int]
) -> None:
    text = canary()
    thread = fragile.party.thread("ana", "flora")
    functions = [f"Email{lane}Function", f"Sms{lane}Function"]

    def signal_workers(number: int) -> None:
        for function in functions:
            for pid in fragile.stack.workers(function):
                os.kill(pid, number)

    def status(channel: Channel) -> str | None:
        return fragile.deliveries(message).get((channel, "flora"))

    signal_workers(signal.SIGSTOP)
    message = fragile.send("ana", thread, text, priority)
    with fragile.unreadable():
        signal_workers(signal.SIGCONT)
        fragile.until(lambda: (status("email"), status("sms")) == ("sending", "sending"))
        signal_workers(signal.SIGKILL)
    before = fragile.sent("email", text) + fragile.sent("sms", text)
    fragile.pass_time(lambda: (status("email"), status("sms")) == ("sent", sms))
    fragile.settle()

    assert not before
    assert fragile.sent("email", text) == {ADDRESSES["flora"]: 1}
    assert fragile.sent("sms", text) == texts


@pytest.mark.parametrize("fail", ["hang", "error_after_accept"])
def test_a_provider_that_accepts_and_does_not_say_so_sends_one_text(fragile: Pipeline, fail: str) -> None:
    text = canary()
    thread = fragile.party.thread("ana", "flora")
    fragile.trouble("twilio", fail)

    message = fragile.send("ana", thread, text)
    fragile.until(lambda: fragile.deliveries(message).get(("sms", "flora")) == "unknown")
    fragile.pass_time(lambda: accepted(fragile, message))

    assert fragile.sent("sms", text) == {PHONES["flora"]: 1}


def test_what_sqs_refused_after_the_commit_is_delivered_by_the_sweep(fragile: Pipeline) -> None:
    text = canary()
    thread = fragile.party.thread("ana", "flora")

    fragile.stack.service("emulator", running=False)
    try:
        message = fragile.send("ana", thread, text)
    finally:
        fragile.stack.service("emulator", running=True)
    fragile.pass_time(lambda: accepted(fragile, message))
    fragile.settle()

    assert fragile.sent("sms", text) == {PHONES["flora"]: 1}
    assert fragile.sent("email", text) == {ADDRESSES["flora"]: 1}


def test_a_push_that_died_with_its_writer_comes_with_the_sweep(fragile: Pipeline) -> None:
    thread = fragile.party.thread("ana", "flora")
    flora = fragile.party.connect("flora")
    flora.sync()
    message = {"client_msg_id": str(uuid4()), "message": canary()}

    with ThreadPoolExecutor() as pool:
        with locked(fragile.stack, thread) as waiting:
            sending = pool.submit(fragile.party.call, "ana", "POST", f"/threads/{thread}/messages", message)
            wait_until(waiting)
            for pid in fragile.stack.workers("RestFunction"):
                os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: stored(fragile.stack, thread) == 1)
        for pid in fragile.stack.workers("RestFunction"):
            os.kill(pid, signal.SIGKILL)
        assert sending.result(30).status == 503
    fragile.advance(31)

    fragile.until(lambda: 2 in flora.events(thread))
    fragile.settle()

    assert flora.events(thread)[2]["message"]["message"] == message["message"]
    assert not any("re" in frame for frame in flora.frames if frame["type"] == "events")
    flora.close()


def is_looking(device: Device, thread: str) -> bool:
    """Says so again, as clients do: a frame that comes late is dropped."""
    device.send("focus", thread_id=thread)
    sleep(0.2)
    return any(each.get("thread_id") == thread for each in device.frames if each["type"] == "presence")


def test_who_is_looking_is_written_to_only_if_he_does_not_read(fragile: Pipeline) -> None:
    flora = fragile.party.connect("flora")
    flora.sync()

    def a_minute_later(text: str, *, reads: bool) -> tuple[str, dict[str, int]]:
        """What stood of her text message in between, and the text messages that were sent."""
        thread = fragile.party.thread("ana", "petra", "flora")
        fragile.until(lambda: is_looking(flora, thread))
        message = fragile.send("ana", thread, text)
        fragile.until(lambda: fragile.sent("sms", text) == {PHONES["petra"]: 1})
        before = fragile.deliveries(message)["sms", "flora"]
        if reads:
            flora.wait_seq(thread, 2)
            flora.send("read", epoch=flora.wait("events", thread_id=thread)["epoch"], thread_id=thread, seq=2)
            fragile.until(lambda: fragile.query(READ, thread, PEOPLE["flora"]) == [(2,)])
        fragile.advance(61)
        expected = {"cancelled"} if reads else {"sent", "delivered"}
        fragile.until(lambda: fragile.deliveries(message)["sms", "flora"] in expected)
        return before, dict(fragile.sent("sms", text))

    unread, read = a_minute_later(canary(), reads=False), a_minute_later(canary(), reads=True)

    flora.close()
    assert unread == ("queued", {PHONES["petra"]: 1, PHONES["flora"]: 1})
    assert read == ("queued", {PHONES["petra"]: 1})


def test_a_busy_provider_is_tried_again(fragile: Pipeline) -> None:
    text = canary()
    thread = fragile.party.thread("ana", "flora")
    fragile.trouble("twilio", "429")
    fragile.trouble("resend", "500")

    message = fragile.send("ana", thread, text)
    fragile.until(lambda: len(fragile.deliveries(message)) >= 3)
    fragile.pass_time(lambda: accepted(fragile, message))

    assert fragile.sent("sms", text) == {PHONES["flora"]: 1}
    assert fragile.sent("email", text) == {ADDRESSES["flora"]: 1}


def test_a_poison_record_reaches_the_dead_letters_alone_and_its_redrive_does_no_harm(
    fragile: Pipeline,
) -> None:
    text = canary()
    thread = fragile.party.thread("ana", "flora")

    poison = fragile.put("EmailQueue", '{"deliveries": ["poison"]}')
    message = fragile.send("ana", thread, text)
    fragile.until(lambda: fragile.depths(dead=True)["EmailQueueDead"] == 1)
    fragile.until(lambda: accepted(fragile, message))
    received = [line for line in fragile.logs().splitlines() if "record failed" in line and poison in line]
    moved = fragile.redrive("EmailQueue")
    fragile.until(lambda: fragile.depths(dead=True)["EmailQueueDead"] == 1)

    assert len(received) == 5
    assert moved == 1
    assert fragile.bodies("EmailQueueDead", take=True) == ['{"deliveries": ["poison"]}']
    assert fragile.sent("email", text) == {ADDRESSES["flora"]: 1}


def test_dead_letters_hold_ids_only_and_their_redrive_delivers_once(fragile: Pipeline) -> None:
    text = canary()
    thread = fragile.party.thread("ana", "flora")
    planned = fragile.send("ana", thread, "the planner is connected now")
    fragile.until(lambda: accepted(fragile, planned))
    queues = ("InboxQueue", "EmailQueue", "SmsQueue")

    with fragile.locked_out("InboxFunction", "EmailFunction", "SmsFunction"):
        message = fragile.send("ana", thread, text)
        fragile.until(lambda: all(fragile.depths(dead=True)[f"{queue}Dead"] for queue in queues))
    letters = [json.loads(body) for queue in queues for body in fragile.bodies(f"{queue}Dead")]
    moved = [fragile.redrive(queue) for queue in queues]
    fragile.settle()

    ids = fragile.query("select id from wedsync.deliveries where message_id = %s", message)
    assert sorted(letters, key=str) == sorted(({"deliveries": [str(each)]} for (each,) in ids), key=str)
    assert moved == [1, 1, 1]
    assert fragile.sent("sms", text) == {PHONES["flora"]: 1}
    assert fragile.sent("email", text) == {ADDRESSES["flora"]: 1}
    assert fragile.notified("flora", message) == 1
    for secret in (text, ADDRESSES["flora"], PHONES["flora"]):
        assert secret not in fragile.logs()


def test_a_scheduled_message_outlives_the_clockwork_that_took_it_up(fragile: Pipeline) -> None:
    text = canary()
    thread = fragile.party.thread("ana", "flora")
    in_a_minute = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    stated = {"message": text, "send_at": in_a_minute}
    made = fragile.party.call("ana", "POST", f"/threads/{thread}/scheduled-messages", stated)

    def status() -> str:
        return fragile.party.call("ana", "GET", f"/scheduled-messages/{made.body['id']}").body["status"]

    fragile.advance(60)
    fragile.until(lambda: status() != "waiting")
    for pid in fragile.stack.workers("ClockworkFunction"):
        os.kill(pid, signal.SIGKILL)
    fragile.pass_time(lambda: status() == "sent")
    fragile.settle()

    page = fragile.party.call("flora", "GET", f"/threads/{thread}/messages").body
    assert [(each["message"], each["client_msg_id"]) for each in page["data"]] == [(text, made.body["id"])]
    assert page["head_seq"] == 2
    assert fragile.notified("flora", page["data"][0]["id"]) == 1


def test_a_scheduled_message_is_pushed_when_its_time_has_come(fragile: Pipeline) -> None:
    thread = fragile.party.thread("ana", "flora")
    in_a_minute = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    stated = {"message": "One week to go", "send_at": in_a_minute}
    fragile.party.call("ana", "POST", f"/threads/{thread}/scheduled-messages", stated)
    device = fragile.party.connect("flora")
    device.sync()

    fragile.advance(60)
    event = device.wait_seq(thread, 2)
    device.close()

    assert (event["kind"], event["message"]["message"]) == ("message.created", "One week to go")
