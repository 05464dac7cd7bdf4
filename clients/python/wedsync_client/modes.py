"""How the server asks a device to behave near a wedding's day; each request holds for a while."""

from __future__ import annotations

from wedsync_client.frames import Frame

HOLDS_SECONDS = 300.0


class Modes:
    """What was asked for, by wedding."""

    def __init__(self) -> None:
        self._asked: dict[str, tuple[float, Frame]] = {}

    def note(self, frame: Frame, now: float) -> None:
        """A `mode` frame; it replaces the last of its wedding."""
        self._asked[frame["wedding_id"]] = (now + HOLDS_SECONDS, frame)

    def ping_every(self, usual: float, now: float) -> float:
        """Seconds between pings."""
        return min([usual, *(frame["ping_seconds"] for frame in self._holding(now))])

    def is_typing_heard(self, now: float) -> bool:
        """Whether it is of use to say that somebody types."""
        return all(frame["typing"] for frame in self._holding(now))

    def _holding(self, now: float) -> list[Frame]:
        return [frame for until, frame in self._asked.values() if until > now]
