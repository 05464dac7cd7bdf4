"""Standard SQS queues (decision 10): putting bodies on one, and working through a batch from one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from wedsync.platform import aws
from wedsync.platform.observability import logger

BATCH = 10  # SendMessageBatch takes no more
SEND_SECONDS = 2.0

Item = TypeVar("Item")


def parts(values: list[Item], size: int) -> list[list[Item]]:
    """The values in order, so many to a body."""
    return [values[start : start + size] for start in range(0, len(values), size)]


class NotQueuedError(Exception):
    """A queue did not take everything; `positions` of what it did not take."""

    def __init__(self, positions: Sequence[int], asked: int) -> None:
        super().__init__(f"{len(positions)} of {asked} messages were not taken")
        self.positions = frozenset(positions)
        self.refused = len(positions)


def send(queue_url: str, bodies: Sequence[str], *, seconds: float = SEND_SECONDS, delay: int = 0) -> None:
    """Put the bodies on the queue, ten to a call of at most `seconds`; they may arrive twice, none before `delay`.

    Raises NotQueuedError if any of them was not taken. A call that fails is the last: whoever sends a thousand bodies
    to a queue that hangs must not wait a hundred times.
    """
    refused: list[int] = []
    for start in range(0, len(bodies), BATCH):
        try:
            failed = _send(queue_url, bodies[start : start + BATCH], seconds, delay)
        except aws.AwsError as error:
            logger().warning("queue unreachable", extra={"code": error.code, "queue": queue_url})
            refused.extend(range(start, len(bodies)))
            break
        refused.extend(start + number for number in failed)
    if refused:
        raise NotQueuedError(refused, len(bodies))


def _send(queue_url: str, bodies: Sequence[str], seconds: float, delay: int) -> list[int]:
    wait = {"DelaySeconds": delay} if delay else {}
    entries = [{"Id": str(number), "MessageBody": body, **wait} for number, body in enumerate(bodies)]
    answer = aws.call("sqs", "SendMessageBatch", {"QueueUrl": queue_url, "Entries": entries}, seconds=seconds)
    return [int(entry["Id"]) for entry in answer.get("Failed", [])]


def each(event: Mapping[str, Any], act: Callable[[str], object]) -> dict[str, Any]:
    """Act on the body of every record; the answer names those that failed, so that only they come again."""
    failed: list[dict[str, str]] = []
    for record in event["Records"]:
        try:
            act(record["body"])
        except Exception:  # noqa: BLE001 (one poison record must not bring back the others)
            logger().exception("record failed", extra={"message_id": record["messageId"]})
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def together(
    event: Mapping[str, Any], read: Callable[[str], Sequence[Item]], act: Callable[[Sequence[Item]], object]
) -> dict[str, Any]:
    """Act once on what all records hold, or if that fails on each record alone; the answer is that of `each`."""
    found: list[Item] = []
    answer = each(event, lambda body: found.extend(read(body)))
    try:
        if found:
            act(found)
    except Exception:  # noqa: BLE001 (whatever it is, it must not bring back the others)
        logger().exception("batch failed, now record by record")
        return each(event, lambda body: act(read(body)))
    return answer
