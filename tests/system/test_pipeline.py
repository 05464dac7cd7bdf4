"""A message leaves the log and reaches every channel, once for each person it concerns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from tests.fixtures.pipeline import ADDRESSES, CHANNELS, PHONES, Pipeline
from tests.fixtures.stack import request
from tests.fixtures.wedding_devices import PEOPLE


def canary() -> str:
    return f"canary-{uuid4().hex}"


@contextmanager
def disorder(pipeline: Pipeline) -> Iterator[None]:
    """Every batch is delivered three times and shuffled."""
    pipeline.event_sources(duplicates=2, shuffle=True)
    try:
        yield
    finally:
        pipeline.event_sources()


def test_an_urgent_message_reaches_every_channel_once_for_each_person_it_concerns(pipeline: Pipeline) -> None:
    text = canary()
    thread = pipeline.party.thread("ana", "petra", "flora")
    phone, tablet = pipeline.device("flora"), pipeline.device("flora")
    pipeline.device("carlo")
    petra = pipeline.party.connect("petra")
    petra.sync()

    with disorder(pipeline):
        message = pipeline.send("ana", thread, text)
        pipeline.until(lambda: len(pipeline.deliveries(message)) == 7)
        pipeline.settle()

    assert pipeline.sent("email", text) == {ADDRESSES["petra"]: 1, ADDRESSES["flora"]: 1}
    assert pipeline.sent("sms", text) == {PHONES["petra"]: 1, PHONES["flora"]: 1}
    assert pipeline.sent("push", text) == {phone: 1, tablet: 1}
    people = ("ana", "petra", "flora", "carlo")
    assert {who: pipeline.notified(who, message) for who in people} == {
        "ana": 0,
        "petra": 1,
        "flora": 1,
        "carlo": 0,
    }
    while petra.wait("notification")["notification"]["message_id"] != message:
        pass  # of other tests
    petra.close()


def test_an_ordinary_message_stays_in_the_inbox_and_on_the_devices(pipeline: Pipeline) -> None:
    text = canary()
    thread = pipeline.party.thread("ana", "ben")
    device = pipeline.device("ben")

    message = pipeline.send("ana", thread, text, "normal")
    pipeline.until(lambda: pipeline.sent("push", text).total() > 0)
    pipeline.settle()

    assert pipeline.sent("push", text) == {device: 1}
    assert pipeline.notified("ben", message) == 1
    assert not pipeline.sent("email", text)
    assert not pipeline.sent("sms", text)


def test_an_emergency_has_lanes_of_its_own(pipeline: Pipeline) -> None:
    text = canary()
    thread = pipeline.party.thread("ana", "petra")
    before = invocations(pipeline)

    message = pipeline.send("ana", thread, text, "emergency")
    pipeline.until(lambda: pipeline.sent("sms", text).total() + pipeline.sent("email", text).total() == 2)
    pipeline.settle()

    after = invocations(pipeline)
    ran = {name for name in after if after[name] > before[name] and "Rest" not in name and "Auth" not in name}
    lanes = {f"{name}EmergencyFunction" for name in ("Planner", "Inbox", "Email", "Sms")}
    assert lanes <= ran
    assert pipeline.sent("sms", text) == {PHONES["petra"]: 1}
    assert pipeline.notified("petra", message) == 1


def test_a_device_that_has_unsubscribed_is_forgotten(pipeline: Pipeline) -> None:
    text = canary()
    thread = pipeline.party.thread("ana", "phil")
    dead = pipeline.device("phil")
    assert pipeline.stack.local("DELETE", "/_local/devices", {"endpoint": dead}).status == 204

    pipeline.send("ana", thread, text, "normal")
    pipeline.until(lambda: dead not in str(pipeline.party.call("phil", "GET", "/me/devices").body))
    pipeline.settle()

    assert not pipeline.sent("push", text)


def test_who_has_said_stop_gets_no_more_texts(pipeline: Pipeline) -> None:
    first, second = canary(), canary()
    thread = pipeline.party.thread("ana", "phil")
    pipeline.trouble("twilio", "21610")

    stopped = pipeline.send("ana", thread, first)
    pipeline.until(lambda: pipeline.deliveries(stopped).get(("sms", "phil")) in ("failed", "suppressed"))
    again = pipeline.send("ana", thread, second)
    pipeline.until(lambda: pipeline.sent("email", second).total() == 1)
    pipeline.settle()

    assert not pipeline.sent("sms", first)
    assert not pipeline.sent("sms", second)
    assert pipeline.deliveries(again).get(("sms", "phil")) in (None, "suppressed", "cancelled")


def test_text_addresses_and_keys_are_in_no_log(pipeline: Pipeline) -> None:
    text = canary()
    thread = pipeline.party.thread("ana", "petra", "flora")
    device = pipeline.device("petra")

    pipeline.send("ana", thread, text)
    pipeline.until(lambda: all(pipeline.sent(channel, text) for channel in CHANNELS))
    pipeline.settle()

    logs = pipeline.logs()
    keys = pipeline.stack.data_dir / "state.json"
    for secret in (text, device, ADDRESSES["petra"], PHONES["petra"], PHONES["flora"]):
        assert secret not in logs
    assert '"auth_token"' in keys.read_text()
    assert oct(keys.stat().st_mode)[-3:] == "600"


def test_the_page_shows_what_was_sent_and_runs_nothing_that_people_wrote(pipeline: Pipeline) -> None:
    text = f"<script>{canary()}</script>"
    thread = pipeline.party.thread("ana", "petra")
    device = pipeline.device("petra")

    pipeline.send("ana", thread, text)
    pipeline.until(lambda: all(pipeline.sent(channel, text) for channel in CHANNELS))
    pipeline.settle()

    page = request("GET", pipeline.stack.console + "/outbox")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert text not in page.body
    assert text.replace("<", "&lt;").replace(">", "&gt;") in page.body
    for address in (ADDRESSES["petra"], PHONES["petra"], device):
        assert address in page.body
    assert "/outbox" in request("GET", pipeline.stack.console + "/").body


def test_knobs_refuse_what_they_do_not_know(pipeline: Pipeline) -> None:
    local = pipeline.stack.local

    answers = [
        local("GET", "/_local/outbox?channel=inbox"),
        local("POST", "/_local/providers/twilio", {"fail": "418"}),
        local("POST", "/_local/providers/twilio", {"fail": "429", "times": -1}),
        local("POST", "/_local/providers/twilio", {"fail": "429", "time": 1}),
        local("POST", "/_local/providers/twilio", b"{"),
        local("POST", "/_local/event-sources", {"visibility_timeout": "1"}),
        local("POST", "/_local/event-sources", {"duplicates": 99}),
        local("POST", "/_local/time", {"advance": 1, "now": "2026-01-01T00:00:00Z"}),
        local("POST", "/_local/time", {"now": "tomorrow"}),
    ]
    missing = [
        local("POST", "/_local/providers/smtp", {"fail": "429"}),
        local("POST", "/_local/queues/Nowhere/redrive"),
        local("POST", "/_local/queues/EmailQueueDead/redrive"),
        local("DELETE", "/_local/devices", {"endpoint": "http://127.0.0.1/push/x"}),
    ]

    assert {(answer.status, answer.body["code"]) for answer in answers} == {(422, "invalid")}
    assert {(answer.status, answer.body["code"]) for answer in missing} == {(404, "not_found")}


def test_a_shared_phone_number_gets_one_text(pipeline: Pipeline) -> None:
    text, service = canary(), pipeline.stack.token(str(uuid4()), "service")
    shared = {"email": "ben@example.com", "phone": PHONES["ana"], "display_name": "Ben Okafor"}
    own = {**shared, "phone": PHONES["ben"]}
    thread = pipeline.party.thread("petra", "ana", "ben")

    assert pipeline.stack.call("PUT", f"/directory/users/{PEOPLE['ben']}", service, shared).status == 200
    pipeline.send("petra", thread, text)
    pipeline.until(lambda: pipeline.sent("email", text).total() == 2)
    pipeline.settle()
    assert pipeline.stack.call("PUT", f"/directory/users/{PEOPLE['ben']}", service, own).status == 200

    assert pipeline.sent("sms", text) == {PHONES["ana"]: 1}


def invocations(pipeline: Pipeline) -> dict[str, int]:
    """How often each function has run."""
    functions = pipeline.stack.local("GET", "/_local/functions").body["data"]
    return {each["function"]: each["invocations"] for each in functions}
