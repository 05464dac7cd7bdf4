"""Card numbers are recognised however they are written, order and phone numbers are not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from wedsync.trust.card_numbers import any_holds, holds_card_number

# The networks' published test numbers.
CARDS = [
    "4111111111111111",
    "4222222222222",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "30569309025904",
    "3530111333300000",
    "6011111111111117",
    "6200000000000005",
    "6759649826438453",
]


@pytest.mark.parametrize("number", CARDS)
def test_the_number_of_every_network_is_recognised(number: str) -> None:
    assert holds_card_number(f"please take {number}, thanks")


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111\u00a01111\u20111111\u20131111",
        "3782 822463 10005",
        "card:4111111111111111.",
        "4111 1111 1111 1111 12/27 123",
        "2 x 4111 1111 1111 1111",
        "\uff14\uff11\uff11\uff11 1111 1111 1111",
        "\u0664\u0661\u0661\u0661111111111111",
        "4111.1111.1111.1111",
        "4111.1111 1111.1111",
        "3782.822463.10005",
        "4111,1111,1111,1111",
        "4111/1111/1111/1111",
        "4111_1111_1111_1111",
        "4111\n1111\n1111\n1111",
        "4111 - 1111 - 1111 - 1111",
        "4111|1111|1111|1111",
        "4111\\1111\\1111\\1111",
        "4111\u00b71111\u00b71111\u00b71111",
        "4111:1111*1111~1111",
        "4111 (1111) 1111 \u2764 1111",
        "4\u200b1\u200c1\u200d1\u20601\ufeff1\u00ad1\ufe0f1\u20e311111111",
        "4.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1",
        "\u2463\u2460\u2460\u2460 1111 1111 1111",
        "due 24.11.2026 4111 1111 1111 1111",
    ],
)
def test_it_is_recognised_however_it_is_written(text: str) -> None:
    assert holds_card_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",
        "+49 151 2345 6789 or 0151 2345 6780",
        "order 1234567890123456",
        "IBAN DE89 3704 0044 0532 0130 00",
        "9780306406157",
        "4111111111111111222",
        "2026-11-22 18:30:00",
        "019a20498-6e53-73b9-ae15-ec63d947cc75",
        "at 38.71234567890123, -9.4111111111111111",
        "0000 0000 0000 0000",
        "24.11.2026 - 25.11.2026",
        "from 2026-11-24 2026/11/25",
        "48.85661, 2.35222",
        "48.856614 2.3522219",
        "4.111111111111111",
        "48.856614,2.3522219",
        "",
    ],
)
def test_other_numbers_are_not(text: str) -> None:
    assert not holds_card_number(text)


@given(st.sampled_from(CARDS), st.integers(0, 15), st.integers(1, 9))
def test_one_wrong_digit_is_no_card(card: str, place: int, change: int) -> None:
    place %= len(card)
    wrong = card[:place] + str((int(card[place]) + change) % 10) + card[place + 1 :]

    assert not holds_card_number(wrong)


@pytest.mark.parametrize(
    ("stated", "held"),
    [
        ({"note": ["no", {"card": "4111 1111 1111 1111"}]}, True),
        ({"card": 4111111111111111}, True),
        ({"4111111111111111": None}, True),
        ({"share": 0.4111111111111111, "paid": True, "by": None}, False),
    ],
)
def test_it_is_found_in_facts_too(stated: dict[str, JsonValue], held: bool) -> None:
    assert any_holds(stated) is held


@pytest.mark.parametrize("text", ["1" * 20_000, "1.1," * 5_000, "1 " * 10_000, "2026-06-0" * 2_000])
def test_a_long_text_of_digits_takes_no_longer_than_others(text: str) -> None:
    before = time.process_time()

    holds_card_number(text)

    assert time.process_time() - before < 2


@given(st.text(max_size=300))
def test_any_text_is_looked_through(text: str) -> None:
    assert holds_card_number(text) in (True, False)
