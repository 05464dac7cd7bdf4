"""What is too much for the function that committed: pieces of a push, put on a queue as ids (decisions 7 and 10).

fan-out queue   {"thread_id": "…", "seqs": [7, 8], "people": ["…"]}     one per lane

Who consumes one reads the events as they are then, and asks again who may see them (R7).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from wedsync.conversations.events import Change
from wedsync.platform import queues
from wedsync.platform.observability import logger
from wedsync.platform.settings import settings

PEOPLE = 200  # of one shard: about as many connections, two reads of the table, and 8 KB
SEQS = 500
SEND_SECONDS = 0.5


class Shard(BaseModel):
    """Events of one thread that these people may have to hear of: the body of a record."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)  # most functions need none

    thread_id: UUID
    seqs: tuple[Annotated[int, Field(ge=1, lt=2**63)], ...] = Field(min_length=1, max_length=SEQS)
    people: tuple[UUID, ...] = Field(min_length=1, max_length=PEOPLE)


def named(body: str) -> list[Shard]:
    """The shard that a record names. Raises ValueError if it is none of ours."""
    return [Shard.model_validate_json(body)]


def cut(thread_id: UUID, seqs: Collection[int], people: Collection[UUID]) -> Iterator[Shard]:
    """Shards of these events for these people."""
    for some in queues.parts(sorted(seqs), SEQS):
        for few in queues.parts(sorted(people), PEOPLE):
            yield Shard(thread_id=thread_id, seqs=tuple(some), people=tuple(few))


def of_changes(changes: Iterable[Change], people: Collection[UUID]) -> list[tuple[str, Shard]]:
    """What these people have still to hear of the changes, with the lane of each shard."""
    waiting = frozenset(people)
    return [
        ("emergency" if change.emergencies else "ordinary", shard)
        for change in changes
        if change.events
        for shard in cut(
            change.thread_id, [event["seq"] for event in change.events], change.audience & waiting
        )
    ]


def put(found: Iterable[tuple[str, Shard]]) -> bool:
    """Put each on the queue of its lane, emergencies first; whether all were taken. Trouble is logged."""
    lanes: dict[str, list[str]] = defaultdict(list)
    for lane, shard in found:
        lanes[lane].append(shard.model_dump_json())
    taken = [_sent(lane, lanes[lane]) for lane in sorted(lanes)]
    return all(taken)


def _sent(lane: str, bodies: list[str]) -> bool:
    try:
        queues.send(settings().queue_url("fanout", lane), bodies, seconds=SEND_SECONDS)
    except queues.NotQueuedError as error:
        logger().warning("shards not taken", extra={"lane": lane, "messages": error.refused})
        return False
    logger().info("pushes shared out", extra={"lane": lane, "shards": len(bodies)})
    return True
