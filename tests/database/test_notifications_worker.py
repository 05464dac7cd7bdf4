"""What a worker does with a batch: each delivery once, whatever comes twice or fails."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from tests.database.test_notifications_claims import HIS, claim, planned
from tests.fixtures.notifying import Notifying
from tests.fixtures.queue_server import sqs_event
from tests.fixtures.wedding import ANA, FLORA
from wedsync.conversations import participants
from wedsync.notifications import deliveries, deliveries_sql, worker
from wedsync.notifications.deliveries import Accepted, Claimed, Later, NotificationText, Refused


def body(*ids: UUID) -> str:
    return json.dumps({"deliveries": [str(id_) for id_ in ids]})


class Provider:
    """Accepts everything, and remembers."""

    def __init__(self) -> None:
        self.accepted: list[UUID] = []
        self.texts: list[str] = []

    def send(self, claimed: Claimed, text: NotificationText) -> deliveries.Outcome:
        self.accepted.append(claimed.delivery_id)
        self.texts.append(text.message)
        return Accepted("stand-in", f"ref-{claimed.delivery_id}")


def test_the_same_batch_twice_is_sent_once(notifying: Notifying) -> None:
    thread = planned(notifying)
    ids = [delivery["id"] for delivery in notifying.deliveries(thread)]
    provider = Provider()
    event = sqs_event(body(*ids), body(*ids))

    answers = [notifying.run(worker.handle, event, provider.send) for _ in range(2)]

    assert answers == [{"batchItemFailures": []}] * 2
    assert sorted(provider.accepted) == sorted(ids)
    assert {d["status"] for d in notifying.deliveries(thread)} == {"sent"}


def test_one_poison_record_of_ten_comes_again_alone(
    notifying: Notifying, capsys: pytest.CaptureFixture[str]
) -> None:
    threads = [planned(notifying, "normal") for _ in range(9)]
    ids = [notifying.delivery(thread, FLORA.user_id)["id"] for thread in threads]
    provider = Provider()
    event = sqs_event(*map(body, ids), '{"deliveries": ["canary"]}')

    answer = notifying.run(worker.handle, event, provider.send)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m9"}]}
    assert provider.accepted == ids
    assert "canary" not in capsys.readouterr().out


def test_a_delivery_that_fails_does_not_hold_up_the_others_of_its_record(notifying: Notifying) -> None:
    thread = planned(notifying)
    ids = [delivery["id"] for delivery in notifying.deliveries(thread)]
    provider = Provider()

    def send(claimed: Claimed, text: NotificationText) -> deliveries.Outcome:
        if claimed.delivery_id == ids[1]:
            raise RuntimeError("a defect")
        return provider.send(claimed, text)

    first = notifying.run(worker.handle, sqs_event(body(*ids)), send)
    again = notifying.run(worker.handle, sqs_event(body(*ids)), send)

    assert first == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert again == {"batchItemFailures": []}
    assert provider.accepted == [id_ for id_ in ids if id_ != ids[1]]


def test_what_there_is_no_time_for_is_not_claimed(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = planned(notifying)
    ids = [delivery["id"] for delivery in notifying.deliveries(thread)]
    monkeypatch.setattr(worker, "BUDGET_SECONDS", 0)

    answer = notifying.run(worker.handle, sqs_event(body(*ids)), Provider().send)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert {d["status"] for d in notifying.deliveries(thread)} == {"queued"}


def test_what_was_claimed_with_others_and_has_no_time_left_goes_back(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = planned(notifying)
    ids = [delivery["id"] for delivery in notifying.deliveries(thread)]
    provider = Provider()

    def slow(claimed: Claimed, text: NotificationText) -> deliveries.Outcome:
        monkeypatch.setattr(worker.time, "monotonic", lambda: float("inf"))
        return provider.send(claimed, text)

    answer = notifying.run(lambda: worker.handle(sqs_event(body(*ids)), slow, at_once=len(ids)))

    assert answer == {"batchItemFailures": []}
    assert provider.accepted == ids[:1]
    assert [d["status"] for d in notifying.deliveries(thread)] == ["sent", *["queued"] * (len(ids) - 1)]


def test_a_portion_is_read_by_each_with_his_own_eyes(notifying: Notifying) -> None:
    threads = [planned(notifying), planned(notifying)]
    ids = [d["id"] for thread in threads for d in notifying.deliveries(thread) if d["channel"] == "email"]
    hidden = notifying.delivery(threads[1], FLORA.user_id, "email")
    claims = notifying.run(deliveries.claim, ids)
    participants.remove(ANA, threads[1], FLORA.user_id)

    texts = notifying.run(deliveries.texts, [(each.user_id, each.message_id) for each in claims])

    assert [each.delivery_id for each in claims] == ids
    assert texts.keys() == {(e.user_id, e.message_id) for e in claims if e.delivery_id != hidden["id"]}


def test_who_is_removed_between_claim_and_text_is_not_told(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = planned(notifying)
    delivery_id = notifying.delivery(thread, FLORA.user_id, "email")["id"]
    provider = Provider()
    monkeypatch.setattr(deliveries, "texts", lambda _: {})

    notifying.run(worker.handle, sqs_event(body(delivery_id)), provider.send)

    stored = notifying.delivery(thread, FLORA.user_id, "email")
    assert provider.accepted == []
    assert (stored["status"], stored["reason"]) == ("cancelled", "removed")


def test_what_was_claimed_and_could_not_be_read_goes_back(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = planned(notifying)
    delivery_id = notifying.delivery(thread, FLORA.user_id, "sms")["id"]
    provider = Provider()
    monkeypatch.setattr(deliveries_sql, "TEXTS", "select 1 / 0")

    answer = notifying.run(worker.handle, sqs_event(body(delivery_id)), provider.send)

    assert answer == {"batchItemFailures": []}
    assert provider.accepted == []
    assert notifying.delivery(thread, FLORA.user_id, "sms")["status"] == "queued"


def test_what_was_not_sent_waits_its_time(notifying: Notifying) -> None:
    thread = planned(notifying)
    claimed = claim(notifying, thread, "email")
    assert claimed is not None

    assert notifying.run(deliveries.record, claimed, Later(60, "429"))

    waiting = notifying.stored(
        "select status, extract(epoch from not_before - updated_at) as wait from wedsync.deliveries where id = %(i)s",
        i=claimed.delivery_id,
    )
    assert waiting[0]["status"] == "queued"
    assert 59 < waiting[0]["wait"] < 61
    assert claim(notifying, thread, "email") is None
    assert not notifying.run(deliveries.record, claimed, Accepted("late"))


def test_a_dead_device_is_forgotten_and_a_stopped_number_is_kept_in_mind(notifying: Notifying) -> None:
    notifying.stored(
        "insert into wedsync.contact_points values (gen_random_uuid(), %(u)s, 'device', '{}', 'self', now())",
        **HIS,
    )
    thread = planned(notifying)
    for channel, code in (("push", "410"), ("sms", "21610")):
        claimed = claim(notifying, thread, channel)
        assert claimed is not None
        notifying.run(deliveries.record, claimed, Refused(code, suppress=True))

    devices = notifying.stored(
        "select * from wedsync.contact_points where user_id = %(u)s and channel = 'device'", **HIS
    )
    suppressed = notifying.stored("select channel, reason from wedsync.suppressions")
    assert devices == []
    assert suppressed == [{"channel": "sms", "reason": "21610"}]
    assert notifying.delivery(thread, FLORA.user_id, "push")["status"] == "failed"
    notifying.stored("delete from wedsync.suppressions")
