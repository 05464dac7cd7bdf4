"""One thread's log as far as this device has it: events in any order in, the next ones in order out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wedsync_client.frames import Event, Page, Place

MOST_WAITING = 1_000  # events beyond a gap; the sync that fills it brings the rest


class Replica:
    """Applies each event once and in order (R21).

    While `held` events only wait: for the newest page (`loading`), or until a sync has said that the
    thread is there at all.
    """

    def __init__(self, thread_id: str, place: Place, *, confirmed: bool = True) -> None:
        self.thread_id = thread_id
        self.epoch = place.epoch
        self.seq = place.seq
        self.head = place.head
        self.seen = place.seen
        self.read = place.read
        self.delivered = place.delivered
        self.told = 0  # of `seen`; who is told does not answer
        self.acked = 0  # of `seq`; nor here
        self.loading = place.loading
        self.confirmed = confirmed
        self._waiting: dict[int, Event] = {}

    @property
    def place(self) -> Place:
        """What has to outlive the process."""
        return Place(self.epoch, self.seq, self.head, self.seen, self.read, self.delivered, self.loading)

    @property
    def held(self) -> bool:
        """Whether nothing can be applied yet."""
        return self.loading or not self.confirmed

    def is_behind(self, epoch: str | None) -> bool:
        """Whether a sync would bring something: there is more, or the log is another one."""
        if self.loading:
            return False
        return not self.confirmed or self.seq < self.head or not self.is_same_log(epoch)

    def is_same_log(self, epoch: str | None) -> bool:
        """Numbers of another epoch mean nothing here (R4)."""
        return epoch == self.epoch

    def is_known(self, event: Event) -> bool:
        """It was applied before."""
        return event.last <= self.seq

    def is_next(self, event: Event) -> bool:
        """Nothing is missing before it."""
        return event.seq <= self.seq + 1

    def hear(self, epoch: str, head: int) -> None:
        """The log goes up to `head`."""
        if self.is_same_log(epoch):
            self.head = max(self.head, head)

    def take(self, epoch: str, events: Iterable[Event]) -> list[Event]:
        """Those that can be applied now, with others that waited for them; none of another epoch."""
        if not self.is_same_log(epoch):
            return []
        for event in events:
            self.hear(epoch, event.last)
            if not self.is_known(event):
                self._waiting[event.seq] = event
        if len(self._waiting) > MOST_WAITING:
            self._waiting = dict(sorted(self._waiting.items())[:MOST_WAITING])
        return self.release()

    def release(self) -> list[Event]:
        """What waits and can be applied now."""
        return [] if self.held else list(self._ready())

    def adopt(self, page: Page) -> list[Event]:
        """Go on from the head of a newest page; what can be applied after it."""
        if not self.is_same_log(page.epoch):
            self._waiting.clear()
            self.head = self.seen = self.told = self.acked = 0
        self.epoch, self.seq = page.epoch, page.head_seq
        self.head = max(self.head, self.seq)
        self.loading = False
        self.confirmed = True
        return self.release()

    def _ready(self) -> Iterator[Event]:
        for seq in sorted(self._waiting):
            event = self._waiting[seq]
            if not self.is_next(event):
                return
            del self._waiting[seq]
            if not self.is_known(event):
                new = event.after(self.seq)
                self.seq = max(self.seq, event.last)
                yield new
