"""Ids: made in order, read strictly."""

from __future__ import annotations

import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wedsync.platform.errors import Invalid, NotFound
from wedsync.platform.ids import parse_uuid, uuid7


def test_an_id_holds_the_time_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000

    # A burst of the same process may have run ahead of the clock by a few ticks of 1/4096 ms.
    assert before <= made.int >> 80 <= after + 1
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"


def test_later_ids_sort_later_also_within_a_millisecond() -> None:
    made = [uuid7() for _ in range(10_000)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_a_clock_that_steps_back_does_not_break_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    before = uuid7()
    an_hour_ago = time.time_ns() - 3_600_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: an_hour_ago)

    assert uuid7() > before


@given(st.uuids())
def test_an_id_is_read_in_either_case(given_id: UUID) -> None:
    assert parse_uuid(str(given_id)) == parse_uuid(str(given_id).upper()) == given_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "019a00000000700080000000000000001",
        "019a0000000070008000000000000001",
        "{019a0000-0000-7000-8000-000000000001}",
        "urn:uuid:019a0000-0000-7000-8000-000000000001",
        "019a0000-0000-7000-8000-000000000001\n",
        " 019a0000-0000-7000-8000-000000000001",
        "019a0000-0000-7000-8000-00000000000g",
        "019a0000-0000-7000-8000-00000000000\u0661",
        "../../etc/passwd",
    ],
)
def test_what_is_no_id_is_refused_as_the_caller_says(text: str) -> None:
    with pytest.raises(NotFound):
        parse_uuid(text)
    with pytest.raises(Invalid):
        parse_uuid(text, Invalid)
