"""What is wrong with a request is said in our own words, and never repeats what was sent."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from wedsync.conversations import message_models, models, payloads, scheduled, search, thread_models
from wedsync.identity import directory_models
from wedsync.notifications import devices, inbox
from wedsync.platform.refused_fields import field_errors
from wedsync.realtime import protocol
from wedsync.trust import chains

MODULES = (
    message_models,
    models,
    payloads,
    scheduled,
    search,
    thread_models,
    directory_models,
    devices,
    inbox,
    protocol,
    chains,
)
WRONG = (
    None,
    True,
    -1,
    2**70,
    1.5,
    float("inf"),
    "",
    " ",
    "\u200b",
    "two\nlines",
    "canary" * 2_000,
    "canary\ud800",
    "2026-02-30",
    "2026-06-06T12:00:00",
    [],
    ["canary"] * 200,
    {},
    {"canary": "canary"},
)


STATED = [
    each
    for module in MODULES
    for each in vars(module).values()
    if isinstance(each, type) and issubclass(each, BaseModel) and each.__module__ == module.__name__
]


def refused(model: type[BaseModel], stated: Any) -> list[str]:
    try:
        model.model_validate(stated)
    except ValidationError as error:
        return [f"{each.field}: {each.message}" for each in field_errors(error)]
    return []


@pytest.mark.parametrize("model", STATED, ids=lambda model: model.__name__)
def test_every_refusal_reads_well_and_repeats_nothing(model: type[BaseModel]) -> None:
    told = refused(model, []) + refused(model, {"canary": 1})
    for name, field in model.model_fields.items():
        for value in WRONG:
            told += refused(model, {field.alias or name: value})

    assert told
    for text in told:
        said = text.partition(": ")[2]
        assert said
        assert "Input should" not in said
        assert "Value error" not in said
        assert said[0] == said[0].lower()
        assert "canary" not in said


def test_a_field_is_named_as_the_client_wrote_it() -> None:
    told = refused(
        models.NewThread,
        {
            "wedding_id": "01890000-0000-7000-8000-000000000001",
            "subject": "x",
            "participants": [{"user_id": "nobody"}],
            "sentAt": 1,
            "message": {"payload": {"lat": "north", "lng": 1}},
        },
    )

    assert "sentAt: there is no such field" in told
    assert "participants.0.user_id: a UUID in the hyphenated form" in told
    assert "message.payload.lat: a number" in told
    assert "message.client_msg_id: it is needed" in told
