"""Text in every script: what is sent comes back exactly, after NFC and without control characters, or is refused."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from tests.fixtures.postgres import Database
from tests.fixtures.rest_api import Answer, Rest
from tests.fixtures.wedding import ANA, FLORA, WEDDING, behind, new_id

EXACT = {
    "precomposed accents": "Zo\u00eb & Ren\u00e9e \u00e0 la Cr\u00e8me br\u00fbl\u00e9e",
    "vietnamese": "Ti\u1ec7c c\u01b0\u1edbi \u1edf \u0110\u00e0 N\u1eb5ng",
    "combining marks that compose to nothing": "q\u0323\u0307 x\u030c \u0323\u0307",
    "twenty marks on one letter": "Z" + "\u0351" * 20,
    "a family of four": "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "a kiss of two skin tones": "\U0001f468\U0001f3ff\u200d\u2764\ufe0f\u200d\U0001f48b\u200d\U0001f468\U0001f3fb",
    "flags": "\U0001f1f5\U0001f1f9 \U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "keycaps": "1\ufe0f\u20e3 #\ufe0f\u20e3",
    "hebrew and english": "\u05d7\u05ea\u05d5\u05e0\u05d4 at 18:30",
    "arabic with marks": "\u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627 \u0628\u0650\u0643\u064f\u0645\u0652",
    "right-to-left marks, which are no overrides": "a\u200fb\u200ec",
    "devanagari with joiners": "\u0915\u094d\u200d\u0937 \u0915\u094d\u200c\u0937",
    "thai, without spaces": "\u0e07\u0e32\u0e19\u0e41\u0e15\u0e48\u0e07\u0e07\u0e32\u0e19",
    "han, also beyond the first plane": "\u7d50\u5a5a\u5f0f \U00020bb7\u91ce\u5bb6",
    "korean": "\uacb0\ud63c\uc2dd",
    "mathematical letters": "\U0001d4d0\U0001d4f7\U0001d4ea",
    "private use and the last code points": "\ue000 \U0010fffd \U0010ffff",
    "noncharacters": "a\ufffe \U0001ffff",
    "a byte order mark inside": "a\ufeffb",
    "soft hyphen and zero-width space": "wed\u00adding\u200bday",
    "line and paragraph separators": "one\u2028two\u2029three",
    "tabs and lines": "a\tb\nc",
    "looks like markup": "<b>&amp;</b> ' \" -- ; %s {0} $1 \\u0000",
    "an e-mail address and a phone number": "anna@example.com, +351 912 345 678",
}
CHANGED = {
    "decomposed accents": ("e\u0301 n\u0303", "\u00e9 \u00f1"),
    "hangul letters": ("\u1100\u1161", "\uac00"),
    "the angstrom sign": ("\u212b", "\u00c5"),
    "marks in another order": ("q\u0307\u0323", "q\u0323\u0307"),
    "NUL": ("a\x00b", "ab"),
    "escape sequences": ("\x1b[31mred\x07", "[31mred"),
    "bidi overrides": ("a\u202eb\u202cc\u2066d\u2069", "abcd"),
    "windows lines": ("a\r\nb", "a\nb"),
}
LONE = ['"\\ud800"', '"a\\udfff"', '"\\udc00\\ud800"', '"x\\ud83dy"']


@pytest.fixture
def thread(rest: Rest, wedding: Database) -> str:
    people = [{"user_id": str(FLORA.user_id)}]
    new = {"wedding_id": str(WEDDING), "subject": "Words", "participants": people}
    return rest("POST", "/threads", new, user_id=ANA.user_id).body["id"]


@pytest.fixture
def send(rest: Rest, thread: str) -> Callable[..., Answer]:
    def call(text: str, **more: Any) -> Answer:
        body = {"message": text, "client_msg_id": str(new_id()), **more}
        return rest("POST", f"/threads/{thread}/messages", body, user_id=ANA.user_id)

    return call


def read(rest: Rest, thread: str) -> list[str]:
    page = rest("GET", f"/threads/{thread}/messages", user_id=FLORA.user_id).body
    return [message["message"] for message in page["data"]]


def stored(database: Database, thread: str) -> list[str]:
    rows = behind(
        database, "select message from wedsync.thread_messages where thread_id = %(t)s order by seq", t=thread
    )
    return [row["message"] for row in rows]


def test_text_in_every_script_comes_back_as_it_was_sent(
    rest: Rest, wedding: Database, thread: str, send: Callable[..., Answer]
) -> None:
    answers = [send(text) for text in EXACT.values()]

    assert [answer.status for answer in answers] == [201] * len(EXACT)
    assert [answer.body["message"] for answer in answers] == list(EXACT.values())
    assert read(rest, thread) == stored(wedding, thread) == list(EXACT.values())
    assert all(unicodedata.is_normalized("NFC", text) for text in EXACT.values())


@pytest.mark.parametrize(("typed", "kept"), CHANGED.values(), ids=CHANGED)
def test_what_only_looks_the_same_or_cannot_be_seen_is_made_plain(
    rest: Rest, wedding: Database, thread: str, send: Callable[..., Answer], typed: str, kept: str
) -> None:
    assert send(typed).body["message"] == kept
    assert read(rest, thread) == stored(wedding, thread) == [kept]


@pytest.mark.parametrize("script", EXACT)
def test_facts_come_back_as_they_were_sent(send: Callable[..., Answer], script: str) -> None:
    facts = {EXACT[script]: [EXACT[script], {"deep": EXACT[script]}]}

    assert send("facts", metadata=facts).body["metadata"] == facts


def test_eight_thousand_characters_are_a_message_and_one_more_is_none(
    rest: Rest, wedding: Database, thread: str, send: Callable[..., Answer]
) -> None:
    for character in ("a", "\u00df", "\u5b57", "\U0001f470"):
        assert send(character * 8_000).status == 201
        refused = send(character * 8_001)
        assert (refused.status, refused.body["errors"][0]["field"]) == (422, "message")

    assert [len(text) for text in stored(wedding, thread)] == [8_000] * 4
    assert read(rest, thread) == stored(wedding, thread)


def test_length_is_counted_in_characters_as_they_are_stored(send: Callable[..., Answer]) -> None:
    composed = send("e\u0301" * 4_000)

    assert (composed.status, len(composed.body["message"])) == (201, 4_000)


@pytest.mark.parametrize(
    "text", ["", " ", "\n", "\x00", "\u202e", "\u00a0\u2003", "\u200b\u200d", "\u2060\ufe0f", "\ufdd0\uffff"]
)
def test_nothing_is_no_message(
    wedding: Database, thread: str, send: Callable[..., Answer], text: str
) -> None:
    refused = send(text)

    assert (refused.status, refused.body["errors"][0]["field"]) == (422, "message")
    assert stored(wedding, thread) == []


@pytest.mark.parametrize("text", LONE)
@pytest.mark.parametrize(
    "place",
    [
        '{{"message": {text}, "client_msg_id": "{id}"}}',
        '{{"message": "m", "client_msg_id": "{id}", "metadata": {{"k": {text}}}}}',
        '{{"message": "m", "client_msg_id": "{id}", "metadata": {{{text}: 1}}}}',
        '{{"message": "m", "client_msg_id": "{id}", "wedding_context": {{"k": [{text}]}}}}',
        '{{"message": "m", "client_msg_id": {text}}}',
        '{{"message": "m", "client_msg_id": "{id}", {text}: 1}}',
        '{{"message": "m", "client_msg_id": "{id}", "message_type": {text}}}',
    ],
)
def test_half_a_character_is_refused_wherever_it_stands(
    rest: Rest, wedding: Database, thread: str, place: str, text: str
) -> None:
    raw = place.format(text=text, id=new_id())

    answer = rest("POST", f"/threads/{thread}/messages", raw=raw, user_id=ANA.user_id)

    assert answer.status in (400, 422)
    assert json.dumps(answer.body, ensure_ascii=False).encode()
    assert stored(wedding, thread) == []


@pytest.mark.parametrize("text", LONE)
def test_half_a_character_names_no_thread_and_no_reason(rest: Rest, thread: str, text: str) -> None:
    new = f'{{"wedding_id": "{WEDDING}", "subject": {text}}}'

    answers = [
        rest("POST", "/threads", raw=new, user_id=ANA.user_id),
        rest("POST", f"/threads/{thread}/close", raw=f'{{"reason": {text}}}', user_id=ANA.user_id),
        rest("POST", "/realtime/tickets", raw=f'{{"device_id": {text}}}', user_id=ANA.user_id),
        rest("PUT", f"/threads/{thread}/draft", raw=f'{{"message": {text}}}', user_id=ANA.user_id),
    ]

    assert {answer.status for answer in answers} <= {400, 422}


@pytest.mark.parametrize("script", EXACT)
def test_a_subject_in_every_script_comes_back(rest: Rest, wedding: Database, script: str) -> None:
    subject = EXACT[script]
    new = {"wedding_id": str(WEDDING), "subject": subject}

    answer = rest("POST", "/threads", new, user_id=ANA.user_id)

    one_line = len(subject.splitlines()) == 1 and "\t" not in subject
    assert answer.status == (201 if one_line else 422)
    assert not one_line or answer.body["subject"] == subject
