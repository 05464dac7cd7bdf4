"""What a search box takes, and what it is understood as."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wedsync.conversations import search_terms
from wedsync.conversations.search_terms import Term, parse
from wedsync.platform.errors import Invalid


def term(text: str, *, negated: bool = False, beginning: bool = False) -> Term:
    return {"text": text, "negated": negated, "beginning": beginning}


@pytest.mark.parametrize(
    ("query", "understood"),
    [
        ("lilac ", [[term("lilac")]]),
        ("lilac deliv", [[term("lilac"), term("deliv", beginning=True)]]),
        ('"first dance"', [[term("first dance")]]),
        ('"first dance', [[term("first dance")]]),
        ("flowers -roses", [[term("flowers"), term("roses", negated=True)]]),
        ('-"white roses" lilac', [[term("white roses", negated=True), term("lilac", beginning=True)]]),
        ("a b or c ", [[term("a"), term("b")], [term("c")]]),
        ("roses OR", [[term("roses")]]),
        ("e-mail ", [[term("e-mail")]]),
        ("« lilac » ! ", [[term("lilac")]]),
        ('say"this"', [[term("say"), term("this")]]),
    ],
)
def test_a_query_is_read_as_on_the_web(query: str, understood: list[list[Term]]) -> None:
    assert parse(query) == understood


@pytest.mark.parametrize(
    "query",
    [
        "   ",
        "!?",
        '""',
        "or",
        "-roses",
        "lilac or -roses",
        "w " * (search_terms.TERMS + 1),
        "w" * (search_terms.QUERY_CHARACTERS + 1),
    ],
)
def test_what_looks_for_nothing_or_too_much_is_refused(query: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(query)

    assert refused.value.errors[0].field == "q"


@given(st.text(max_size=search_terms.QUERY_CHARACTERS))
def test_whatever_is_typed_is_read_or_refused(query: str) -> None:
    try:
        understood = parse(query)
    except Invalid:
        return

    assert 1 <= sum(map(len, understood)) <= search_terms.TERMS
    assert all(any(not one["negated"] for one in terms) for terms in understood)
    assert sum(one["beginning"] for terms in understood for one in terms) <= 1
