"""What clients may say about a thread that exists, and what is refused before anything is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from wedsync.conversations.models import NewThread, ThreadQuery
from wedsync.conversations.thread_models import Mute, ParticipantEdit, Snooze, StatusChange, ThreadEdit

WEDDING = "0190a000-0000-7000-8000-000000000201"


@pytest.mark.parametrize(
    ("model", "stated"),
    [
        (ThreadEdit, {}),
        (ThreadEdit, {"subject": "two\nlines"}),
        (ThreadEdit, {"visibility": "everybody"}),
        (ThreadEdit, {"last_seq": 7}),
        (StatusChange, {"reason": "x" * 201}),
        (StatusChange, {"reason": " "}),
        (ParticipantEdit, {}),
        (ParticipantEdit, {"permissions": []}),
        (ParticipantEdit, {"permissions": ["post"]}),
        (ParticipantEdit, {"role": "guest"}),
        (ParticipantEdit, {"hand_over": True}),
        (ParticipantEdit, {"role": "observer", "hand_over": True}),
        (ParticipantEdit, {"role": "owner", "permissions": ["read"], "hand_over": True}),
        (Mute, {"until": "2026-06-06"}),
        (Mute, {"until": "2026-06-06T12:00:00"}),
        (Mute, {"until": 1_800_000_000}),
        (Snooze, {}),
        (NewThread, {"wedding_id": WEDDING, "subject": "x", "natural_key": "with space"}),
        (NewThread, {"wedding_id": WEDDING, "subject": "x", "natural_key": ""}),
        (NewThread, {"wedding_id": WEDDING, "subject": "x", "surprise": "yes"}),
        (NewThread, {"wedding_id": WEDDING, "subject": "x", "surprise": True, "visibility": "hosts"}),
        (ThreadQuery, {"status": "open"}),
        (ThreadQuery, {"wedding_from": "1780000000"}),
        (ThreadQuery, {"sort": "subject"}),
        (ThreadQuery, {"limit": 101}),
    ],
)
def test_what_makes_no_sense_is_refused(model: type[BaseModel], stated: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(stated)


def test_an_edit_knows_what_was_stated() -> None:
    edit = ThreadEdit.model_validate({"subject": "  Roses ", "metadata": {}})

    assert edit.model_dump(exclude_unset=True) == {"subject": "Roses", "metadata": {}}


def test_a_mute_without_an_end_is_for_good() -> None:
    assert Mute().until == datetime(2199, 12, 31, tzinfo=UTC)


def test_times_of_any_zone_are_kept_in_utc() -> None:
    snooze = Snooze.model_validate({"until": "2026-06-06T12:00:00+02:00"})

    assert snooze.until == datetime(2026, 6, 6, 10, tzinfo=UTC)
    assert snooze.until.tzinfo is UTC


def test_permissions_that_are_taken_back_are_not_permissions_that_are_left_alone() -> None:
    taken_back = ParticipantEdit.model_validate({"permissions": None})
    with_reading = ParticipantEdit.model_validate({"permissions": ["read", "post", "read"]})

    assert taken_back.model_fields_set == {"permissions"}
    assert with_reading.permissions == {"read", "post"}
