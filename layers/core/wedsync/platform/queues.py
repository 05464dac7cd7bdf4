"""Standard SQS queues (decision 10): putting bodies on one, and working through a batch from one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from wedsync.platform import aws
from wedsync.platform.observability import logger

BATCH = 10  # SendMessageBatch takes no more
SEND_SECONDS = 2.0

Item = TypeVar("Item")


class NotQueuedError(Exception):
    """A queue did not take everything."""

    def __init__(self, refused: int, asked: int) -> None:
        super().__init__(f"{refused} of {asked} messages were not taken")
        self.refused = refused


def send(queue_url: str, bodies: Sequence[str], *, seconds: float = SEND_SECONDS) -> None:
    """Put the bodies on the queue, ten to a call of at most `seconds`; one may arrive twice.

    Raises NotQueuedError if any of them was not taken. A call that fails is the last: whoever sends a thousand bodies
    to a queue that hangs must not wait a hundred times.
    """
    refused = 0
    for start in range(0, len(bodies), BATCH):
        try:
            refused += _send(queue_url, bodies[start : start + BATCH], seconds)
        except aws.AwsError as error:
            logger().warning("queue unreachable", extra={"code": error.code, "queue": queue_url})
            refused += len(bodies) - start
            break
    if refused:
        raise NotQueuedError(refused, len(bodies))


def _send(queue_url: str, bodies: Sequence[str], seconds: float) -> int:
    entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    answer = aws.call("sqs", "SendMessageBatch", {"QueueUrl": queue_url, "Entries": entries}, seconds=seconds)
    return len(answer.get("Failed", []))


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
