"""Whatever people, the network and the servers do, in whatever order: each device ends with the log (R21).

Real clients, real functions, real PostgreSQL: 208 stories with everybody's tests, thirteen at a time. Each has
threads of its own and is looked at when it ends; people keep their devices through seven of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from local.websocket_gateway_chaos import Trouble
from tests.fixtures.broken_clients import BROKEN
from tests.fixtures.company import Company
from tests.fixtures.in_process_stack import InProcessStack
from tests.fixtures.plays import MOST_THREADS, Act
from wedsync_client import Client

TOGETHER = 13
EXAMPLES = 16
SOME = Trouble(drop=0.2, duplicate=0.2, reorder=0.3, lose_acks=0.2, throttle=0.1)
MORE = Trouble(
    drop=0.2,
    duplicate=0.2,
    reorder=0.3,
    lose_acks=0.2,
    throttle=0.1,
    half_open=0.1,
    lose_disconnect=0.5,
    reject_upgrades=0.1,
    delay_ms=50,
)
WORST = Trouble(drop=0.2, duplicate=0.5, reorder=0.5, lose_acks=0.6)
LENGTH = 5
# What befalls everybody before which act, in turn.
FAULTS: tuple[dict[int, str], ...] = (
    {},
    {1: "cut"},
    {},
    {3: "crash"},
    {},
    {1: "back up", 3: "restore"},
    {},
    {2: "kill"},
)
# Everybody writes, while there is time for trouble.
CONVERSATION: list[Act] = [*(("write", number, 4) for number in (0, 1, 0, 1)), ("wait", 0, 4)]
# What was acknowledged is gone again.
RESTORED: list[Act] = [("write", 0, 0), ("settle", 0, 0), ("write", 1, 4), ("settle", 0, 0), ("write", 1, 0)]
RESTORE = {2: "back up", 4: "restore"}

who = st.integers(0, 2)
where = st.integers(0, MOST_THREADS - 1)
acts = st.one_of(
    st.tuples(st.just("write"), who, st.integers(0, 3 * MOST_THREADS - 1)),
    st.tuples(st.just("write"), who, st.integers(0, 3 * MOST_THREADS - 1)),
    st.tuples(st.sampled_from(("restart", "look")), who, where),
    st.tuples(st.sampled_from(("begin", "leave", "join")), st.just(0), where),
    st.tuples(st.just("wait"), st.just(0), st.integers(0, 4)),
)
stories = st.lists(st.lists(acts, min_size=3, max_size=LENGTH), min_size=TOGETHER, max_size=TOGETHER)


@pytest.fixture
def meet(in_process_stack: InProcessStack, in_memory: Path) -> Iterator[Callable[..., Company]]:
    """Makes a company, as its class does; it leaves at the end."""
    with ExitStack() as ends:

        def meeting(*given: Any, **wishes: Any) -> Company:
            company = Company(in_process_stack, in_memory, *given, **wishes)
            ends.callback(company.leave)
            return company

        yield meeting


def test_each_device_ends_with_the_log_whatever_happens(meet: Callable[..., Company]) -> None:
    company = meet(TOGETHER)
    faults = cycle(FAULTS)

    # A story that went wrong may go well when it is told again: the first one found says enough.
    most = settings.default.max_examples // 30  # pyright: ignore[reportOptionalMemberAccess]

    @settings(max_examples=max(EXAMPLES, most), phases=(Phase.explicit, Phase.generate))
    @given(trouble=st.sampled_from((SOME, MORE)), stories=stories)
    def example(trouble: Trouble, stories: list[list[Act]]) -> None:
        company.tell(trouble, stories, next(faults))

    example()


@pytest.mark.parametrize("missing", BROKEN)
def test_a_client_without_one_of_its_safeguards_is_found_out_on_the_real_stack(
    meet: Callable[..., Company], missing: str
) -> None:
    broken = type("BrokenClient", (Client,), {"machine": BROKEN[missing]})
    tell = restored if missing == "epoch" else several

    with pytest.raises(AssertionError):
        tell(meet(2, broken, patience=12.0))


def test_what_was_acknowledged_and_is_gone_is_sent_again(meet: Callable[..., Company]) -> None:
    restored(meet(2, patience=12.0))  # as long as the client that knows no epochs is given


def restored(company: Company) -> None:
    """One restore, and no other trouble."""
    company.tell(Trouble(), [RESTORED, RESTORED], RESTORE)


def several(company: Company) -> None:
    """Not every story has the trouble that it takes: on a busy machine everything comes by sync, in its order."""
    for _ in range(12):
        company.tell(WORST, [CONVERSATION, CONVERSATION], {})
