"""/notifications: a person's own inbox, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString
from uuid import UUID

import pytest

from tests.database.test_conversation import make_thread, say
from tests.database.test_races import wait_until_blocked
from tests.fixtures.postgres import Database
from tests.fixtures.rest_api import Rest
from tests.fixtures.session import Session
from tests.fixtures.wedding import ANA, CARLO, FLORA, PETRA, Person, behind, new_id
from wedsync.conversations import cursors, messages_sql, participants
from wedsync.conversations.replay import replay
from wedsync.notifications import inbox, inbox_sql
from wedsync.notifications.channels.inbox import PREVIEW_CHARACTERS
from wedsync.notifications.inbox import Marked, NotificationQuery
from wedsync.platform.errors import Invalid

ALL = Marked(all=True)


def told(database: Database, who: Person, message_id: str | UUID, category: str = "ordinary") -> UUID:
    """Puts an item in an inbox, as the inbox channel does."""
    item = new_id()
    behind(
        database,
        "insert into wedsync.inbox_items (id, user_id, message_id, category, created_at) "
        "values (%(id)s, %(user)s, %(message)s, %(category)s, clock_timestamp())",
        id=item,
        user=who.user_id,
        message=message_id,
        category=category,
    )
    return item


def sent(thread: UUID, text: str = "Peonies?", by: Person = ANA) -> str:
    message = say(by, thread, text).message
    assert message is not None
    return message["id"]


def listed(who: Person) -> list[str]:
    return [item["message"] for item in inbox.page(who, NotificationQuery())["data"]]


@pytest.fixture(autouse=True)
def nothing_left(wedding: Database) -> None:
    """Each test begins with empty inboxes."""
    behind(wedding, "delete from wedsync.inbox_items")


def test_a_person_lists_what_he_was_told_newest_first_and_nobody_else_does(
    wedding: Database, rest: Rest
) -> None:
    thread = make_thread()
    first, second = sent(thread, "Peonies?"), sent(thread, "Or roses?")
    told(wedding, FLORA, first)
    item = told(wedding, FLORA, second, "urgent")

    answered = rest("GET", "/notifications", user_id=FLORA.user_id)

    assert answered.status == 200
    newest, oldest = answered.body["data"]
    assert newest | {"created_at": ""} == {
        "id": str(item),
        "category": "urgent",
        "thread_id": str(thread),
        "message_id": second,
        "seq": 3,
        "subject": "Flowers",
        "sender_name": "Ana Silva",
        "message": "Or roses?",
        "created_at": "",
        "seen_at": None,
        "read_at": None,
    }
    assert oldest["message"] == "Peonies?"
    assert (answered.body["unread_count"], answered.body["unseen_count"]) == (2, 2)
    for other in (ANA, PETRA, CARLO):
        assert listed(other) == []


def test_a_long_message_is_cut_to_a_preview(wedding: Database) -> None:
    told(wedding, FLORA, sent(make_thread(), "é" * 900))

    [message] = listed(FLORA)

    assert message == "é" * PREVIEW_CHARACTERS


def test_the_second_page_follows_the_first(wedding: Database) -> None:
    thread = make_thread()
    for number in range(5):
        told(wedding, FLORA, sent(thread, str(number)))

    first = inbox.page(FLORA, NotificationQuery(limit=3))
    second = inbox.page(FLORA, NotificationQuery(limit=3, cursor=first["next_cursor"]))

    assert [item["message"] for item in first["data"] + second["data"]] == ["4", "3", "2", "1", "0"]
    assert second["next_cursor"] is None
    with pytest.raises(Invalid):
        inbox.page(FLORA, NotificationQuery(cursor="made-up"))


def test_seen_and_read_are_marked_once_and_for_ever(wedding: Database, rest: Rest) -> None:
    thread = make_thread()
    one, two = (told(wedding, FLORA, sent(thread, text)) for text in ("one", "two"))

    seen = rest("POST", "/notifications/seen", {"all": True}, user_id=FLORA.user_id)
    read = rest("POST", "/notifications/read", {"ids": [str(one)]}, user_id=FLORA.user_id)
    once = behind(wedding, "select id, seen_at, read_at from wedsync.inbox_items order by id")
    again = rest("POST", "/notifications/read", {"ids": [str(one)]}, user_id=FLORA.user_id)

    assert seen.body == {"unread_count": 2, "unseen_count": 0}
    assert read.body == again.body == {"unread_count": 1, "unseen_count": 0}
    assert [(row["id"], row["read_at"] is not None) for row in once] == [(one, True), (two, False)]
    assert all(row["seen_at"] is not None for row in once)
    assert once == behind(wedding, "select id, seen_at, read_at from wedsync.inbox_items order by id")


def test_nobody_marks_what_is_not_his(wedding: Database) -> None:
    thread = make_thread()
    item = told(wedding, FLORA, sent(thread))

    assert inbox.read(PETRA, Marked(ids=(item,))) == {"unread_count": 0, "unseen_count": 0}
    inbox.seen(CARLO, ALL)

    assert behind(wedding, "select seen_at, read_at from wedsync.inbox_items") == [
        {"seen_at": None, "read_at": None}
    ]


def test_what_was_read_in_its_thread_is_read_in_the_inbox(wedding: Database) -> None:
    thread = make_thread()
    first, second, third = (sent(thread, text) for text in ("one", "two", "three"))
    told(wedding, FLORA, first)
    told(wedding, FLORA, third)
    told(wedding, ANA, first)
    epoch = behind(wedding, "select app.epoch() as epoch")[0]["epoch"]

    cursors.read(FLORA, thread, epoch, 3)
    told(wedding, FLORA, second)  # the planner was later than her eyes

    page = inbox.page(FLORA, NotificationQuery())
    assert [(item["message"], item["read_at"] is None) for item in page["data"]] == [
        ("two", False),
        ("three", True),
        ("one", False),
    ]
    assert (page["unread_count"], page["unseen_count"]) == (1, 1)
    assert inbox.counts(ANA)["unread_count"] == 1


def test_an_item_that_came_while_its_thread_was_read_counts_as_read(wedding: Database) -> None:
    thread = make_thread()
    message = sent(thread)
    epoch = behind(wedding, "select app.epoch() as epoch")[0]["epoch"]
    cursors.read(FLORA, thread, epoch, 2)
    told(wedding, FLORA, message)
    behind(wedding, "update wedsync.inbox_items set read_at = null, seen_at = null")  # neither saw the other

    page = inbox.page(FLORA, NotificationQuery())

    assert page["data"][0]["read_at"] is not None
    assert (page["unread_count"], page["unseen_count"]) == (0, 0)


@pytest.mark.parametrize("marking", [inbox_sql.SEEN, inbox_sql.READ])
def test_who_marks_the_inbox_on_one_device_and_reads_the_thread_on_another_does_both(
    wedding: Database, sessions: Callable[[Person], Session], marking: LiteralString
) -> None:
    thread = make_thread()
    messages = [sent(thread, text) for text in ("one", "two", "three")]
    _, second, _ = [told(wedding, FLORA, each) for each in reversed(messages)]  # they lie there in this order
    asked = {
        "epoch": behind(wedding, "select app.epoch() as epoch")[0]["epoch"],
        "thread_ids": [thread],
        "seqs": [4],
    }
    watch, phone, tablet = sessions(FLORA), sessions(FLORA), sessions(FLORA)
    watch.run(inbox_sql.SEEN, ids=[second])  # both meet here, whichever end they come from

    def finish(device: Session, statement: LiteralString, values: dict[str, Any]) -> None:
        device.run(statement, **values)
        device.commit()

    with ThreadPoolExecutor() as pool:
        both = [
            pool.submit(finish, phone, marking, {"ids": None}),
            pool.submit(finish, tablet, messages_sql.READ, asked),
        ]
        wait_until_blocked(wedding, 2)
        watch.commit()
        for each in both:
            each.result(5)

    assert inbox.counts(FLORA) == {"unread_count": 0, "unseen_count": 0}


def test_what_a_person_sees_no_more_is_gone_from_his_inbox(wedding: Database) -> None:
    kept, lost = make_thread(), make_thread()
    deleted = sent(kept, "deleted")
    for message in (sent(kept, "kept"), sent(lost, "lost"), deleted):
        told(wedding, FLORA, message)
    behind(
        wedding,
        "update wedsync.thread_messages set message = '', deleted_at = clock_timestamp() where id = %(id)s",
        id=deleted,
    )

    participants.remove(ANA, lost, FLORA.user_id)

    assert listed(FLORA) == ["kept"]
    assert inbox.seen(FLORA, Marked(ids=(new_id(),)))["unread_count"] == 1


@pytest.mark.parametrize("body", [{}, {"ids": []}, {"all": False}, {"all": True, "ids": [str(new_id())]}])
def test_a_mark_that_says_nothing_or_both_changes_nothing(
    wedding: Database, rest: Rest, body: object
) -> None:
    told(wedding, FLORA, sent(make_thread()))

    answered = rest("POST", "/notifications/read", body, user_id=FLORA.user_id)

    assert answered.status == 422
    assert inbox.page(FLORA, NotificationQuery())["unread_count"] == 1


def test_a_sync_names_the_newest_notification(wedding: Database) -> None:
    thread = make_thread()
    without = replay(FLORA, None, {}, 10).inbox_head
    told(wedding, FLORA, sent(thread))
    newest = told(wedding, FLORA, sent(thread))
    told(wedding, PETRA, sent(thread))

    assert without is None
    assert replay(FLORA, None, {}, 10).inbox_head == newest
