"""States only rise: whatever is learned of a delivery, in any order and any number of times, ends in the same state."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.database.test_notifications_claims import claim, planned
from tests.fixtures.notifying import Notifying
from tests.fixtures.wedding import FLORA
from wedsync.notifications import deliveries
from wedsync.notifications.deliveries import Accepted, Later, Refused, Unknown

RANKS = {
    "queued": 10,
    "sending": 20,
    "unknown": 25,
    "sent": 30,
    "delayed": 35,
    "failed": 40,
    "delivered": 50,
    "bounced": 60,
    "complained": 70,
    "cancelled": 80,
    "suppressed": 81,
    "expired": 82,
}
LEARNED = ("unknown", "sent", "delayed", "failed", "delivered", "bounced", "complained")
CODES = {"failed": "30003", "bounced": "550", "unknown": "timeout"}


class Advancing:
    """One delivery, put back to a state and told things, each in a transaction that is rolled back."""

    def __init__(self, connection: psycopg.Connection, delivery_id: UUID) -> None:
        self.connection = connection
        self.delivery_id = delivery_id

    def after(self, start: str, learned: tuple[str, ...]) -> list[tuple[str, str | None, object]]:
        """State, reason and first times after each thing learned."""
        steps: list[tuple[str, str | None, object]] = []
        with self.connection.transaction(force_rollback=True):
            self.connection.execute(
                "update wedsync.deliveries set status = %s, reason = null where id = %s",
                [start, self.delivery_id],
            )
            for status in learned:
                self.connection.execute(
                    "select private.advance_delivery(%s, %s, now() + %s * interval '1 s', 'twilio', 'SM1', %s)",
                    [self.delivery_id, status, LEARNED.index(status), CODES.get(status)],
                )
                row = self.connection.execute(
                    "select status, reason, array[sent_at - now(), delivered_at - now(), failed_at - now()] "
                    "from wedsync.deliveries where id = %s",
                    [self.delivery_id],
                ).fetchone()
                assert row is not None
                steps.append((row[0], row[1], row[2]))
        return steps


@pytest.fixture
def advancing(notifying: Notifying) -> Iterator[Advancing]:
    thread = planned(notifying)
    delivery_id = notifying.delivery(thread, FLORA.user_id, "sms")["id"]
    with psycopg.connect(notifying.database.superuser.dsn, autocommit=True) as connection:
        yield Advancing(connection, delivery_id)


def test_the_ranks_are_those_of_the_design(notifying: Notifying) -> None:
    for state, rank in RANKS.items():
        assert notifying.stored("select private.delivery_rank(%(s)s) as rank", s=state) == [{"rank": rank}]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from(sorted(RANKS)), learned=st.lists(st.sampled_from(LEARNED), min_size=1, max_size=8)
)
def test_the_state_is_the_highest_that_was_ever_learned(
    advancing: Advancing, start: str, learned: list[str]
) -> None:
    states = [start, *(step[0] for step in advancing.after(start, tuple(learned)))]

    expected = [start]
    for status in learned:
        closed = RANKS[expected[-1]] >= 80
        expected.append(expected[-1] if closed else max(expected[-1], status, key=RANKS.__getitem__))
    assert states == expected


@pytest.mark.parametrize(
    "learned",
    [
        ("sent", "delivered"),
        ("unknown", "sent", "delivered"),
        ("failed", "sent", "delivered"),
        ("sent", "delayed", "delivered", "bounced"),
        ("sent", "delivered", "delivered", "complained"),
    ],
)
def test_every_order_ends_in_the_same_row(advancing: Advancing, learned: tuple[str, ...]) -> None:
    ends = {
        repr((last[0], last[2]))
        for order in itertools.permutations(learned)
        for last in [advancing.after("sending", order)[-1]]
    }

    assert len(ends) == 1


def test_a_later_event_without_a_code_erases_none(advancing: Advancing) -> None:
    steps = advancing.after("sending", ("failed", "delivered", "sent"))

    assert [step[1] for step in steps] == ["30003"] * 3


OUTCOMES = (Accepted("twilio", "SM2"), Refused("30003"), Unknown("timeout"), Later(0, "429"))


@pytest.mark.parametrize(
    "order",
    list(itertools.permutations(OUTCOMES)),
    ids=lambda order: "-".join(type(o).__name__ for o in order),
)
def test_outcomes_only_raise_the_state_unless_it_was_certainly_not_sent(
    notifying: Notifying, order: tuple[deliveries.Outcome, ...]
) -> None:
    thread = planned(notifying)
    claimed = claim(notifying, thread)
    assert claimed is not None
    ranks = [RANKS["sending"]]

    def tell() -> None:
        for outcome in order:
            deliveries.record(claimed, outcome)
            ranks.append(RANKS[notifying.delivery(thread, FLORA.user_id, "sms")["status"]])

    notifying.run(tell)

    if isinstance(order[0], Later):
        assert ranks == [20, 10, 10, 10, 10]  # the claim is gone: what its holder still says counts no more
    else:
        assert ranks == sorted(ranks)
        assert ranks[-1] == RANKS["failed"]
    notifying.stored("update wedsync.deliveries set provider_ref = null")


def test_each_claim_leaves_a_line_of_what_came_of_it(notifying: Notifying) -> None:
    thread = planned(notifying)
    claimed = claim(notifying, thread)
    assert claimed is not None

    notifying.run(deliveries.record, claimed, Unknown("timeout"))
    notifying.run(deliveries.record, claimed, Accepted("twilio", "SM3"))

    lines = notifying.stored(
        "select attempt, outcome, code, started_at <= ended_at as timed from wedsync.delivery_attempts where delivery_id = %(i)s",
        i=claimed.delivery_id,
    )
    assert lines == [{"attempt": 1, "outcome": "accepted", "code": "timeout", "timed": True}]
