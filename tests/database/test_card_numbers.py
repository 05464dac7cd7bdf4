"""No card number is stored in a contract or payment thread, on whatever way it comes (C10)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.database.test_conversation import make_thread, say, texts
from tests.database.test_thread_acts import edit
from tests.fixtures.postgres import Database
from tests.fixtures.wedding import ANA, CARLO, FLORA, behind, new_id
from wedsync.conversations import drafts, scheduled, thread_acts, threads
from wedsync.conversations.message_models import Draft, LaterMessage
from wedsync.conversations.models import ThreadQuery
from wedsync.platform.errors import Invalid, NotFound

CARD = "4111 1111 1111 1111"


@pytest.mark.parametrize("thread_type", ["contract", "payment"])
@pytest.mark.parametrize(
    ("field", "stated"),
    [
        ("message", {"text": f"charge {CARD}"}),
        ("message", {"text": CARD.replace(" ", "\u200b."), "metadata": {"card": CARD}}),
        ("metadata", {"metadata": {"card": CARD}}),
        ("wedding_context", {"wedding_context": {"a": [CARD]}}),
        ("payload", {"message_type": "location", "payload": {"lat": 1, "lng": 1, "label": CARD}}),
    ],
)
def test_a_card_number_is_refused_where_money_is_talked_about(
    wedding: Database, thread_type: str, field: str, stated: dict[str, Any]
) -> None:
    thread = make_thread(thread_type=thread_type)

    refused = say(ANA, thread, **stated).problem

    assert isinstance(refused, Invalid)
    assert [error.field for error in refused.errors] == [field]
    assert CARD not in refused.detail
    assert texts(FLORA, thread) == []
    assert say(ANA, thread, "order 1234567890123456").status == "ok"


def test_other_threads_take_any_number(wedding: Database) -> None:
    assert say(ANA, make_thread(), CARD).status == "ok"


@pytest.mark.parametrize(
    ("field", "stated"),
    [
        ("message.message", {"message": CARD}),
        ("message.metadata", {"message": "Paid", "metadata": {"card": CARD}}),
    ],
)
def test_a_thread_is_not_begun_with_one(wedding: Database, field: str, stated: dict[str, Any]) -> None:
    before = len(threads.page(FLORA, ThreadQuery(thread_type="payment"))["data"])

    with pytest.raises(Invalid) as refused:
        make_thread(thread_type="payment", message={**stated, "client_msg_id": str(new_id())})

    assert refused.value.errors[0].field == field
    assert len(threads.page(FLORA, ThreadQuery(thread_type="payment"))["data"]) == before


def test_neither_drafts_nor_scheduled_messages_keep_one(wedding: Database) -> None:
    payment, general = make_thread(thread_type="payment"), make_thread()
    later = LaterMessage.model_validate({"message": CARD, "send_at": "2099-01-01T09:00:00Z"})

    with pytest.raises(Invalid):
        drafts.put(ANA, payment, Draft(message=CARD))
    with pytest.raises(Invalid):
        scheduled.schedule(ANA, payment, later)
    with pytest.raises(NotFound):
        drafts.put(CARLO, payment, Draft(message=CARD))

    assert behind(wedding, "select from wedsync.drafts") == []
    assert behind(wedding, "select from wedsync.scheduled_messages") == []
    assert drafts.put(ANA, general, Draft(message=CARD))["message"] == CARD
    assert scheduled.schedule(ANA, general, later)["status"] == "waiting"


@pytest.mark.parametrize(
    "stated", [{"subject": CARD}, {"natural_key": CARD.replace(" ", "-")}, {"metadata": {"card": CARD}}]
)
def test_no_thread_about_money_is_named_after_one(wedding: Database, stated: dict[str, Any]) -> None:
    before = len(threads.page(ANA, ThreadQuery(thread_type="contract"))["data"])

    with pytest.raises(Invalid) as refused:
        make_thread(thread_type="contract", **stated)

    assert [error.field for error in refused.value.errors] == list(stated)
    assert len(threads.page(ANA, ThreadQuery(thread_type="contract"))["data"]) == before
    make_thread(**stated)


def test_an_edit_or_a_reason_brings_none_in_either(wedding: Database) -> None:
    payment, general = make_thread(thread_type="payment"), make_thread()

    with pytest.raises(Invalid) as subject:
        edit(ANA, payment, 1, subject=CARD)
    with pytest.raises(Invalid) as reason:
        thread_acts.set_status(ANA, payment, "closed", CARD)
    with pytest.raises(NotFound):
        edit(CARLO, payment, 1, subject=CARD)

    assert [refused.value.errors[0].field for refused in (subject, reason)] == ["subject", "reason"]
    stored = threads.get(ANA, payment)
    assert (stored["version"], stored["status"], stored["last_seq"]) == (1, "active", 1)
    edit(ANA, general, 1, subject=CARD)
