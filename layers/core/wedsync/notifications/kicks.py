"""Putting ids on queues. Hints: what is not kicked, or not taken, stays in the database for the clockwork (R17).

events queue     {"events": [{"thread_id": "…", "seq": 7}]}     one per lane; with "again": true from the clockwork
                 {"reactions": true}                            there may be some that came too soon for the log
channel's queue  {"deliveries": ["…"]}                          one per channel and lane
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import Any, Final, LiteralString, TypeVar
from uuid import UUID

from wedsync.platform import db, queues
from wedsync.platform.context import WORKER
from wedsync.platform.errors import Unavailable
from wedsync.platform.observability import logger
from wedsync.platform.settings import MissingSettingError, settings

PER_BODY = 50
# What takes longer to send comes in smaller portions: a record must be done within one call of its function.
PER_DELIVERY_BODY: Mapping[str, int] = {"inbox": 50, "push": 50, "sms": 5}
PER_OTHER_BODY = 20
REACTION_SECONDS = 2  # R1

UNKICK: Final[LiteralString] = "select app.unkick_deliveries(%(asked)s::uuid[])"

Kind = TypeVar("Kind", bound=Hashable)


def kick_events(
    events: Iterable[tuple[str, UUID, int]], *, again: bool = False, seconds: float = queues.SEND_SECONDS
) -> None:
    """Tell the planner of events: lane, thread, seq; `again` if their push may be lost too. Trouble is logged."""
    mark = {"again": True} if again else {}
    for lane, grouped in _grouped((lane, (thread, seq)) for lane, thread, seq in events).items():
        stated = [{"thread_id": str(thread), "seq": seq} for thread, seq in grouped]
        _put("events", lane, [{"events": part, **mark} for part in queues.parts(stated, PER_BODY)], seconds)


def kick_reactions(seconds: float) -> None:
    """Have the planner look for reactions that the log has not heard of, when they are due. Trouble is logged."""
    _put("events", "ordinary", [{"reactions": True}], seconds, REACTION_SECONDS)


def kick_deliveries(deliveries: Iterable[tuple[str, str, UUID]], *, delay: int = 0) -> int:
    """Tell the channels of deliveries: channel, lane, id; not before `delay` seconds. How many messages that took.

    Trouble is logged, and what was not taken is due again at the next tick.
    """
    messages, refused = 0, list[str]()
    for (channel, lane), ids in _grouped(((channel, lane), id_) for channel, lane, id_ in deliveries).items():
        bodies = [
            {"deliveries": part}
            for part in queues.parts(
                [str(id_) for id_ in ids], PER_DELIVERY_BODY.get(channel, PER_OTHER_BODY)
            )
        ]
        for position in _put(channel, lane, bodies, queues.SEND_SECONDS, delay):
            refused.extend(bodies[position]["deliveries"])
        messages += len(bodies)
    if refused:
        _unkick(refused)
    return messages


def _put(
    name: str, lane: str, bodies: list[dict[str, Any]], seconds: float, delay: int = 0
) -> Collection[int]:
    """Which of the bodies were not taken: all, if nothing of that name is deployed, which holds up no other queue."""
    stated = [json.dumps(body, separators=(",", ":")) for body in bodies]
    try:
        queues.send(settings().queue_url(name, lane), stated, seconds=seconds, delay=delay)
    except MissingSettingError:
        logger().error("there is no such queue", extra={"queue": name, "lane": lane})
        return range(len(bodies))
    except queues.NotQueuedError as error:
        logger().warning(
            "left for the clockwork", extra={"queue": name, "lane": lane, "messages": error.refused}
        )
        return error.positions
    return ()


def _unkick(delivery_ids: list[str]) -> None:
    try:
        db.transaction(WORKER, (UNKICK, {"asked": delivery_ids}))
    except Unavailable:  # then they are taken for lost, two minutes after they were planned
        logger().warning("deliveries left as kicked", extra={"deliveries": len(delivery_ids)})


def _grouped(pairs: Iterable[tuple[Kind, Any]]) -> dict[Kind, list[Any]]:
    groups: dict[Kind, list[Any]] = defaultdict(list)
    for kind, value in pairs:
        groups[kind].append(value)
    return groups
