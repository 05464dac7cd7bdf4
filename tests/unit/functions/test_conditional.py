"""functions/rest/conditional.py: entity tags, 304, 412 and 428."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.fixtures.functions import modules_of
from wedsync.platform.errors import PreconditionFailed, PreconditionRequired

THREAD = {"id": "t", "subject": "Flowers", "last_seq": 7}


@pytest.fixture(scope="module")
def conditional() -> Iterator[ModuleType]:
    with modules_of("rest"):
        yield importlib.import_module("conditional")


def asked(method: str = "GET", **headers: str) -> Any:
    """What a route sees of a request: names of headers as the gateway hands them on, in any case."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return SimpleNamespace(current_event=SimpleNamespace(http_method=method, headers=named))


def test_who_has_a_resource_is_told_so_and_nothing_else(conditional: ModuleType) -> None:
    first = conditional.versioned(asked(), 200, THREAD, 3)

    again = conditional.versioned(asked(if_none_match=first.headers["ETag"]), 200, THREAD, 3)

    assert json.loads(first.body) == THREAD
    assert first.headers["ETag"].startswith('"3.')
    assert (again.status_code, again.body) == (304, "")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == "no-store"


def test_whatever_changes_in_the_answer_is_told(conditional: ModuleType) -> None:
    known = conditional.versioned(asked(), 200, THREAD, 3).headers["ETag"]

    told = conditional.versioned(asked(if_none_match=known), 200, THREAD | {"last_seq": 8}, 3)

    assert told.status_code == 200
    assert told.headers["ETag"] != known


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', '"other",W/{}', "*"])
def test_a_tag_is_known_in_every_form_of_the_header(conditional: ModuleType, form: str) -> None:
    known = conditional.page(asked(), {"data": []}).headers["ETag"].removeprefix("W/")

    assert conditional.page(asked(if_none_match=form.format(known)), {"data": []}).status_code == 304


@pytest.mark.parametrize("header", ["", '""', '"', "nonsense", 'W/"0000000000000000"'])
def test_another_tag_gets_the_page(conditional: ModuleType, header: str) -> None:
    answer = conditional.page(asked(if_none_match=header), {"data": []})

    assert answer.status_code == 200
    assert answer.headers["ETag"].startswith('W/"')


def test_an_edit_is_answered_whatever_the_client_has(conditional: ModuleType) -> None:
    answer = conditional.versioned(asked("PATCH", if_none_match="*"), 200, THREAD, 4)

    assert answer.status_code == 200


def test_an_edit_names_the_version_it_has_seen(conditional: ModuleType) -> None:
    tag = conditional.versioned(asked(), 200, THREAD, 3).headers["ETag"]

    assert conditional.stated_version(asked("PATCH", if_match=tag)) == 3
    assert conditional.stated_version(asked("PATCH", if_match='"3"')) == 3


@pytest.mark.parametrize("headers", [{}, {"if_match": ""}, {"if_match": " "}, {"if_match": "*"}])
def test_without_a_version_there_is_no_edit(conditional: ModuleType, headers: dict[str, str]) -> None:
    with pytest.raises(PreconditionRequired):
        conditional.stated_version(asked("PATCH", **headers))


def test_a_star_is_told_what_it_lacks(conditional: ModuleType) -> None:
    with pytest.raises(PreconditionRequired, match="has to name the ETag"):
        conditional.stated_version(asked("PATCH", if_match="*"))


@pytest.mark.parametrize(
    "tag", ["3", 'W/"3"', '"3", "4"', '"x"', '"3.xyz"', '"-1"', f'"{10**9}"', '"3.0000000000000000"x']
)
def test_a_tag_that_no_answer_carried_matches_nothing(conditional: ModuleType, tag: str) -> None:
    with pytest.raises(PreconditionFailed):
        conditional.stated_version(asked("PATCH", if_match=tag))
