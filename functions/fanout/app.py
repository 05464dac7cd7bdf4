"""The fan-out queue: what a big thread has still to hear. Both lanes run this code, each in a function of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wedsync.platform import queues
from wedsync.realtime import fanout, shards


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """The records that have to come again."""
    return queues.together(event, shards.named, fanout.push)
