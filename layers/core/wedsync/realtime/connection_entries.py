"""What the table of connections says about each of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Connection:
    """One open socket; times in seconds since 1970."""

    user_id: UUID
    device_id: str
    connection_id: str
    connected_at: int
    expires_at: int  # of the identity behind it, at most two hours after connecting
    lagging: bool = False  # its buffer was full a moment ago: no push now
    synced_at: float | None = None  # when it was last settled
    supersedes: tuple[str, ...] = ()  # whose place it took on its device, and who have not been told
    crowds_out: tuple[str, ...] = ()  # those of other devices
    focus: UUID | None = None  # the thread that is on screen and visible there
    focused_at: float | None = None  # when it last said so; None: it has never said what it looks at
    told: UUID | None = None  # the thread where others were last told that it looks there
    told_at: float | None = None
    owes: UUID | None = None  # where it has read what others were not told of yet


def number(seconds: float) -> Item:
    """A moment, as the table has it."""
    return {"N": f"{seconds:.3f}"}


def parse(item: Item) -> Iterator[Connection]:
    """The connections in the item of a person."""
    for device_id, entry in item.get("connections", {}).get("M", {}).items():
        fields = entry["M"]
        yield Connection(
            user_id=UUID(item["pk"]["S"][2:]),
            device_id=device_id,
            connection_id=fields["connection_id"]["S"],
            connected_at=int(fields["connected_at"]["N"]),
            expires_at=int(fields["expires_at"]["N"]),
            lagging=(_moment(fields, "lags_until") or 0) > time.time(),
            synced_at=_moment(fields, "synced_at"),
            supersedes=_untold(fields, "supersedes"),
            crowds_out=_untold(fields, "crowds_out"),
            focus=_thread(fields, "focus"),
            focused_at=_moment(fields, "focused_at"),
            told=_thread(fields, "told"),
            told_at=_moment(fields, "told_at"),
            owes=_thread(fields, "owes"),
        )


def _thread(fields: Item, name: str) -> UUID | None:
    return UUID(fields[name]["S"]) if "S" in fields.get(name, {}) else None


def _untold(fields: Item, name: str) -> tuple[str, ...]:
    return tuple(each["S"] for each in fields[name]["L"]) if name in fields else ()


def _moment(fields: Item, name: str) -> float | None:
    return float(fields[name]["N"]) if name in fields else None
