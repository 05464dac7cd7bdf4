"""What the person looks at and that he types, told while it lasts."""

from __future__ import annotations

from collections.abc import Iterator

from wedsync_client.frames import Frame

NEVER = float("-inf")


class Attention:
    """`focus` on each change and again and again while a thread is visible; `typing` every few seconds."""

    def __init__(self, focus_every: float, typing_every: float) -> None:
        self.thread_id: str | None = None
        self._focus_every = focus_every
        self._typing_every = typing_every
        self._next: float | None = None  # when to say it; None: there is nothing to say
        self._used = False
        self._typed: dict[str, float] = {}

    def connected(self) -> None:
        """The server does not know yet. Who has never said what he looks at need not begin with it."""
        self._next = NEVER if self._used else None

    def look(self, thread_id: str | None) -> None:
        """The person looks at this thread, or at none."""
        if not self._used or thread_id != self.thread_id:
            self.thread_id, self._used, self._next = thread_id, True, NEVER

    def deadline(self) -> float | None:
        """When there is something to do again."""
        return self._next

    def frames(self, now: float) -> Iterator[Frame]:
        """What is due."""
        if self._next is not None and self._next <= now:
            self._next = None if self.thread_id is None else now + self._focus_every
            yield {"action": "focus", "thread_id": self.thread_id}

    def typing(self, thread_id: str, now: float) -> Iterator[Frame]:
        """The person types: not said again so soon."""
        if now - self._typed.get(thread_id, NEVER) >= self._typing_every:
            self._typed[thread_id] = now
            yield {"action": "typing", "thread_id": thread_id}
