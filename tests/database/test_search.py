"""Search finds what the caller may see, however it is spelled, and nothing that is gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.database.test_conversation import make_thread, say
from tests.fixtures.postgres import Database
from tests.fixtures.wedding import (
    ANA,
    BEN,
    CARLO,
    FLORA,
    OTHER_WEDDING,
    PETRA,
    PHIL,
    STRANGER,
    WEDDING,
    Person,
    behind,
)
from wedsync.conversations import folding, message_acts, messages, participants, search, threads
from wedsync.conversations.models import AddedParticipant, NewMessage, ThreadQuery
from wedsync.conversations.search import SearchQuery
from wedsync.platform import db
from wedsync.platform.errors import Invalid


def find(who: Person, q: str, **stated: Any) -> list[str]:
    """The highlights, without their marks."""
    page = search.page(who, SearchQuery.model_validate({"q": q, "limit": 100, **stated}))
    return [hit["highlight"].replace("<mark>", "").replace("</mark>", "") for hit in page["data"]]


@pytest.fixture
def talk(wedding: Database) -> UUID:
    behind(wedding, "update wedsync.users set locale = 'en'")
    return make_thread(subject="Blumen")


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ("The lilac arrives at noon", "lilac"),
        ("The lilac arrives at noon", "LILAC noon"),
        ("The lilac arrives at noon", "lil"),
        ("The lilac arrives at noon", "arriving "),
        ("Crème brûlée for 80", "creme brulee"),
        ("Creme brulee for 80", "crème"),
        ("Who opens the first dance?", '"first dance"'),
        ("mail anna@bloom.example", "bloom"),
        ("couple/planner table", "planner"),
        ("the e-mail", "e-mail"),
        ("table 12b", "12b"),
        ("Ein Strauß für 10 Gäste", "STRAUSS gaste"),
        ("peonies instead", "tulips or peonies"),
        ("the the the", "the"),
        ("Тюльпаны завтра", "тюльпаны"),
        ("γάμος αύριο", "ΓΑΜΟΣ"),
        ("ΓΆΜΟΣ ΑΎΡΙΟ", "γάμος"),
    ],
)
def test_a_message_is_found_however_it_is_spelled(talk: UUID, said: str, query: str) -> None:
    say(ANA, talk, said)

    assert find(FLORA, query, thread_id=talk) == [said]


@pytest.mark.parametrize(
    "query", ["dance first", '"dance first"', "first -dance", "firs ", "danc tomorrow", "sec"]
)
def test_a_message_that_does_not_answer_is_not_found(talk: UUID, query: str) -> None:
    say(ANA, talk, "The first dance")

    assert find(FLORA, query, thread_id=talk) == ([] if query != "dance first" else ["The first dance"])


def test_an_exclusion_holds_for_every_form_of_the_word(talk: UUID) -> None:
    say(ANA, talk, "a flower and a rose")
    say(ANA, talk, "only flowers")

    assert find(FLORA, "flower -roses", thread_id=talk) == ["only flowers"]


def test_each_reader_searches_in_his_language(wedding: Database, talk: UUID) -> None:
    for person, locale in ((PETRA, "de-AT"), (ANA, "en-US"), (FLORA, "tlh")):
        behind(
            wedding, "update wedsync.users set locale = %(l)s where id = %(u)s", l=locale, u=person.user_id
        )
    thread = make_thread()
    say(ANA, thread, "Die Einladungen; the deliveries")

    assert find(PETRA, "Einladung ", thread_id=thread) == ["Die Einladungen; the deliveries"]
    assert find(ANA, "delivery ", thread_id=thread) == ["Die Einladungen; the deliveries"]
    assert find(PETRA, "delivery ", thread_id=thread) == find(FLORA, "delivery ", thread_id=thread) == []
    assert find(FLORA, "einladungen ", thread_id=thread) == ["Die Einladungen; the deliveries"]


def test_what_was_found_is_highlighted_as_safe_html(talk: UUID) -> None:
    say(ANA, talk, "<script>alert('Arriving')</script> arrive & <mark>")

    (hit,) = search.page(FLORA, SearchQuery(q="arrival arriving or scrip", thread_id=talk))["data"]

    assert hit["highlight"] == (
        "&lt;<mark>script</mark>&gt;alert(&#x27;<mark>Arriving</mark>&#x27;)&lt;/<mark>script</mark>&gt; "
        "<mark>arrive</mark> &amp; &lt;mark&gt;"
    )
    assert (hit["kind"], hit["seq"], hit["sender_id"]) == ("message", 2, str(ANA.user_id))


def test_threads_are_found_by_their_subject(talk: UUID) -> None:
    hits = search.page(FLORA, SearchQuery(q="blume", thread_id=talk))["data"]

    assert [(hit["kind"], hit["highlight"], hit["message_id"], hit["seq"]) for hit in hits] == [
        ("thread", "<mark>Blumen</mark>", None, None)
    ]


def test_nobody_finds_what_he_does_not_see(wedding: Database) -> None:
    thread = make_thread(people=(FLORA,), subject="Secret garden")
    say(ANA, thread, "wisteria before")
    participants.add(ANA, thread, AddedParticipant(user_id=PETRA.user_id))
    say(ANA, thread, "wisteria after")
    participants.remove(ANA, thread, FLORA.user_id)

    assert find(ANA, "wisteria") == ["wisteria after", "wisteria before"]
    assert find(PETRA, "wisteria") == ["wisteria after"]
    assert find(PETRA, "secret garden ") == ["Secret garden"]
    for outsider in (FLORA, CARLO, BEN, PHIL, STRANGER):
        assert find(outsider, "wisteria") == find(outsider, "secret") == []
        assert find(outsider, "wisteria", thread_id=thread) == []


def test_hosts_find_in_what_they_read_along(wedding: Database) -> None:
    thread = make_thread(by=FLORA, people=(ANA,), visibility="hosts")
    say(FLORA, thread, "hydrangea by noon")

    assert find(BEN, "hydrangea") == ["hydrangea by noon"]
    assert find(CARLO, "hydrangea") == []


def test_deleted_and_redacted_text_is_not_found(wedding: Database, talk: UUID) -> None:
    for text in ("gladiolus one", "gladiolus two", "gladiolus three"):
        say(ANA, talk, text)
    behind(wedding, "update wedsync.thread_messages set deleted_at = now() where message = 'gladiolus one'")
    behind(
        wedding, "update wedsync.thread_messages set message = 'orchid two' where message = 'gladiolus two'"
    )
    behind(
        wedding,
        "update wedsync.thread_messages set message = '', deleted_at = now() where message = 'gladiolus three'",
    )

    assert find(FLORA, "gladiolus") == []
    assert find(FLORA, "orchid") == ["orchid two"]
    left = behind(wedding, "select words::text from wedsync.message_words where thread_id = %(t)s", t=talk)
    assert [row for row in left if "gladiolus" in row["words"]] == []


def test_a_list_of_threads_takes_a_query_too(wedding: Database) -> None:
    by_subject = make_thread(subject="Dahlia day")
    by_message = make_thread(people=(FLORA,))
    say(ANA, by_message, "two dahlias per table")
    participants.add(ANA, by_message, AddedParticipant(user_id=PETRA.user_id))

    def listed(who: Person, **stated: Any) -> set[str]:
        return {thread["id"] for thread in threads.page(who, ThreadQuery(q="dahlia ", **stated))["data"]}

    assert listed(FLORA) == {str(by_subject), str(by_message)}
    assert listed(PETRA) == {str(by_subject)}
    assert listed(CARLO) == listed(FLORA, thread_type="payment") == set()
    with pytest.raises(Invalid):
        threads.page(FLORA, ThreadQuery(q="-dahlia"))


def test_retracted_text_is_not_found_either(wedding: Database) -> None:
    contract = make_thread(thread_type="contract")
    sent = say(ANA, contract, "delphinium for free").message
    assert sent
    assert find(FLORA, "delphinium") == ["delphinium for free"]

    message_acts.delete(ANA, UUID(sent["id"]))

    assert find(FLORA, "delphinium") == []


def test_a_subject_that_changed_is_found_as_it_is(wedding: Database, talk: UUID) -> None:
    behind(wedding, "update wedsync.communication_threads set subject = 'Narcissus' where id = %(t)s", t=talk)

    assert find(FLORA, "narcissus", thread_id=talk) == ["Narcissus"]
    assert find(FLORA, "blumen", thread_id=talk) == []


def test_filters_narrow_what_is_found(wedding: Database) -> None:
    general = make_thread(subject="azalea general")
    timeline = make_thread(by=PETRA, people=(FLORA,), subject="azalea timeline", thread_type="timeline")
    say(FLORA, general, "azalea said by Flora")
    now = datetime.now(UTC)

    everything = ["azalea said by Flora", "azalea timeline", "azalea general"]
    assert find(FLORA, "azalea") == everything
    assert find(FLORA, "azalea", kind="thread") == everything[1:]
    assert find(FLORA, "azalea", kind="message") == everything[:1]
    assert find(FLORA, "azalea", thread_id=timeline) == ["azalea timeline"]
    assert find(FLORA, "azalea", thread_type="timeline") == ["azalea timeline"]
    assert find(FLORA, "azalea", sender_id=PETRA.user_id) == ["azalea timeline"]
    assert find(FLORA, "azalea", wedding_id=WEDDING) == everything
    assert find(FLORA, "azalea", wedding_id=OTHER_WEDDING) == []
    assert find(FLORA, "azalea", since=now + timedelta(hours=1)) == []
    assert find(FLORA, "azalea", until=now + timedelta(hours=1)) == everything


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_hold_everything_once_whatever_is_written_meanwhile(wedding: Database, limit: int) -> None:
    thread = make_thread(subject=f"begonia{limit}")
    for n in range(5):
        say(ANA, thread, f"begonia{limit} {n}")
    seen: list[str] = []
    cursor = None

    while True:
        page = search.page(FLORA, SearchQuery(q=f"begonia{limit} ", limit=limit, cursor=cursor))
        seen += [hit["highlight"] for hit in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        say(ANA, thread, f"begonia{limit} written meanwhile")

    marked = f"<mark>begonia{limit}</mark>"
    assert seen == [f"{marked} {n}" for n in (4, 3, 2, 1, 0)] + [marked]


def test_a_foreign_cursor_is_refused(wedding: Database) -> None:
    with pytest.raises(Invalid):
        search.page(ANA, SearchQuery(q="x", cursor="nonsense"))


def test_the_application_reads_no_words(wedding: Database) -> None:
    for table in ("message_words", "thread_words"):
        with pytest.raises(Exception, match="permission denied"):
            db.transaction(ANA, (f"select * from {table}", {}))  # pyright: ignore[reportArgumentType]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(
        st.characters(max_codepoint=0x2FFF, exclude_categories=["Cn", "Cs", "Cc", "Co"]), max_size=80
    )
)
def test_python_folds_as_the_database_does(wedding: Database, text: str) -> None:
    (row,) = behind(wedding, "select private.fold(%(text)s) as folded", text=text)

    assert row["folded"] == folding.fold(text)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=100), query=st.text(min_size=1, max_size=60))
def test_whatever_is_written_and_asked_no_search_fails(talk: UUID, text: str, query: str) -> None:
    try:
        say(ANA, talk, text)
        search.page(FLORA, SearchQuery(q=query, thread_id=talk))
    except (Invalid, ValueError):
        return


def test_the_longest_message_is_found(talk: UUID) -> None:
    say(ANA, talk, "\ufdfa" * 7_990 + " wildrose")
    say(ANA, talk, "wildrose " + "x" * 7_900)

    assert len(find(FLORA, "wildrose", thread_id=talk)) == 1
    assert messages.send(ANA, talk, [NewMessage(message="a-" * 4_000, client_msg_id=UUID(int=7))]).changes
