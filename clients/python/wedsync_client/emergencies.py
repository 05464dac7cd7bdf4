"""The second road of an emergency: REST, at once, beside whatever a socket does with it.

A socket may be dead, or what is behind it overloaded, long before an answer is missed. Whichever road is
answered first settles a message; to the server the other one is a repetition.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from wedsync_client.frames import Frame, Refused, Sent
from wedsync_client.sending import Outbox
from wedsync_client.timing import Attempts, Timing


@dataclass(slots=True)
class Road:
    """Of one thread, up to its emergency `last`; a newer one begins its own at once."""

    last: str
    attempts: Attempts
    at: float | None = 0.0  # when to post; None: an answer is awaited
    asked: str | None = None


class Emergencies:
    """What is posted, and when: with the emergency all that waits before it in its thread, in order (R14)."""

    def __init__(self, outbox: Outbox, timing: Timing, random: Random) -> None:
        self._outbox = outbox
        self._timing = timing
        self._random = random
        self._roads: dict[str, Road] = {}
        self._awaited: set[str] = set()  # posts whose answers count
        self._posted = 0
        self._has_socket_to_doubt = True

    def connected(self, *, pushes: bool) -> None:
        """Everything again, at once; where nothing is pushed the connection is REST itself."""
        self._roads.clear()
        self._has_socket_to_doubt = pushes

    def disconnected(self) -> None:
        """Nothing else takes them anywhere."""
        self._has_socket_to_doubt = True

    def restored(self) -> None:
        """What is on its way may have been stored in a log that is no more (R4): its answers say nothing."""
        self._roads.clear()
        self._awaited.clear()

    def frames(self, now: float) -> Iterator[Frame]:
        """`send` frames for REST that are due."""
        for thread_id, road in self._open():
            if road.at is not None and road.at <= now:
                self._posted += 1
                road.at, road.asked = None, f"e{self._posted}"
                self._awaited.add(road.asked)
                messages = [each.body for each in self._outbox.urgent(thread_id)]
                yield {"action": "send", "id": road.asked, "thread_id": thread_id, "messages": messages}

    def deadline(self) -> float | None:
        """When there is something to post again."""
        return min((road.at for _, road in self._open() if road.at is not None), default=None)

    def answered(self, frame: Frame, now: float) -> Iterator[Sent | Refused]:
        """What the answer settles; what is left goes again after a while, each time a longer one.

        Behind one that was refused it goes at once: that one is settled.
        """
        if frame["re"] not in self._awaited:
            return
        self._awaited.remove(frame["re"])
        settled = [*self._outbox.answered(frame, now)]
        yield from settled
        road = self._roads.get(frame["thread_id"])
        if road is not None and road.asked == frame["re"]:
            is_refused = any(isinstance(each, Refused) for each in settled)
            road.at = now if is_refused else now + road.attempts.delay()

    def _open(self) -> Iterator[tuple[str, Road]]:
        for thread_id in self._outbox.threads() if self._has_socket_to_doubt else ():
            if items := self._outbox.urgent(thread_id):
                yield thread_id, self._road(thread_id, items[-1].client_msg_id)

    def _road(self, thread_id: str, last: str) -> Road:
        road = self._roads.get(thread_id)
        if road is None or road.last != last:
            road = self._roads[thread_id] = Road(last, Attempts(self._timing, self._random))
        return road
