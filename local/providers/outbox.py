"""What the providers have accepted, newest last; the oldest is forgotten when there is too much."""

from __future__ import annotations

import datetime
from collections import deque
from typing import Any, Literal, get_args

Channel = Literal["email", "sms", "push"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
MOST_KEPT = 5_000


class Outbox:
    """Accepted messages by channel: `{to, subject?, text, html?, provider_id, accepted_at, status, …}`."""

    def __init__(self) -> None:
        self._accepted: dict[Channel, deque[dict[str, Any]]] = {
            channel: deque(maxlen=MOST_KEPT) for channel in CHANNELS
        }

    def accept(self, channel: Channel, to: str, provider_id: str, **said: Any) -> dict[str, Any]:
        """Keep a message; returns what is kept, for the stand-in to change `status`."""
        accepted = {
            "to": to,
            **{name: value for name, value in said.items() if value is not None},
            "provider_id": provider_id,
            "accepted_at": stamp(datetime.datetime.now(datetime.UTC)),
            "status": "accepted",
        }
        self._accepted[channel].append(accepted)
        return accepted

    def accepted(self, channel: Channel) -> list[dict[str, Any]]:
        """What a channel's provider has accepted, oldest first."""
        return list(self._accepted[channel])


def stamp(moment: datetime.datetime) -> str:
    """RFC 3339, UTC, milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
