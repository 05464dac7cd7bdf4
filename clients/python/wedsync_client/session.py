"""The state machine and its store: whatever a step changes is stored before anybody hears of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from wedsync_client.frames import (
    CaughtUp,
    Close,
    Drop,
    Effect,
    Filled,
    Frame,
    Keep,
    Load,
    Message,
    Page,
    Post,
    Queued,
    Remember,
    Renew,
    Reoffer,
    Told,
    Transmit,
    text_of,
)
from wedsync_client.machine import Machine
from wedsync_client.rest import Unreachable
from wedsync_client.store import Store

MAX_PAGE = 100
PAUSES = (0.0, 0.2, 0.5)  # seconds before each attempt to load older messages


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done after a step, in this order of fields."""

    told: Sequence[Told] = ()
    posts: Sequence[Frame] = ()
    frames: Sequence[Frame] = ()
    loads: Sequence[Load] = ()
    close: Close | None = None
    renew: bool = False
    caught_up: bool = False


class Session:
    """One device: every method stores what it changes in one transaction."""

    def __init__(self, machine: Machine, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._machine = machine
        self._store = store
        self._clock = clock

    def connected(self, *, pushes: bool = True) -> Step:
        """A connection is open; if nothing is pushed on it, what is new is asked for all the time."""
        return self._step(self._machine.connected(self._clock(), pushes=pushes))

    def disconnected(self) -> None:
        """It is not any more."""
        self._machine.disconnected()

    def received(self, frame: Frame, *, in_use: bool = True) -> Step:
        """A frame arrived, on the connection in use or on the one before."""
        return self._step(self._machine.received(frame, self._clock(), in_use=in_use))

    def posted(self, frame: Frame) -> Step:
        """What was to be posted was answered, or was not."""
        return self._step(self._machine.posted(frame, self._clock()))

    def tick(self) -> Step:
        """Time has passed."""
        return self._step(self._machine.tick(self._clock()))

    def loaded(self, page: Page) -> Step:
        """A newest page arrived."""
        return self._step(self._machine.loaded(page, self._clock()))

    def filled(self, load: Load, message: Message) -> Step:
        """A single message arrived; what has come about it meanwhile is newer."""
        return self._step([Filled(load.thread_id, message)] if self._store.awaits(load) else [])

    async def older(
        self, thread_id: str, limit: int, load: Callable[[str, int, int], Awaitable[Page]]
    ) -> Sequence[Message]:
        """Keep what `load` finds before the oldest message here.

        Raises ValueError for a `limit` that no page has, Unreachable if what is found does not fit what is here.
        Where the thread is not here yet `load` is only asked whether there is one, and the newest page awaited.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise ValueError(f"limit is {limit}, not 1 to {MAX_PAGE}")
        for pause in PAUSES:
            await asyncio.sleep(pause)
            first = self._store.first(thread_id)
            if not first and self._store.is_here(thread_id):
                return ()
            page = await load(thread_id, first or 1, limit)
            with self._store.transaction():
                if self._store.prepend(page, first):
                    return page.messages
            if not self._store.is_same_log(page):
                break
        raise Unreachable("what was loaded does not fit what is here by now")

    def missing(self, thread_id: str) -> Step:
        """There is no such thread."""
        return self._step(self._machine.missing(thread_id))

    def focus(self, thread_id: str | None) -> Step:
        """What is on screen."""
        return self._step(self._machine.focus(thread_id, self._clock()))

    def typing(self, thread_id: str) -> Step:
        """Somebody types."""
        return self._step(self._machine.typing(thread_id, self._clock()))

    def send(self, thread_id: str, message: Message) -> str:
        """Keep a message until it is answered; its client_msg_id. It goes out with the next tick.

        Raises TypeError or ValueError for what is no JSON or no Unicode: it would never go out.
        """
        item = Queued(thread_id, {"client_msg_id": str(uuid4()), **message})
        text_of(item.body).encode()
        with self._store.transaction():
            self._store.queue(item)
        self._machine.queue(item)
        return item.client_msg_id

    def messages(self, thread_id: str) -> list[Message]:
        """The messages of a thread as far as this device has them, by `seq`."""
        return self._store.messages(thread_id)

    def unsent(self) -> list[Message]:
        """Messages that wait for the server's answer."""
        return [each.body for each in self._store.queued()]

    def seconds_left(self) -> float | None:
        """Until the next tick; None if nothing is to come."""
        deadline = self._machine.deadline()
        return None if deadline is None else max(0.0, deadline - self._clock())

    def _step(self, effects: Iterable[Effect]) -> Step:
        effects = list(effects)
        now = time.time()
        with self._store.transaction():
            for effect in effects:
                if isinstance(effect, Reoffer):
                    self._machine.requeue(self._store.reoffer(effect.epoch, now))
                else:
                    self._store.write(effect, now)
        return Step(
            [each for each in effects if not isinstance(each, _INTERNAL)],
            [each.frame for each in effects if isinstance(each, Post)],
            [each.frame for each in effects if isinstance(each, Transmit)],
            [each for each in effects if isinstance(each, Load) and self._store.awaits(each)],
            next((each for each in effects if isinstance(each, Close)), None),
            any(isinstance(each, Renew) for each in effects),
            any(isinstance(each, CaughtUp) for each in effects),
        )


_INTERNAL = (Keep, Drop, Remember, Reoffer, Load, Transmit, Post, Close, Renew, CaughtUp)
