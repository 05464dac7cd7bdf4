"""All threads of a device: what the frames of catching up and of live pushes do to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from wedsync_client.attention import Attention
from wedsync_client.catching_up import CatchingUp
from wedsync_client.frames import (
    MAX_EVENTS,
    NO_END,
    Applied,
    CaughtUp,
    Drop,
    Effect,
    Event,
    Frame,
    Keep,
    Left,
    Load,
    Page,
    Place,
    Reloaded,
    Remember,
    Reoffer,
    Saved,
)
from wedsync_client.receipts import Receipts
from wedsync_client.replica import Replica
from wedsync_client.timing import Timing


class Threads:
    """The replicas, and what has to be asked about them. `replica` is how a thread is kept."""

    replica = Replica

    def __init__(self, user_id: str, saved: Saved, timing: Timing, random: Random) -> None:
        self._user_id = user_id
        self._timing = timing
        self._epoch = saved.epoch
        self._replicas = {name: self.replica(name, place) for name, place in saved.places.items()}
        self.sync = CatchingUp(saved.since, timing, random)
        self.receipts = Receipts(timing.receipts_every)
        self.attention = Attention(timing.focus_every, timing.typing_every)

    def loading(self) -> Iterator[Load]:
        """Pages that are still to be loaded."""
        return (Load(each.thread_id) for each in self._replicas.values() if each.loading)

    def is_to_ask(self, now: float) -> bool:
        """Whether a `sync` is due."""
        return self.sync.is_due(self._replicas, self._epoch, now)

    def question(self, now: float) -> Frame:
        """A `sync` frame."""
        return self.sync.ask(self._replicas, self._epoch, now)

    def told(self, now: float) -> Iterator[Frame]:
        """`ack` and `read` frames that are due."""
        return self.receipts.frames(self._replicas, now)

    def focus(self, thread_id: str | None) -> Iterator[Effect]:
        """The person looks at this thread, or at none."""
        self.attention.look(thread_id)
        replica = self._replicas.get(thread_id or "")
        if replica is not None and self._see(replica):
            yield self._keep(replica)

    def loaded(self, page: Page, now: float) -> Iterator[Effect]:
        """A newest page is here; what came after it is asked for."""
        replica = self._replicas.get(page.thread_id)
        if replica is not None and replica.loading:
            events = replica.adopt(page)
            self.sync.want(now)
            yield Reloaded(page.thread_id, page)
            yield from self._applied(replica, events, now)

    def forget(self, thread_id: str) -> Iterator[Effect]:
        """There is no such thread for this person."""
        replica = self._replicas.pop(thread_id, None)
        if replica is not None:
            if replica.confirmed:
                yield Left(thread_id)
            yield Drop(thread_id)

    def on_sent(self, frame: Frame, now: float) -> None:
        """The log goes up to what was stored: an event of it that is lost is missed all the same."""
        stored = max((each.get("seq") or 0 for each in frame["results"]), default=0)
        replica = self._replicas.get(frame["thread_id"])
        if stored and (replica is None or not replica.is_same_log(frame["epoch"])):
            self.sync.want(now + self._timing.gap)
        elif stored and replica is not None:
            replica.hear(frame["epoch"], stored)
            self._judge(replica, now)

    def on_events(self, frame: Frame, now: float) -> Iterator[Effect]:
        """Events of one thread: a live push, or a part of an answer."""
        thread_id, epoch = frame["thread_id"], frame["epoch"]
        replica = self._replicas.get(thread_id) or self._begin(thread_id, epoch, 0, confirmed=False)
        if self.sync.is_answer(frame):
            replica.confirmed = replica.confirmed or self.sync.named.get(thread_id) is replica
            yield from self._adopt(epoch)
        applied = replica.take(epoch, [Event.of(each) for each in frame["events"]])
        replica.hear(epoch, frame["head_seq"])
        if not replica.is_same_log(epoch):
            self.sync.want(now + self._timing.gap)
        yield from self._applied(replica, applied, now)

    def on_synced(self, frame: Frame, now: float) -> Iterator[Effect]:
        """What changed. Only the answer to the last question says what is gone, and where the next begins."""
        answer = self.sync.is_answer(frame)
        for each in frame["threads"]:
            yield from self._listed(each, now, answer=answer)
        for thread_id in frame["gone"] if answer else ():
            yield from self.forget(thread_id)
        if not answer or not self.sync.is_whole(frame, now):
            return
        is_up_to_date = self.sync.ended(self._replicas, self._epoch, now)
        self.receipts.repeat(self._replicas)
        yield Remember(self.sync.since, self._epoch)
        if is_up_to_date and not any(each.loading for each in self._replicas.values()):
            yield CaughtUp()

    def on_resync(self, frame: Frame, now: float) -> Iterator[Effect]:
        """Nothing of this thread was recovered: it is begun anew (R20)."""
        replica = self._replicas.get(frame["thread_id"])
        if replica is not None and self.sync.is_answer(frame):
            yield from self._adopt(frame["epoch"])
            yield from self._reload(replica)
            yield self._keep(replica)

    def on_access(self, frame: Frame, now: float) -> Iterator[Effect]:
        """The thread is lost, unless this came late: the next sync knows."""
        replica = self._replicas.get(frame["thread_id"])
        if replica is not None and replica.confirmed:
            fresh = self._begin(replica.thread_id, replica.epoch, 0, confirmed=False)
            self.sync.want(now)
            yield from (Left(replica.thread_id), self._keep(fresh))

    def _applied(self, replica: Replica, events: Iterable[Event], now: float) -> Iterator[Effect]:
        for event in events:
            yield Applied(replica.thread_id, replica.epoch, event)
            if event.truncated:
                yield Load(replica.thread_id, event.truncated, event.seq)
            if event.kind == "participant.added" and event.body["participant"]["user_id"] == self._user_id:
                yield from self._reload(replica)
        self._judge(replica, now)
        self._see(replica)
        self.receipts.note()
        yield self._keep(replica)

    def _listed(self, listed: Frame, now: float, *, answer: bool) -> Iterator[Effect]:
        thread_id, epoch, head = listed["thread_id"], listed["epoch"], listed["head_seq"]
        if answer:
            yield from self._adopt(epoch)
        replica = self._replicas.get(thread_id)
        if replica is None:
            replica = self._begin(thread_id, epoch, head, confirmed=answer)
            if replica.loading:
                yield Load(thread_id)
            if not answer:
                self.sync.want(now)
        replica.hear(epoch, head)
        if epoch == self._epoch:
            me = listed["me"]
            is_host = me["role"] is None  # who only reads along has no cursors to move (R10)
            replica.delivered, replica.read = (
                (NO_END, NO_END) if is_host else (me["delivered_seq"], me["read_seq"])
            )
        self._judge(replica, now)
        yield self._keep(replica)

    def _judge(self, replica: Replica, now: float) -> None:
        """Whoever may have fallen behind is looked at again in a moment."""
        if replica.is_behind(self._epoch):
            self.sync.lack(now)

    def _begin(self, thread_id: str, epoch: str, head: int, *, confirmed: bool) -> Replica:
        """A thread heard of for the first time is replayed if it is short, else begun at its newest page."""
        place = Place(epoch, 0, head, loading=head > MAX_EVENTS)
        self._replicas[thread_id] = self.replica(thread_id, place, confirmed=confirmed)
        return self._replicas[thread_id]

    def _reload(self, replica: Replica) -> Iterator[Effect]:
        if not replica.loading:
            replica.loading = True
            yield Load(replica.thread_id)

    def _adopt(self, epoch: str) -> Iterator[Effect]:
        before, self._epoch = self._epoch, epoch
        if before != epoch:
            yield Reoffer(epoch)

    def _see(self, replica: Replica) -> bool:
        """Whether the person sees more of it than before."""
        if replica.thread_id != self.attention.thread_id or replica.held or replica.seq <= replica.seen:
            return False
        replica.seen = replica.seq
        self.receipts.note()
        return True

    def _keep(self, replica: Replica) -> Keep:
        return Keep(replica.thread_id, replica.place)
