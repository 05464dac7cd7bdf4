"""The piece of a text that shows why it was found."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wedsync.conversations.folding import fold
from wedsync.conversations.highlights import PIECE_CHARACTERS, highlight


@pytest.mark.parametrize(
    ("text", "found", "shown"),
    [
        ("Lilac, please", {"lilac"}, "<mark>Lilac</mark>, please"),
        ("Crème brûlée!", {"brulee"}, "Crème <mark>brûlée</mark>!"),
        ("the STRASSE/Straße", {"strasse"}, "the <mark>STRASSE</mark>/<mark>Straße</mark>"),
        ("<b>lilac</b> & co", {"lilac"}, "&lt;b&gt;<mark>lilac</mark>&lt;/b&gt; &amp; co"),
        ("nothing here", set[str](), "nothing here"),
    ],
)
def test_what_was_found_is_marked_and_the_rest_escaped(text: str, found: set[str], shown: str) -> None:
    assert highlight(text, frozenset(found)) == shown


def test_a_long_text_is_shown_around_the_first_find() -> None:
    text = "before " * 300 + "lilac " + "after " * 300

    shown = highlight(text, frozenset({"lilac"}))

    assert shown.startswith("…before")
    assert shown.endswith("after…")
    assert "<mark>lilac</mark>" in shown
    assert len(shown) < PIECE_CHARACTERS + 20


@given(st.text(max_size=600), st.data())
def test_a_highlight_is_a_piece_of_the_text_and_mark_its_only_tag(text: str, data: st.DataObject) -> None:
    words = sorted(set(fold(text).split()))
    found = data.draw(st.sets(st.sampled_from(words))) if words else set[str]()

    shown = highlight(text, frozenset(found))

    plain = shown.replace("<mark>", "").replace("</mark>", "")
    assert re.findall("[<>\"']", plain) == []
    assert unescape(plain).removeprefix("…").removesuffix("…") in text


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Ärger mit Øl, œuf & STRAßE", "arger mit ol oeuf strasse"),
        ("e-mail: anna@bloom.example/x", "e mail anna bloom example x"),
        ("Ünïcödé  “quoted”", "unicode quoted "),
        ("ΓΆΜΟΣ γάμος", "γαμοσ γαμοσ"),
        ("हिन्दी ไทย 한국어", "हिन्दी ไทย 한국어"),
    ],
)
def test_folding_keeps_words_and_drops_accents(text: str, folded: str) -> None:
    assert fold(text) == folded
