"""GET /messages/{id}/receipts: what became of a message, for those who may know."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.database.test_conversation import make_thread, say
from tests.fixtures.postgres import Database
from tests.fixtures.rest_api import Answer, Rest
from tests.fixtures.wedding import ANA, BEN, CARLO, FLORA, PETRA, STRANGER, Person, behind, new_id
from wedsync.conversations import cursors, participants

pytestmark = pytest.mark.usefixtures("wedding")


def delivery(database: Database, message_id: str, who: Person, channel: str, status: str) -> None:
    """A delivery as planner and channels leave it."""
    behind(
        database,
        "insert into wedsync.deliveries (id, message_id, user_id, channel, lane, category, address_hash, status, created_at, "
        "kicked_at, not_before, expires_at, updated_at) values (%(id)s, %(message)s, %(user)s, %(channel)s, 'ordinary', 'urgent', "
        "sha256(convert_to(%(channel)s::text, 'UTF8') || uuid_send(%(user)s)), %(status)s, now(), now(), now(), now() + interval '1 day', now())",
        id=new_id(),
        message=message_id,
        user=who.user_id,
        channel=channel,
        status=status,
    )


def sent(thread: UUID, by: Person = ANA) -> str:
    message = say(by, thread).message
    assert message is not None
    return message["id"]


def receipts(rest: Rest, who: Person, message_id: object) -> Answer:
    return rest("GET", f"/messages/{message_id}/receipts", user_id=who.user_id)


def by_name(answer: Answer) -> dict[str, dict[str, Any]]:
    assert answer.status == 200
    return {receipt["display_name"].split()[0]: receipt for receipt in answer.body["data"]}


def test_the_author_knows_who_got_it_who_read_it_and_by_which_channel(wedding: Database, rest: Rest) -> None:
    thread = make_thread()
    message = sent(thread)
    epoch = behind(wedding, "select app.epoch() as epoch")[0]["epoch"]
    delivery(wedding, message, FLORA, "sms", "sent")
    delivery(wedding, message, FLORA, "inbox", "delivered")
    delivery(wedding, message, PETRA, "inbox", "delivered")
    cursors.read(PETRA, thread, epoch, 2)

    told = by_name(receipts(rest, ANA, message))

    assert set(told) == {"Flora", "Petra"}
    assert [(each["channel"], each["status"]) for each in told["Flora"]["deliveries"]] == [
        ("inbox", "delivered"),
        ("sms", "sent"),
    ]
    assert (told["Flora"]["delivered"], told["Flora"]["read"]) == (False, False)
    assert (told["Petra"]["delivered"], told["Petra"]["read"]) == (True, True)


def test_who_was_told_by_no_channel_has_an_empty_receipt(rest: Rest) -> None:
    told = by_name(receipts(rest, ANA, sent(make_thread())))

    assert [receipt["deliveries"] for receipt in told.values()] == [[], []]


def test_a_planner_who_sees_the_message_knows_it_too(rest: Rest) -> None:
    message = sent(make_thread(), by=FLORA)

    assert set(by_name(receipts(rest, PETRA, message))) == {"Ana", "Petra"}


def test_another_reader_is_refused(rest: Rest) -> None:
    message = sent(make_thread())

    answered = receipts(rest, FLORA, message)

    assert answered.status == 403
    assert "data" not in answered.body


def test_hidden_looks_like_missing(rest: Rest) -> None:
    message = sent(make_thread(people=(FLORA,)))

    missing = receipts(rest, ANA, new_id())
    hidden = [receipts(rest, who, message) for who in (PETRA, CARLO, BEN, STRANGER)]

    assert missing.status == 404
    assert hidden == [missing] * 4


def test_who_was_removed_is_told_of_no_more_and_learns_nothing(rest: Rest) -> None:
    thread = make_thread()
    message = sent(thread, by=FLORA)

    participants.remove(ANA, thread, FLORA.user_id)

    assert receipts(rest, FLORA, message).status == 404
    assert set(by_name(receipts(rest, PETRA, message))) == {"Ana", "Petra"}


def test_no_address_and_no_reason_is_told(wedding: Database, rest: Rest) -> None:
    message = sent(make_thread())
    delivery(wedding, message, FLORA, "email", "cancelled")

    answered = receipts(rest, ANA, message)

    [told] = by_name(answered)["Flora"]["deliveries"]
    assert set(told) == {"channel", "status", "at"}
    assert "@" not in str(answered.body)
