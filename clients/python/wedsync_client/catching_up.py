"""When to ask for what is missing, and with which cursors; one question at a time (R19)."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from random import Random

from wedsync_client.frames import MAX_CURSORS, MAX_EVENTS, MAX_WAIT, Frame
from wedsync_client.replica import Replica
from wedsync_client.sending import REQUEST_SECONDS
from wedsync_client.timing import Timing

NEVER = inf


class CatchingUp:
    """The sync under way, and the time of the next."""

    def __init__(self, since: str | None, timing: Timing, random: Random) -> None:
        self.since = since
        self.asked: str | None = None
        self.named: Mapping[str, Replica] = {}
        self._timing = timing
        self._random = random
        self._number = 0
        self._parts: set[int] = set()  # of the answer that have come
        self._last: Frame = {}  # the part that says how many there are
        self._until = 0.0  # an answer is expected until then
        self._at = 0.0  # when to ask; sooner if something is wanted
        self._gap_at = NEVER  # when to ask if something is missing even then
        self._is_doubtful = False  # a push was lost: so may be another, that none after it has shown
        self._progress = (0, 0)
        self._fruitless = 0
        self._pushes = True
        self._is_first = True

    def connected(self, *, pushes: bool) -> None:
        """The first frame of a connection; where nothing is pushed it is asked all the time."""
        self.asked, self._at, self._gap_at, self._fruitless = None, 0.0, NEVER, 0
        self._pushes, self._is_first, self._is_doubtful = pushes, True, False

    def disconnected(self) -> None:
        """What was asked will not be answered."""
        self.asked = None

    def want(self, at: float) -> None:
        """Ask at that time, or sooner."""
        self._at = min(self._at, at)

    def lack(self, now: float) -> None:
        """Something is missing; it may be on its way, so it has a moment to come."""
        self._gap_at = min(self._gap_at, now + self._timing.gap)

    def ask_anew(self, at: float) -> None:
        """Ask by that time, and not for news; what was asked before says nothing of how things are then."""
        if self.asked is not None:
            self.asked, self._at = None, at
        self._is_first = True
        self.want(at)

    def is_answer(self, frame: Frame) -> bool:
        """Whether it answers what was asked last: only then it says what is *not* there."""
        return self.asked is not None and frame.get("re") == self.asked

    def is_due(self, replicas: Mapping[str, Replica], epoch: str | None, now: float) -> bool:
        """Whether to ask."""
        if self._gap_at <= now and not _is_any_behind(replicas, epoch):
            self._gap_at = NEVER  # it has come meanwhile
        return self.deadline() <= now

    def is_overdue(self, now: float) -> bool:
        """Whether an answer should have come."""
        return self.asked is not None and self._until <= now

    def deadline(self) -> float:
        """When there is something to do again."""
        return min(self._at, self._gap_at) if self.asked is None else self._until

    def ask(self, replicas: Mapping[str, Replica], epoch: str | None, now: float) -> Frame:
        """The question. Threads that are behind come first; of the others as many as fit, in turn."""
        self._number += 1
        self._parts, self._last = set(), {}
        wait = 0 if self._pushes else self._wait(replicas, epoch)
        answer = self._timing.answer if self._pushes else REQUEST_SECONDS  # a slow line is not asked twice
        self.asked, self._until = f"s{self._number}", now + answer + wait
        self._is_doubtful = self._is_doubtful or self._gap_at <= now
        self._at, self._gap_at = now + (self._timing.sync_every if self._pushes else 0.0), NEVER
        self._progress = _progress(replicas)
        able = [each for each in replicas.values() if not each.loading]
        self._random.shuffle(able)
        able.sort(key=lambda each: not each.is_behind(epoch))
        named = able[:MAX_CURSORS]
        self.named = {each.thread_id: each for each in named}
        cursors = {each.thread_id: {"epoch": each.epoch, "seq": each.seq} for each in named}
        return {
            "action": "sync",
            "id": self.asked,
            "since": self.since,
            "cursors": cursors,
            "limit": MAX_EVENTS,
        } | ({} if self._pushes else {"wait": wait})

    def is_whole(self, frame: Frame, now: float) -> bool:
        """Whether this `synced` frame completes the answer. If not, but its end is here, it is asked for anew."""
        self._parts.add(frame["part"])
        self._last = self._last if frame["more"] else frame
        if self._last and len(self._parts) < self._last["part"]:
            self._until = min(self._until, now + self._timing.gap)
        return bool(self._last) and len(self._parts) == self._last["part"]

    def ended(self, replicas: Mapping[str, Replica], epoch: str | None, now: float) -> bool:
        """The whole answer is here: its token counts from now on. Whether no thread is behind."""
        behind = _is_any_behind(replicas, epoch)
        self.since, self.asked, self._is_first = self._last["since"], None, False
        self._gap_at = NEVER
        if not behind:
            self._fruitless = 0
            self._doubt(now)
        elif _progress(replicas) != self._progress:
            self._fruitless = 0
            self._at = now
        else:
            self.put_off(now)
        return not behind

    def refused(self, frame: Frame, now: float) -> None:
        """What an `error` frame means: ask later, and for no news yet; a token that is not the server's is given up."""
        if self.is_answer(frame):
            self.asked, self._is_first = None, True
            self.since = None if frame["code"] == "invalid" else self.since
            self.put_off(now, frame.get("retry_after_ms"))

    def _wait(self, replicas: Mapping[str, Replica], epoch: str | None) -> int:
        """Seconds that the answer may take: none if there is something to hear, few if there soon will be."""
        if self._is_first or _is_any_behind(replicas, epoch):
            return 0
        return 1 if any(each.loading for each in replicas.values()) else MAX_WAIT

    def _doubt(self, now: float) -> None:
        """Once more, after a while: who is left out of one push is left out of others until the server hears of him."""
        if self._is_doubtful:
            longest = self._timing.longest_pause
            self.want(now + self._random.uniform(longest / 2, longest))
        self._is_doubtful = False

    def put_off(self, now: float, asked_ms: int | None = None) -> None:
        """Ask later, each time twice as late, with full jitter, beyond what the server asks for; 0 is at once."""
        self._gap_at = NEVER
        if asked_ms == 0:
            self._at = now
            return
        self._fruitless = min(self._fruitless + 1, 16)
        longest = min(self._timing.longest_pause, self._timing.gap * 2**self._fruitless)
        self._at = now + (asked_ms or 0) / 1000 + self._random.uniform(0, longest)


def _is_any_behind(replicas: Mapping[str, Replica], epoch: str | None) -> bool:
    return any(each.is_behind(epoch) for each in replicas.values())


def _progress(replicas: Mapping[str, Replica]) -> tuple[int, int]:
    return len(replicas), sum(each.seq for each in replicas.values())
