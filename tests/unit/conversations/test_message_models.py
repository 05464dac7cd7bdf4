"""What clients may state about messages: payloads, reactions, times of later sending."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from wedsync.conversations.message_models import (
    Draft,
    EditedMessage,
    LaterEdit,
    LaterMessage,
    emoji,
    offset_days,
)
from wedsync.conversations.models import MessageQuery, NewMessage
from wedsync.conversations.payloads import Location, Offer
from wedsync.platform.errors import Invalid

OFFER = {"title": "Late supper", "amount": "1200.50", "currency": "EUR", "valid_until": "2026-05-01"}
PLACE = {"lat": 52.52, "lng": 13.405, "label": "Gate 2"}


def message(**stated: Any) -> NewMessage:
    return NewMessage.model_validate({"message": "See here", "client_msg_id": str(uuid4()), **stated})


def wrong(**stated: Any) -> list[tuple[int | str, ...]]:
    with pytest.raises(ValidationError) as refused:
        message(**stated)
    return [error["loc"] for error in refused.value.errors()]


def test_a_location_and_an_offer_carry_their_payload() -> None:
    assert message(message_type="location", payload=PLACE).payload == Location(
        lat=52.52, lng=13.405, label="Gate 2"
    )
    offer = message(message_type="offer", payload=OFFER).payload
    assert isinstance(offer, Offer)
    assert offer.model_dump(mode="json", exclude_none=True) == OFFER


@pytest.mark.parametrize(
    ("message_type", "payload"),
    [("text", PLACE), ("location", None), ("offer", None), ("location", OFFER), ("offer", PLACE)],
)
def test_a_payload_is_that_of_its_type(message_type: str, payload: Any) -> None:
    assert wrong(message_type=message_type, payload=payload)


@pytest.mark.parametrize(
    ("message_type", "payload", "field"),
    [
        ("location", PLACE | {"lat": 90.1}, "lat"),
        ("location", PLACE | {"lat": "52.52"}, "lat"),
        ("location", PLACE | {"lng": True}, "lng"),
        ("location", PLACE | {"lng": -181}, "lng"),
        ("location", PLACE | {"lat": float("nan")}, "lat"),
        ("location", PLACE | {"label": "two\nlines"}, "label"),
        ("location", PLACE | {"altitude": 3}, "altitude"),
        ("offer", OFFER | {"amount": "1,5"}, "amount"),
        ("offer", OFFER | {"amount": "-1"}, "amount"),
        ("offer", OFFER | {"amount": "01"}, "amount"),
        ("offer", OFFER | {"amount": "\u0661"}, "amount"),
        ("offer", OFFER | {"currency": "eur"}, "currency"),
        ("offer", OFFER | {"title": " "}, "title"),
        ("offer", OFFER | {"title": "x" * 201}, "title"),
        ("offer", OFFER | {"valid_until": 1}, "valid_until"),
    ],
)
def test_a_refusal_names_the_field_of_the_payload(message_type: str, payload: Any, field: str) -> None:
    assert [location[-1] for location in wrong(message_type=message_type, payload=payload)] == [field]


@pytest.mark.parametrize("message_type", ["image", "file", "system", "sticker"])
def test_images_and_files_need_attachments_and_system_messages_the_platform(message_type: str) -> None:
    assert wrong(message_type=message_type) == [("message_type",)]


@pytest.mark.parametrize(
    ("stated", "stored"),
    [
        ("👍", "👍"),
        ("❤", "❤\ufe0f"),
        ("❤\ufe0f", "❤\ufe0f"),
        ("‼", "‼\ufe0f"),
        ("1\ufe0f\u20e3", "1\ufe0f\u20e3"),
        ("🇩🇪", "🇩🇪"),
        ("👋🏽", "👋🏽"),
        ("\U0001f469\U0001f3fb\u200d❤\ufe0f\u200d💋\u200d\U0001f468\U0001f3fc", None),
        ("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", None),
    ],
)
def test_an_emoji_is_one_reaction_however_it_was_typed(stated: str, stored: str | None) -> None:
    assert emoji(stated) == (stored or stated)


@pytest.mark.parametrize(
    "stated",
    [
        "",
        "a",
        "1",
        "+",
        "<b>",
        "👍 ",
        "👍👍",
        "👍\u200d",
        "\u200d",
        "\ufe0f",
        "🇩",
        "🏽",
        "é",
        "\ud83d",
        "\0",
        "👍\u202e",
        "\ufffd\ufe0f",
        "\ufffc",
        "👨\u200d" * 7 + "👨",
    ],
)
def test_what_is_no_emoji_is_refused(stated: str) -> None:
    with pytest.raises(Invalid):
        emoji(stated)


@pytest.mark.parametrize(
    ("relative", "days"), [("P-7D", -7), ("P7D", 7), ("P0D", 0), ("P-2W", -14), ("P1W", 7), ("P-999D", -999)]
)
def test_a_distance_from_the_wedding_is_days_or_weeks(relative: str, days: int) -> None:
    assert offset_days(LaterMessage(message="Soon", relative=relative, at="09:00").relative) == days


@pytest.mark.parametrize(
    "stated",
    [
        {},
        {"relative": "P-7D"},
        {"at": "09:00"},
        {"relative": "P-7D", "at": "09:00", "send_at": "2026-06-01T09:00:00Z"},
        {"send_at": "2026-06-01T09:00:00Z", "at": "09:00"},
        {"send_at": "2026-06-01T09:00:00"},
        {"send_at": 1780304400},
        {"relative": "-7D", "at": "09:00"},
        {"relative": "P-7M", "at": "09:00"},
        {"relative": "P-1000D", "at": "09:00"},
        {"relative": "P-7D", "at": "9:00"},
        {"relative": "P-7D", "at": "24:00"},
        {"relative": "P-7D", "at": "09:00\n"},
    ],
)
def test_a_later_message_has_one_time(stated: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LaterMessage.model_validate({"message": "When?", **stated})


@pytest.mark.parametrize(
    "stated",
    [
        {},
        {"message": ""},
        {"message": None},
        {"relative": "P-7D"},
        {"at": "09:00"},
        {"relative": "P-7D", "at": "09:00", "send_at": "2026-06-01T09:00:00Z"},
        {"metadata": {}},
    ],
)
def test_an_edit_of_a_later_message_says_what_becomes_of_it(stated: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LaterEdit.model_validate(stated)


def test_what_will_be_sent_is_kept_without_its_time() -> None:
    later = LaterMessage.model_validate(
        {"message": "x", "relative": "P-7D", "at": "09:00", "message_type": "location", "payload": PLACE}
    )

    assert later.content() == {"message": "x", "message_type": "location", "payload": PLACE}
    assert NewMessage.model_validate({**later.content(), "client_msg_id": uuid4()}).payload == later.payload


@pytest.mark.parametrize("model", [Draft, EditedMessage])
def test_other_texts_are_cleaned_as_messages_are(model: type[Draft | EditedMessage]) -> None:
    assert model(message="Cafe\u0301\u202e!").message == "Café!"
    for text in ("", " \n", "x" * 8_001):
        with pytest.raises(ValidationError):
            model(message=text)


def test_a_page_has_one_anchor() -> None:
    assert MessageQuery.model_validate({"from": "first_unread"}).from_ == "first_unread"
    for stated in (
        {"around_seq": 3, "after_seq": 2},
        {"from": "first_unread", "cursor": "x"},
        {"from": "last"},
    ):
        with pytest.raises(ValidationError):
            MessageQuery.model_validate(stated)
