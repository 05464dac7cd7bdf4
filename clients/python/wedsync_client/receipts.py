"""What a device tells of itself: up to where it has stored a thread, and up to where a person has read it (R16)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from wedsync_client.frames import MAX_CURSORS, Frame
from wedsync_client.replica import Replica


class Receipts:
    """Cumulative, at most every few seconds."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._next = 0.0
        self._pending = False

    def note(self) -> None:
        """There may be something to tell."""
        self._pending = True

    def repeat(self, replicas: Mapping[str, Replica]) -> None:
        """What is stored or read and the server does not know, after a sync, was lost on its way."""
        self._pending = True
        for replica in replicas.values():
            replica.told, replica.acked = replica.read, replica.delivered

    def deadline(self) -> float | None:
        """When there is something to do again."""
        return self._next if self._pending else None

    def frames(self, replicas: Mapping[str, Replica], now: float) -> Iterator[Frame]:
        """What has not been told; the replicas count as told of."""
        if not self._pending or now < self._next:
            return
        self._pending, self._next = False, now + self._every
        for replica in replicas.values():
            if replica.seen > max(replica.read, replica.told):
                replica.told = replica.seen
                replica.acked = max(replica.acked, replica.seen)  # who reads it has it
                thread_id, seq = replica.thread_id, replica.seen
                yield {"action": "read", "epoch": replica.epoch, "thread_id": thread_id, "seq": seq}
        yield from _acks(replicas)


def _acks(replicas: Mapping[str, Replica]) -> Iterator[Frame]:
    stored: dict[str, dict[str, int]] = defaultdict(dict)
    for replica in replicas.values():
        if replica.seq > max(replica.delivered, replica.acked) and not replica.held:
            replica.acked = replica.seq
            stored[replica.epoch][replica.thread_id] = replica.seq
    for epoch, cursors in stored.items():
        told = list(cursors.items())
        for start in range(0, len(told), MAX_CURSORS):
            yield {"action": "ack", "epoch": epoch, "cursors": dict(told[start : start + MAX_CURSORS])}
