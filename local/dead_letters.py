"""Redrive: dead letters go back to the queue they came from, as SQS's StartMessageMoveTask moves them."""

from __future__ import annotations

from local.emulator import Emulator
from local.model import Queue

_PER_REQUEST = 10


async def redrive(emulator: Emulator, queue: Queue, dead: Queue) -> int:
    """Move what lies in `dead` now back to `queue`; returns how many. Receive counts start anew.

    A message is deleted after it was sent: what fails between the two is moved twice, never lost.
    Raises: ServiceError, aiohttp.ClientError.
    """
    moved = 0
    source, target = emulator.queue_url(dead), emulator.queue_url(queue)
    while True:
        request = {"QueueUrl": source, "MaxNumberOfMessages": _PER_REQUEST, "MessageAttributeNames": ["All"]}
        messages = (await emulator.call("sqs", "ReceiveMessage", request)).get("Messages", [])
        for message in messages:
            sent = {"QueueUrl": target, "MessageBody": message["Body"]}
            if "MessageAttributes" in message:
                sent["MessageAttributes"] = message["MessageAttributes"]
            await emulator.call("sqs", "SendMessage", sent)
            handle = {"QueueUrl": source, "ReceiptHandle": message["ReceiptHandle"]}
            await emulator.call("sqs", "DeleteMessage", handle)
            moved += 1
        if not messages:
            return moved
