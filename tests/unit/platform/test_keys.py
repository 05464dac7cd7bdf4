"""The keys of a deployment, and the cursors they sign."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wedsync.platform import aws, cursors, keys
from wedsync.platform.errors import Invalid, Unavailable
from wedsync.platform.keys import Keys, parse

KEY, OLDER = b"k" * 32, b"o" * 32


def secret(current: int = 2, **listed: bytes) -> str:
    stated = {name.removeprefix("k"): base64.b64encode(key).decode() for name, key in listed.items()}
    return json.dumps({"current": current, "keys": stated})


@pytest.fixture(autouse=True)
def known_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CONTEXT_KEY_SECRET", "context-keys")
    monkeypatch.setattr(aws, "secret", lambda _: secret(k1=OLDER, k2=KEY))
    monkeypatch.setattr(keys, "_cached", None)
    return iter([None])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        secret(k1=KEY),
        secret(k2=b"short"),
        secret(k2=b"l" * 65),
        secret(kx=KEY),
        '{"current":2,"keys":{"2":"%"}}',
    ],
)
def test_a_secret_that_is_none(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        parse(text)


def test_the_secret_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = keys.keys()
    monkeypatch.setattr(aws, "secret", lambda _: pytest.fail("read again"))

    assert keys.keys() is first
    assert first.current == 2


def test_old_keys_serve_while_secrets_manager_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: str) -> str:
        raise aws.UnavailableError("Unreachable", "", 0)

    first = keys.keys()
    monkeypatch.setattr(keys, "_cached", (0.0, first))
    monkeypatch.setattr(aws, "secret", away)

    assert keys.keys() is first


def test_without_any_key_one_has_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: str) -> str:
        raise aws.UnavailableError("Unreachable", "", 0)

    monkeypatch.setattr(aws, "secret", away)

    with pytest.raises(Unavailable):
        keys.keys()


@given(st.lists(st.one_of(st.integers(), st.text(alphabet="abc-"), st.none(), st.booleans()), max_size=4))
def test_a_cursor_comes_back_as_it_went(position: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "_cached", (float("inf"), Keys(1, {1: KEY})))

        assert cursors.decode("threads", cursors.encode("threads", position)) == position


@pytest.mark.parametrize(
    "cursor", ["", "x", "====", "é", "a" * 500, base64.urlsafe_b64encode(b"[]" * 20).decode()]
)
def test_a_cursor_that_is_not_ours_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid) as refused:
        cursors.decode("threads", cursor)

    assert refused.value.errors[0].field == "cursor"


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(Invalid):
        cursors.decode("messages", cursors.encode("threads", [1]))


def test_a_cursor_that_was_changed_is_refused() -> None:
    raw = bytearray(base64.urlsafe_b64decode(cursors.encode("threads", ["aaaa"]) + "=="))
    raw[-3] ^= 1

    with pytest.raises(Invalid):
        cursors.decode("threads", base64.urlsafe_b64encode(raw).decode().rstrip("="))


def test_a_cursor_survives_a_rotation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_cached", (float("inf"), Keys(1, {1: OLDER})))
    made = cursors.encode("threads", [7])
    monkeypatch.setattr(keys, "_cached", (float("inf"), Keys(2, {1: OLDER, 2: KEY})))

    assert cursors.decode("threads", made) == [7]
