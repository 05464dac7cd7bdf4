"""Messages on their way out: one batch at a time per thread, each message until it has an answer (R13, R14)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from wedsync_client.frames import (
    MAX_BATCH,
    MAX_FRAME_BYTES,
    Frame,
    Post,
    Queued,
    Refused,
    Sent,
    Transmit,
    text_of,
)

TRANSIENT = frozenset(("unavailable", "rate_limited", "internal"))
RETRY_SECONDS = 2.0
REQUEST_SECONDS = 40.0  # by then a request has been answered, or given up
ENVELOPE_BYTES = 300  # of a frame, around its messages
LONGEST_HOLD = 30.0  # of what is unsent, however often a sync is put off


@dataclass(slots=True)
class Line:
    """The messages of one thread in their order; `asked` is the id of the frame that is on its way."""

    waiting: list[Queued] = field(default_factory=list[Queued])
    asked: str | None = None
    batch: Sequence[Queued] = ()
    until: float = 0.0  # an answer is expected, or nothing is sent, until then
    one_by_one: int = 0  # so many are sent alone, to find the one that spoils its batch

    def due(self, held_until: float) -> float:
        """When its next messages may go; where an emergency is among them they are not held back."""
        if self.until >= held_until or any(each.is_emergency for each in self.waiting):
            return self.until
        return held_until


class Outbox:
    """Queues by thread. What is not answered in time is sent again under the same client_msg_ids."""

    def __init__(self, queued: Iterable[Queued], answer_seconds: float) -> None:
        self._lines: dict[str, Line] = {}
        self._answer_seconds = answer_seconds
        self._sent = 0
        self._posts: set[str] = set()  # whose answers count; they outlive a connection
        self._held_since = self._held_until = 0.0
        self.requeue(queued)

    def add(self, item: Queued) -> None:
        """Queue one."""
        self._lines.setdefault(item.thread_id, Line()).waiting.append(item)

    def requeue(self, queued: Iterable[Queued]) -> None:
        """This is what waits, in this order. What was posted may be in a log that is no more (R4)."""
        for line in self._lines.values():
            line.waiting = []
            if line.asked in self._posts:
                line.asked, line.until = None, 0.0
        self._posts.clear()
        for each in queued:
            self.add(each)

    def hold(self, now: float, until: float) -> None:
        """Only emergencies go, until then or `release`: what a restore has lost comes before what is unsent (R4)."""
        if self._held_until <= now:
            self._held_since = now
        self._held_until = min(until, self._held_since + LONGEST_HOLD)

    def is_held(self, now: float) -> bool:
        """Whether only emergencies go."""
        return self._held_until > now

    def release(self) -> None:
        """Everything may go."""
        self._held_until = 0.0

    def disconnected(self) -> None:
        """Nothing on its way will be answered, and the next connection has its own time to answer a sync."""
        self._held_until = 0.0
        for line in self._lines.values():
            if line.asked not in self._posts:
                line.asked, line.until = None, 0.0

    def sends(self, now: float) -> Iterator[Transmit | Post]:
        """What can be sent now; what no frame can carry is posted."""
        for thread_id, line in self._lines.items():
            if line.due(self._held_until) > now:
                continue
            line.asked = None
            if line.waiting:
                yield self._next(thread_id, line, now)

    def is_overdue(self, now: float) -> bool:
        """Whether an answer should have come."""
        return any(line.asked and line.due(self._held_until) <= now for line in self._lines.values())

    def deadline(self) -> float | None:
        """When there is something to do again: to send, or to doubt the line, whose answer is no longer needed."""
        busy = (line for line in self._lines.values() if line.waiting or line.asked)
        return min((line.due(self._held_until) for line in busy), default=None)

    def threads(self) -> Iterable[str]:
        """Those of which something waits, or waited."""
        return self._lines.keys()

    def urgent(self, thread_id: str) -> Sequence[Queued]:
        """What waits there up to its last emergency."""
        waiting = self._lines[thread_id].waiting
        return waiting[: max((at for at, each in enumerate(waiting, 1) if each.is_emergency), default=0)]

    def accepts(self, frame: Frame) -> bool:
        """Whether it answers, for the first time, something that was posted and counts."""
        counts = frame["re"] in self._posts
        self._posts.discard(frame["re"])
        return counts

    def answered(self, frame: Frame, now: float) -> Iterator[Sent | Refused]:
        """What a `sent` frame settles; also one that comes late is true."""
        line = self._lines.get(frame["thread_id"])
        if line is None:
            return
        retry = False
        for result in frame["results"]:
            if result["status"] == "skipped" or result["code"] in TRANSIENT:
                retry = True
            elif self._take(line, result["client_msg_id"]):
                yield _settled(frame, result)
        if frame["re"] == line.asked:
            line.asked, line.until = None, now + _pause(frame) if retry else 0.0

    def refused(self, frame: Frame, now: float) -> Iterator[Refused]:
        """What an `error` frame settles: one message that will never do, or none."""
        for thread_id, line in self._lines.items():
            if line.asked is None or line.asked != frame["re"]:
                continue
            line.asked, line.until = None, 0.0
            if frame["code"] in TRANSIENT:
                line.until = now + _pause(frame)
            elif len(line.batch) > 1:
                line.one_by_one = len(line.batch)
            else:
                for item in line.batch:
                    if self._take(line, item.client_msg_id):
                        yield Refused(thread_id, item.client_msg_id, frame["code"])

    def failed(self, now: float) -> None:
        """The gateway failed with one of the frames on their way: all go again in a moment."""
        for line in self._lines.values():
            if line.asked and line.asked not in self._posts:
                line.asked, line.until = None, now + RETRY_SECONDS

    def _next(self, thread_id: str, line: Line, now: float) -> Transmit | Post:
        self._sent += 1
        line.asked = f"m{self._sent}"
        fitting = tuple(_fitting(line.waiting[: 1 if line.one_by_one else MAX_BATCH]))
        line.batch = fitting or tuple(line.waiting[:1])
        line.one_by_one = max(0, line.one_by_one - 1)
        line.until = now + (self._answer_seconds if fitting else REQUEST_SECONDS)
        messages = [each.body for each in line.batch]
        frame = {"action": "send", "id": line.asked, "thread_id": thread_id, "messages": messages}
        if fitting:
            return Transmit(frame)
        self._posts.add(line.asked)
        return Post(frame)

    def _take(self, line: Line, client_msg_id: str) -> bool:
        """Whether it was still waiting."""
        before = len(line.waiting)
        line.waiting = [each for each in line.waiting if each.client_msg_id != client_msg_id]
        return len(line.waiting) < before


def _pause(frame: Frame) -> float:
    """Seconds until what was not stored is sent again."""
    return frame.get("retry_after_ms", RETRY_SECONDS * 1000) / 1000


def _settled(frame: Frame, result: Frame) -> Sent | Refused:
    thread_id, client_msg_id = frame["thread_id"], result["client_msg_id"]
    if result["status"] == "error":
        return Refused(thread_id, client_msg_id, result["code"])
    return Sent(thread_id, client_msg_id, result["seq"], frame["epoch"], result["status"] == "duplicate")


def _fitting(waiting: Sequence[Queued]) -> Iterator[Queued]:
    """The first ones that fit into a frame together; none if not even one does."""
    size = ENVELOPE_BYTES
    for item in waiting:
        size += len(text_of(item.body).encode()) + 1
        if size > MAX_FRAME_BYTES:
            return
        yield item
