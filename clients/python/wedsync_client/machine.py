"""The protocol `wedsync.v1` without any input or output: frames and time in, effects out.

Effects are in order: what stands before a `Transmit` is stored before the frame is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from wedsync_client.emergencies import Emergencies
from wedsync_client.frames import (
    Close,
    Effect,
    Frame,
    Hint,
    Page,
    Post,
    Queued,
    Refused,
    Renew,
    Reoffer,
    Saved,
    Sent,
    Transmit,
)
from wedsync_client.modes import Modes
from wedsync_client.sending import RETRY_SECONDS, Outbox
from wedsync_client.threads import Threads
from wedsync_client.timing import Timing


class Machine:
    """One device. Between `connected` and `disconnected` it may transmit."""

    threads = Threads
    outbox = Outbox

    def __init__(self, user_id: str, saved: Saved, timing: Timing, random: Random) -> None:
        self._timing = timing
        self._threads = self.threads(user_id, saved, timing, random)
        self._outbox = self.outbox(saved.queued, timing.answer)
        self._emergencies = Emergencies(self._outbox, timing, random)
        self._truncated = tuple(saved.truncated)
        self._modes = Modes()
        self._connected = False
        self._ping_at = 0.0
        self._pong_by: float | None = None
        self._handlers = {
            "events": self._threads.on_events,
            "synced": self._on_synced,
            "resync_required": self._threads.on_resync,
            "access": self._threads.on_access,
            "me": self._on_me,
            "sent": self._on_sent,
            "error": self._on_error,
        }

    def connected(self, now: float, *, pushes: bool = True) -> list[Effect]:
        """A connection is open: sync is its first frame. `pushes`: news come without being asked for."""
        self.disconnected()
        self._threads.sync.connected(pushes=pushes)
        self._emergencies.connected(pushes=pushes)
        self._outbox.hold(now, now + self._timing.answer)
        self._connected = True
        self._threads.receipts.note()
        self._threads.attention.connected()
        self._ping_at = now if pushes else now + self._ping_every(now)  # it may be dead already
        truncated, self._truncated = self._truncated, ()  # a load that has begun goes on without a connection
        return [*self._threads.loading(), *truncated, *self.tick(now)]

    def disconnected(self) -> None:
        """What was asked will not be answered."""
        self._connected = False
        self._pong_by = None
        self._threads.sync.disconnected()
        self._outbox.disconnected()
        self._emergencies.disconnected()

    def received(self, frame: Frame, now: float, *, in_use: bool = True) -> list[Effect]:
        """What a frame means. One without a type is the gateway's own, after a failure.

        It is a sign of life of the connection in use, unless it came on the one before.
        What has to be offered again is queued before anything else is sent: that is for the next tick.
        """
        if in_use:
            self._pong_by = None
        heard = list(self._heard(frame, now))
        return heard if any(isinstance(each, Reoffer) for each in heard) else [*heard, *self.tick(now)]

    def tick(self, now: float) -> list[Effect]:
        """What is due; while disconnected only emergencies are."""
        posts = (Post(frame) for frame in self._emergencies.frames(now))
        return [*posts, *(self._due(now) if self._connected else ())]

    def deadline(self) -> float | None:
        """When `tick` has something to do, if it ever has without being asked."""
        if not self._connected:
            return self._emergencies.deadline()
        times = (
            self._emergencies.deadline(),
            self._threads.sync.deadline(),
            self._threads.receipts.deadline(),
            self._threads.attention.deadline(),
            self._outbox.deadline(),
            self._ping_at if self._pong_by is None else self._pong_by,
        )
        return min(each for each in times if each is not None)

    def queue(self, item: Queued) -> None:
        """Send a message as soon as that is possible."""
        self._outbox.add(item)

    def requeue(self, queued: Iterable[Queued]) -> None:
        """What waits by now, with what was sent to a log that was restored since."""
        self._outbox.requeue(queued)
        self._emergencies.restored()

    def posted(self, frame: Frame, now: float) -> list[Effect]:
        """The answer to a `Post`: it is no sign of life of the connection."""
        if self._outbox.accepts(frame):
            return [*self._on_sent(frame, now), *self.tick(now)]
        self._threads.on_sent(frame, now)
        return [*self._emergencies.answered(frame, now), *self.tick(now)]

    def focus(self, thread_id: str | None, now: float) -> list[Effect]:
        """The person looks at this thread, or at none."""
        return [*self._threads.focus(thread_id), *self.tick(now)]

    def typing(self, thread_id: str, now: float) -> list[Effect]:
        """The person types: said now or not at all."""
        if not (self._connected and self._modes.is_typing_heard(now)):
            return []
        return [Transmit(frame) for frame in self._threads.attention.typing(thread_id, now)]

    def loaded(self, page: Page, now: float) -> list[Effect]:
        """A newest page is here."""
        return [*self._threads.loaded(page, now), *self.tick(now)]

    def missing(self, thread_id: str) -> list[Effect]:
        """The page could not be loaded: there is no such thread for this person."""
        return list(self._threads.forget(thread_id))

    def _heard(self, frame: Frame, now: float) -> Iterator[Effect]:
        match frame.get("type"):
            case None:
                self._outbox.failed(now)
            case "bye":
                yield Close(frame)
            case "pong" | "auth_ok":
                pass
            case "auth_expiring":
                yield Renew()
            case "mode":
                self._modes.note(frame, now)
                self._ping_at = min(self._ping_at, now + self._ping_every(now))
                yield Hint(frame)
            case str(kind) if kind in self._handlers:
                yield from self._handlers[kind](frame, now)
            case _:
                yield Hint(frame)

    def _due(self, now: float) -> Iterator[Effect]:
        if self._pong_by is not None and self._pong_by <= now:
            self._pong_by = None
            yield Close()
            return
        pings = self._pong_by is None and self._has_to_ping(now)
        if self._threads.is_to_ask(now):
            yield Transmit(self._threads.question(now))
        if pings:
            self._ping_at, self._pong_by = now + self._ping_every(now), now + self._timing.pong
            yield Transmit({"action": "ping"})
        yield from self._outbox.sends(now)
        yield from (Transmit(frame) for frame in self._threads.told(now))
        yield from (Transmit(frame) for frame in self._threads.attention.frames(now))

    def _ping_every(self, now: float) -> float:
        return self._modes.ping_every(self._timing.ping_every, now)

    def _has_to_ping(self, now: float) -> bool:
        """The line may be dead, or idle for too long."""
        unanswered = self._threads.sync.is_overdue(now) or self._outbox.is_overdue(now)
        return unanswered or self._ping_at <= now

    def _on_me(self, frame: Frame, now: float) -> Iterator[Hint]:
        """Another device of the person changed his place in a thread: the next sync tells how."""
        if frame["changed"] == "place":
            self._threads.sync.want(now)
        yield Hint(frame)

    def _on_synced(self, frame: Frame, now: float) -> Iterator[Effect]:
        answers = self._threads.sync.is_answer(frame)
        yield from self._threads.on_synced(frame, now)
        if answers and self._threads.sync.asked is None:
            self._outbox.release()

    def _on_sent(self, frame: Frame, now: float) -> Iterator[Sent | Refused]:
        if any(each["code"] == "unavailable" for each in frame["results"]):
            self._ask_first(now)
        self._threads.on_sent(frame, now)
        return self._outbox.answered(frame, now)

    def _on_error(self, frame: Frame, now: float) -> Iterator[Refused]:
        is_of_sync, is_away = self._threads.sync.is_answer(frame), frame["code"] == "unavailable"
        is_cut = frame.get("retry_after_ms") == 0  # what is left is asked for at once: nobody is away
        self._threads.sync.refused(frame, now)
        if is_of_sync and is_away:
            if self._outbox.is_held(now) or not is_cut:
                self._outbox.hold(now, self._threads.sync.deadline() + self._timing.answer)
        elif is_of_sync:
            self._outbox.release()
        elif frame["re"] and is_away:
            self._ask_first(now)
        return self._outbox.refused(frame, now)

    def _ask_first(self, now: float) -> None:
        """Before anything is sent again: a database that was away may come back restored.

        A question from before is given up: a poll would wait for news longer than what is unsent waits for it.
        """
        self._threads.sync.ask_anew(now + RETRY_SECONDS)
        self._outbox.hold(now, now + RETRY_SECONDS + self._timing.answer)
