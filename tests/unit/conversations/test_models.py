"""What clients may state about conversations."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from wedsync.conversations.models import AddedParticipant, Cursor, MessageQuery, NewMessage, NewThread

ID = str(uuid4())


def message(**stated: Any) -> NewMessage:
    return NewMessage.model_validate({"message": "hi", "client_msg_id": ID} | stated)


def thread(**stated: Any) -> NewThread:
    return NewThread.model_validate({"wedding_id": ID, "subject": "Flowers"} | stated)


@pytest.mark.parametrize(
    "stated",
    [
        {"message": ""},
        {"message": " \n\t"},
        {"message": "\x00\x07"},
        {"message": "\u200b\u200d\ufe0f \u3164\u00ad"},
        {"message": "\ufdd0\uffff\U0010fffe"},
        {"message_type": "location", "payload": {"lat": 1, "lng": 1, "label": "\u200b"}},
        {"message": "x" * 8_001},
        {"message": 7},
        {"message": None},
        {"message": "\ud800"},
        {"client_msg_id": "x"},
        {"client_msg_id": None},
        {"message_type": "system"},
        {"message_type": "image"},
        {"priority_level": "loud"},
        {"mentions": [ID] * 51},
        {"mentions": "all"},
        {"metadata": []},
        {"metadata": {"x": "y" * 5_000}},
        {"metadata": {"x": "\x00"}},
        {"metadata": {"x": "\ud800"}},
        {"wedding_context": {"x": float("nan")}},
        {"seq": 1},
        {"sender_id": ID},
        {"message_html": "<b>"},
    ],
)
def test_a_message_that_is_refused(stated: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        message(**stated)


@pytest.mark.parametrize(
    "stated",
    [
        {"subject": ""},
        {"subject": "  "},
        {"subject": "\u200b\u2060"},
        {"subject": "two\nlines"},
        {"subject": "x" * 201},
        {"thread_type": "secret"},
        {"visibility": "all"},
        {"priority_level": "emergency"},
        {"participants": [{"user_id": ID}, {"user_id": ID}]},
        {"participants": [{"user_id": ID, "role": "king"}]},
        {"participants": [{"user_id": str(uuid4())} for _ in range(101)]},
        {"message": {"message": "no client_msg_id"}},
        {"status": "closed"},
        {"created_by": ID},
    ],
)
def test_a_thread_that_is_refused(stated: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        thread(**stated)


@pytest.mark.parametrize(
    ("model", "stated"),
    [
        (AddedParticipant, {"user_id": ID, "history": "some"}),
        (AddedParticipant, {"user_id": ID, "history": {"from_seq": 0}}),
        (AddedParticipant, {"user_id": ID, "history": {"from_seq": 1, "to_seq": 2}}),
        (AddedParticipant, {"user_id": ID, "left_at": None}),
        (Cursor, {"seq": -1, "epoch": "a"}),
        (Cursor, {"seq": 1}),
        (Cursor, {"seq": 2**63, "epoch": "a"}),
        (MessageQuery, {"before_seq": "1", "after_seq": "2"}),
        (MessageQuery, {"limit": "0"}),
        (MessageQuery, {"limit": "101"}),
        (MessageQuery, {"offset": "5"}),
    ],
)
def test_others_that_are_refused(model: type[BaseModel], stated: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(stated)


def test_a_message_of_exactly_the_length_is_taken() -> None:
    assert len(message(message="é" * 8_000).message) == 8_000


def test_a_message_that_grows_beyond_the_length_when_normalised_is_refused() -> None:
    with pytest.raises(ValidationError):
        message(message="\u0958" * 8_000)  # NFC writes each as two


@given(st.text(min_size=1, max_size=100))
def test_text_is_taken_as_it_will_be_stored_or_refused(typed: str) -> None:
    try:
        taken = message(message=typed)
    except ValidationError:
        return
    assert message(message=taken.message).message == taken.message


def test_whoever_is_mentioned_twice_is_mentioned() -> None:
    message = NewMessage.model_validate(
        {"message": "Hello", "client_msg_id": ID, "mentions": [ID, ID.upper()]}
    )

    assert [str(person) for person in message.mentions] == [ID]


@pytest.mark.parametrize(
    "typed", ["👩‍👩‍👧", "\U0001f3f4\U000e0067\U000e0062\U000e007f", "नि", "\U0001fae9", "."]
)
def test_what_shows_something_is_a_message(typed: str) -> None:
    assert message(message=typed).message == typed
