"""Messages that are sent later (R18): when, as whom, and what happens when they may not be sent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest

from tests.database.test_conversation import make_thread, say, texts
from tests.database.test_inbox_channel import Sockets, sockets
from tests.fixtures.functions import modules_of
from tests.fixtures.notifying import Notifying
from tests.fixtures.postgres import Database
from tests.fixtures.wedding import ANA, CARLO, FLORA, PETRA, STRANGER, WEDDING, Person, behind
from wedsync.conversations import cursors, due, messages, participants, scheduled, thread_acts, threads
from wedsync.conversations.events import Change
from wedsync.conversations.message_models import LaterEdit, LaterMessage
from wedsync.conversations.models import AddedParticipant
from wedsync.conversations.scheduled import ScheduledMessage, ScheduledQuery
from wedsync.platform import db
from wedsync.platform.context import WORKER, Acting
from wedsync.platform.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable

__all__ = ["sockets"]

BERLIN = ZoneInfo("Europe/Berlin")


def later(who: Person, thread: UUID, text: str = "Later", **stated: Any) -> ScheduledMessage:
    if "relative" not in stated:
        stated["send_at"] = stated.get("send_at", datetime.now(UTC) + timedelta(hours=1)).isoformat()
    return scheduled.schedule(who, thread, LaterMessage.model_validate({"message": text, **stated}))


def now_is(database: Database, ahead: timedelta) -> None:
    behind(database, "update private.clock set shifted = %(by)s", by=ahead)


def wedding_is(database: Database, day: date, zone: str = "Europe/Berlin", status: str = "planned") -> None:
    behind(
        database,
        "update wedsync.weddings set wedding_date = %(d)s, time_zone = %(z)s, status = %(s)s where id = %(w)s",
        d=day,
        z=zone,
        s=status,
        w=WEDDING,
    )


def tick(notifying: Notifying) -> list[Change]:
    """What the clockwork sends, as a worker."""
    return [change for sent in notifying.run(lambda: list(due.messages_due())) for change in sent.changes]


@pytest.fixture(autouse=True)
def usual_time(wedding: Database) -> Iterator[None]:
    yield
    now_is(wedding, timedelta())
    wedding_is(wedding, datetime.now(UTC).date() + timedelta(days=30))
    behind(wedding, "delete from wedsync.scheduled_messages")


def test_it_is_sent_when_its_time_has_come_as_its_author(notifying: Notifying) -> None:
    thread = make_thread()
    waiting = later(ANA, thread, "Tomorrow!", mentions=[str(FLORA.user_id)], priority_level="high")
    assert tick(notifying) == []

    now_is(notifying.database, timedelta(hours=1, seconds=1))
    (change,) = tick(notifying)

    sent = change.events[0].get("message")
    assert sent
    assert (sent["message"], sent["sender_id"], sent["priority_level"]) == (
        "Tomorrow!",
        str(ANA.user_id),
        "high",
    )
    assert (sent["client_msg_id"], sent["mentions"]) == (waiting["id"], [str(FLORA.user_id)])
    assert change.audience == {ANA.user_id, PETRA.user_id, FLORA.user_id}
    done = scheduled.get(ANA, UUID(waiting["id"]))
    assert (done["status"], done["message_id"], done["content"]) == ("sent", sent["id"], None)
    assert tick(notifying) == []
    assert texts(FLORA, thread) == ["Tomorrow!"]


def test_it_has_no_seq_until_then(notifying: Notifying) -> None:
    thread = make_thread()
    later(ANA, thread)

    assert threads.get(ANA, thread)["last_seq"] == 1
    assert say(FLORA, thread).message is not None


def test_the_earliest_goes_first(notifying: Notifying) -> None:
    thread = make_thread()
    moment = datetime.now(UTC)
    for minutes in (3, 1, 2):
        later(ANA, thread, f"{minutes}", send_at=moment + timedelta(minutes=minutes))

    now_is(notifying.database, timedelta(minutes=4))
    tick(notifying)

    assert texts(FLORA, thread) == ["1", "2", "3"]


def test_a_clockwork_that_died_after_its_commit_sends_nothing_twice(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = make_thread()
    waiting = later(ANA, thread, "Once")
    now_is(notifying.database, timedelta(hours=1, seconds=1))
    with monkeypatch.context() as patch:
        patch.setattr(due, "_settle", lambda *_: None)
        assert len(tick(notifying)) == 1
    assert scheduled.get(ANA, UUID(waiting["id"]))["status"] == "sending"
    with pytest.raises(Conflict):
        scheduled.delete(ANA, UUID(waiting["id"]))
    assert tick(notifying) == []

    now_is(notifying.database, timedelta(hours=3))
    assert tick(notifying) == []

    assert scheduled.get(ANA, UUID(waiting["id"]))["status"] == "sent"
    assert texts(FLORA, thread) == ["Once"]


def test_what_could_not_be_sent_for_the_moment_is_tried_again(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = make_thread()
    later(ANA, thread, "At last")

    def busy(*_: object) -> None:
        raise Unavailable

    now_is(notifying.database, timedelta(hours=1, seconds=1))
    with monkeypatch.context() as patch:
        patch.setattr(messages, "send", busy)
        assert tick(notifying) == []
    now_is(notifying.database, timedelta(hours=1, minutes=3))
    tick(notifying)

    assert texts(FLORA, thread) == ["At last"]


def test_one_that_cannot_be_sent_holds_up_no_other(
    notifying: Notifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = make_thread()
    broken, old_fashioned, good = (
        UUID(later(ANA, thread, text, send_at=datetime.now(UTC) + timedelta(minutes=minutes))["id"])
        for minutes, text in enumerate(("Broken", "Old-fashioned", "Good"), start=1)
    )
    notifying.stored(
        'update wedsync.scheduled_messages set stated = stated || \'{"colour": "red"}\' where id = %(id)s',
        id=old_fashioned,
    )
    send = messages.send

    def failing(who: Any, thread_id: UUID, content: Any) -> Any:
        if content[0].message == "Broken":
            raise ZeroDivisionError
        return send(who, thread_id, content)

    monkeypatch.setattr(messages, "send", failing)
    now_is(notifying.database, timedelta(minutes=4))
    tick(notifying)

    assert texts(FLORA, thread) == ["Good"]
    assert scheduled.get(ANA, good)["status"] == "sent"
    assert scheduled.get(ANA, broken)["status"] == "sending"
    asked = scheduled.get(ANA, old_fashioned)
    assert (asked["status"], asked["reason"]) == ("needs_attention", "invalid")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("update wedsync.communication_threads set status = 'closed' where id = %(t)s", "conflict"),
        (
            "update wedsync.thread_participants set role = 'observer' where thread_id = %(t)s and user_id = %(u)s",
            "forbidden",
        ),
        (
            "update wedsync.thread_participants set left_at = now() where thread_id = %(t)s and user_id = %(u)s",
            "not_found",
        ),
        ("update wedsync.weddings set status = 'cancelled'", "wedding_cancelled"),
    ],
)
def test_what_is_refused_then_is_its_authors_to_decide(notifying: Notifying, spoil: Any, reason: str) -> None:
    thread = make_thread()
    waiting = later(FLORA, thread, "Too late for me")
    notifying.stored(spoil, t=thread, u=FLORA.user_id)
    now_is(notifying.database, timedelta(hours=1, seconds=1))

    assert tick(notifying) == []

    asked = scheduled.get(FLORA, UUID(waiting["id"]))
    assert (asked["status"], asked["reason"]) == ("needs_attention", reason)
    assert asked["content"] == {"message": "Too late for me"}
    assert [
        each["id"] for each in scheduled.page(FLORA, ScheduledQuery(status="needs_attention"))["data"]
    ] == [waiting["id"]]
    assert cursors.unread(FLORA)["scheduled"] == 1
    assert tick(notifying) == []
    assert texts(ANA, thread) == []
    scheduled.delete(FLORA, UUID(waiting["id"]))


@pytest.mark.parametrize("ahead", [timedelta(hours=1, seconds=1), timedelta(hours=3)])
def test_whoever_has_to_decide_hears_so(
    notifying: Notifying, sockets: Sockets, ahead: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_TABLE", "journal")
    thread = make_thread()
    later(FLORA, thread)
    thread_acts.set_status(ANA, thread, "closed", None)
    now_is(notifying.database, ahead)

    with modules_of("clockwork") as app:
        for _ in range(2):
            notifying.run(app.handler, {"source": "aws.events"}, None)

    told = [(device, frame) for device, frame in sockets.frames if frame["type"] == "me"]
    assert told == [("phone", {"type": "me", "thread_id": str(thread), "changed": "scheduled"})]


def test_an_hour_late_is_too_late(notifying: Notifying) -> None:
    thread = make_thread()
    waiting = later(ANA, thread)

    now_is(notifying.database, timedelta(hours=2, seconds=1))

    assert tick(notifying) == []
    assert scheduled.get(ANA, UUID(waiting["id"]))["reason"] == "late"
    assert texts(ANA, thread) == []


@pytest.mark.parametrize(
    ("day", "relative", "at", "moment"),
    [
        (date(2027, 6, 12), "P-7D", "09:00", datetime(2027, 6, 5, 9, tzinfo=BERLIN)),
        (date(2027, 6, 12), "P-2W", "18:30", datetime(2027, 5, 29, 18, 30, tzinfo=BERLIN)),
        (date(2027, 6, 12), "P0D", "00:00", datetime(2027, 6, 12, tzinfo=BERLIN)),
        (date(2027, 6, 12), "P1D", "10:00", datetime(2027, 6, 13, 10, tzinfo=BERLIN)),
        # Winter before, summer after: the wall time stays, the distance does not.
        (date(2027, 4, 3), "P-7D", "09:00", datetime(2027, 3, 27, 9, tzinfo=BERLIN)),
        # The clocks skip 02:30: an hour later it is. 02:30 comes twice: the second one.
        (date(2027, 4, 4), "P-7D", "02:30", datetime(2027, 3, 28, 1, 30, tzinfo=UTC)),
        (date(2027, 11, 7), "P-7D", "02:30", datetime(2027, 10, 31, 1, 30, tzinfo=UTC)),
    ],
)
def test_relative_to_the_wedding_is_a_wall_time_in_its_zone(
    wedding: Database, day: date, relative: str, at: str, moment: datetime
) -> None:
    wedding_is(wedding, day)

    made = later(ANA, make_thread(), relative=relative, at=at)

    assert datetime.fromisoformat(made["send_at"]) == moment
    assert made["at"] == at


def test_it_moves_with_the_wedding(wedding: Database) -> None:
    thread = make_thread()
    day = datetime.now(UTC).date() + timedelta(days=60)
    wedding_is(wedding, day)
    moving, fixed = later(ANA, thread, relative="P-7D", at="09:00"), later(ANA, thread)

    wedding_is(wedding, day + timedelta(days=1), "America/New_York")

    found = scheduled.get(ANA, UUID(moving["id"]))
    there = datetime.fromisoformat(found["send_at"]).astimezone(ZoneInfo("America/New_York"))
    assert (there.date(), there.hour, found["status"]) == (day - timedelta(days=6), 9, "waiting")
    assert scheduled.get(ANA, UUID(fixed["id"])) == fixed


def test_moved_into_the_past_it_is_not_sent_and_moved_back_it_waits(notifying: Notifying) -> None:
    thread, today = make_thread(), datetime.now(UTC).date()
    wedding_is(notifying.database, today + timedelta(days=30))
    made = UUID(later(ANA, thread, relative="P-7D", at="09:00")["id"])

    wedding_is(notifying.database, today + timedelta(days=5))
    asked = scheduled.get(ANA, made)
    assert tick(notifying) == []
    wedding_is(notifying.database, today + timedelta(days=20))

    assert (asked["status"], asked["reason"]) == ("needs_attention", "moved_into_the_past")
    assert scheduled.get(ANA, made)["status"] == "waiting"
    assert texts(ANA, thread) == []


def test_a_postponed_wedding_asks_about_what_was_relative_to_it(notifying: Notifying) -> None:
    thread, today = make_thread(), datetime.now(UTC).date()
    wedding_is(notifying.database, today + timedelta(days=8))
    made = UUID(later(ANA, thread, relative="P-7D", at="23:59")["id"])
    fixed = UUID(
        later(ANA, thread, "Postponed!", send_at=datetime.fromisoformat(scheduled.get(ANA, made)["send_at"]))[
            "id"
        ]
    )
    wedding_is(notifying.database, today + timedelta(days=8), status="postponed")
    now_is(
        notifying.database,
        datetime.fromisoformat(scheduled.get(ANA, made)["send_at"])
        - datetime.now(UTC)
        + timedelta(seconds=5),
    )

    tick(notifying)

    assert scheduled.get(ANA, made)["reason"] == "wedding_postponed"
    assert scheduled.get(ANA, fixed)["status"] == "sent"


def test_who_may_not_post_schedules_nothing(wedding: Database) -> None:
    thread = make_thread(people=())
    participants.add(ANA, thread, AddedParticipant(user_id=FLORA.user_id, role="observer"))

    for who, problem in ((FLORA, Forbidden), (CARLO, NotFound), (STRANGER, NotFound)):
        with pytest.raises(problem):
            later(who, thread)
        assert scheduled.page(who, ScheduledQuery())["data"] == []
    with pytest.raises(Invalid) as past:
        later(ANA, thread, send_at=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(Invalid) as before:
        later(ANA, thread, relative="P-99W", at="09:00")

    assert past.value.errors[0].field == "send_at"
    assert before.value.errors[0].field == "relative"


def edit(who: Person, made: ScheduledMessage, **stated: Any) -> ScheduledMessage:
    return scheduled.edit(who, UUID(made["id"]), LaterEdit.model_validate(stated))


def test_it_says_something_else_at_another_time(notifying: Notifying) -> None:
    thread = make_thread()
    made = later(ANA, thread, "Tomorow!", mentions=[str(FLORA.user_id)], requires_ack=True)

    said = edit(ANA, made, message="Tomorrow!", requires_ack=False)
    moved = edit(ANA, made, relative="P1D", at="10:00")
    back = edit(ANA, made, send_at=made["send_at"])

    assert said["content"] == {
        "message": "Tomorrow!",
        "mentions": [str(FLORA.user_id)],
        "requires_ack": False,
    }
    assert (said["send_at"], said["relative"]) == (made["send_at"], None)
    assert (moved["content"], moved["relative"], moved["at"]) == (said["content"], "P1D", "10:00")
    assert (back["send_at"], back["relative"], back["at"]) == (made["send_at"], None, None)
    now_is(notifying.database, timedelta(hours=1, seconds=1))
    tick(notifying)
    assert texts(FLORA, thread) == ["Tomorrow!"]


def test_one_that_needed_attention_waits_again_at_a_new_time(notifying: Notifying) -> None:
    thread = make_thread()
    made = later(ANA, thread)
    now_is(notifying.database, timedelta(hours=3))
    tick(notifying)

    with pytest.raises(Invalid) as past:
        edit(ANA, made, message="Still?")
    again = edit(ANA, made, send_at=(datetime.now(UTC) + timedelta(hours=4)).isoformat())

    assert past.value.errors[0].field == "send_at"
    assert (again["status"], again["reason"]) == ("waiting", None)
    assert cursors.unread(ANA)["scheduled"] == 0


def test_what_may_not_be_scheduled_is_not_edited_in_either(notifying: Notifying) -> None:
    thread, payment = make_thread(), make_thread(thread_type="payment")
    made, paid = later(FLORA, thread, "As it was"), later(FLORA, payment, "As it was")

    for who in (ANA, STRANGER):
        with pytest.raises(NotFound):
            edit(who, made, message="Mine")
    with pytest.raises(Invalid) as card:
        edit(FLORA, paid, message="4111 1111 1111 1111")
    participants.remove(ANA, payment, FLORA.user_id)
    with pytest.raises(Forbidden):
        edit(FLORA, paid, message="Let me")
    now_is(notifying.database, timedelta(hours=1, seconds=1))
    tick(notifying)
    with pytest.raises(Conflict):
        edit(FLORA, made, message="Too late")

    assert card.value.errors[0].field == "message"
    assert scheduled.get(FLORA, UUID(paid["id"]))["content"] == {"message": "As it was"}
    assert texts(ANA, thread) == ["As it was"]


def test_it_is_its_authors_alone(wedding: Database) -> None:
    thread = make_thread()
    made = UUID(later(ANA, thread)["id"])

    for who in (PETRA, FLORA, STRANGER):
        with pytest.raises(NotFound):
            scheduled.get(who, made)
        with pytest.raises(NotFound):
            scheduled.delete(who, made)
        assert scheduled.page(who, ScheduledQuery())["data"] == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.transaction(ANA, ("update scheduled_messages set send_at = now()", {}))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.transaction(ANA, ("select app.claim_scheduled_messages(1)", {}))

    scheduled.delete(ANA, made)
    with pytest.raises(NotFound):
        scheduled.get(ANA, made)


def test_the_list_has_pages(wedding: Database) -> None:
    thread, other = make_thread(), make_thread()
    moment = datetime.now(UTC)
    made = [later(ANA, thread, send_at=moment + timedelta(hours=hours))["id"] for hours in (1, 2, 3)]
    later(ANA, other)

    first = scheduled.page_of_thread(ANA, thread, ScheduledQuery(limit=2))
    second = scheduled.page_of_thread(ANA, thread, ScheduledQuery(limit=2, cursor=first["next_cursor"]))

    assert [each["id"] for each in first["data"] + second["data"]] == made
    assert second["next_cursor"] is None
    assert len(scheduled.page(ANA, ScheduledQuery())["data"]) == 4
    with pytest.raises(NotFound):
        scheduled.page_of_thread(CARLO, thread, ScheduledQuery())


def test_a_worker_writes_only_as_the_one_its_context_names(notifying: Notifying) -> None:
    thread = make_thread(people=(FLORA,))
    forged = (
        "insert into thread_messages (id, thread_id, seq, sender_id, message, message_html, message_type, priority_level, "
        "client_msg_id, fingerprint, created_at) values (gen_random_uuid(), %(t)s, 2, %(u)s, 'x', 'x', 'text', 'normal', "
        "gen_random_uuid(), sha256(''), now())"
    )

    for who, sender in (
        (Acting(FLORA.user_id, "user"), ANA),
        (Acting(CARLO.user_id, "user"), CARLO),
        (WORKER, ANA),
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            notifying.run(db.transaction, who, (forged, {"t": thread, "u": sender.user_id}))

    assert texts(ANA, thread) == []
