"""SQS event sources: what Lambda does between a queue and a function."""

from __future__ import annotations

import asyncio
import math
import os
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import aiohttp

from local.cloudformation import REGION
from local.emulator import Emulator, ServiceError
from local.model import EventSource, Invoker, Outcome, Template
from local.template_state import queue_arn

LONG_POLL_SECONDS = 20
RETRY_SECONDS = 0.5
# What ReceiveMessage and DeleteMessageBatch take at most.
MOST_PER_REQUEST = 10
# A function runs so many batches of a queue at once here, whatever the template allows it in the cloud: nobody waits
# for them, and everybody shares these processors.
MOST_AT_ONCE = max(2, os.cpu_count() or 1)
_OUTAGES = (aiohttp.ClientError, ServiceError, TimeoutError, ValueError)

Message = Mapping[str, Any]


@dataclass(slots=True)
class Disorder:
    """At-least-once on purpose: each batch is delivered `duplicates` times more at once; `shuffle` mixes it.

    What fails is seen again after `visibility` seconds, where given, and not when its queue's timeout ends.
    """

    duplicates: int = 0
    shuffle: bool = False
    visibility: int | None = None


class Poller:
    """One event source. `run()` polls for ever and never holds more batches than the source's concurrency."""

    def __init__(
        self, source: EventSource, emulator: Emulator, queue_url: str, invoker: Invoker, disorder: Disorder
    ) -> None:
        self._source = source
        self._emulator = emulator
        self._url = queue_url
        self._invoker = invoker
        self._disorder = disorder
        self._slots = asyncio.Semaphore(min(source.maximum_concurrency or MOST_AT_ONCE, MOST_AT_ONCE))

    async def run(self) -> None:
        """Until cancelled; messages in flight then come back when their visibility timeout ends."""
        async with asyncio.TaskGroup() as deliveries:
            while True:
                await self._slots.acquire()
                batch = await self._despite_outages(self._receive)
                if batch:
                    deliveries.create_task(self._deliver(batch))
                else:
                    self._slots.release()

    async def _receive(self) -> list[Message]:
        """A batch: what is there, or what has come together when the window closes."""
        size, window = self._source.batch_size, self._source.window
        batch = await self._ask(size, LONG_POLL_SECONDS)
        closes = time.monotonic() + window
        while batch and len(batch) < size and (left := closes - time.monotonic()) > 0:
            # SQS waits whole seconds: the rest of the window is slept, then asked for once.
            if left < 1:
                await asyncio.sleep(left)
            batch += await self._ask(size - len(batch), min(math.floor(left), LONG_POLL_SECONDS))
        return batch

    async def _ask(self, wanted: int, wait: int) -> list[Message]:
        request = {
            "QueueUrl": self._url,
            "MaxNumberOfMessages": min(wanted, MOST_PER_REQUEST),
            "WaitTimeSeconds": wait,
            "AttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }
        answer = await self._emulator.call("sqs", "ReceiveMessage", request, patience=wait + 10)
        return cast("list[Message]", answer.get("Messages", []))

    async def _deliver(self, batch: list[Message]) -> None:
        try:
            copies = range(1 + self._disorder.duplicates)
            done: frozenset[str] = frozenset().union(
                *await asyncio.gather(*(self._invoke(batch) for _ in copies))
            )
            handled = [message for message in batch if message["MessageId"] in done]
            failed = [message for message in batch if message["MessageId"] not in done]
            await self._despite_outages(lambda: self._delete(handled))
            if self._disorder.visibility is not None:
                await self._despite_outages(lambda: self._hide(failed))
        finally:
            self._slots.release()

    async def _invoke(self, batch: list[Message]) -> frozenset[str]:
        messages = random.sample(batch, len(batch)) if self._disorder.shuffle else batch
        outcome = await self._invoker.invoke(
            self._source.function, sqs_event(messages, queue_arn(self._source.queue))
        )
        ids = frozenset(message["MessageId"] for message in batch)
        return succeeded(ids, outcome, partial_failures=self._source.partial_failures)

    async def _delete(self, messages: list[Message]) -> list[Message]:
        return await self._of_each("DeleteMessageBatch", messages, {})

    async def _hide(self, messages: list[Message]) -> list[Message]:
        wish = {"VisibilityTimeout": self._disorder.visibility}
        return await self._of_each("ChangeMessageVisibilityBatch", messages, wish)

    async def _of_each(self, action: str, messages: list[Message], wish: Message) -> list[Message]:
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"], **wish}
            for number, message in enumerate(messages)
        ]
        for start in range(0, len(entries), MOST_PER_REQUEST):
            request = {"QueueUrl": self._url, "Entries": entries[start : start + MOST_PER_REQUEST]}
            await self._emulator.call("sqs", action, request)
        return []

    async def _despite_outages(self, ask: Callable[[], Awaitable[list[Message]]]) -> list[Message]:
        """What `ask` answers; nothing, a little later, while the emulator is down: SQS delivers again."""
        try:
            return await ask()
        except _OUTAGES:
            await asyncio.sleep(RETRY_SECONDS)
            return []


def pollers(template: Template, emulator: Emulator, invoker: Invoker, disorder: Disorder) -> Iterable[Poller]:
    """One for each event source of the template."""
    for source in template.event_sources:
        url = emulator.queue_url(template.queues[source.queue])
        yield Poller(source, emulator, url, invoker, disorder)


def sqs_event(messages: Iterable[Message], arn: str) -> dict[str, Any]:
    """The event of a batch, key for key. https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html"""
    return {"Records": [_record(message, arn) for message in messages]}


def succeeded(ids: frozenset[str], outcome: Outcome, *, partial_failures: bool) -> frozenset[str]:
    """The messages that are deleted: all, none, or all but those that the function names.

    An answer that is not understood fails the whole batch, and so does the name of a message that is not in it.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    """
    if not outcome.ok:
        return frozenset()
    if not partial_failures or outcome.payload is None:
        return ids
    if not isinstance(outcome.payload, dict):
        return frozenset()
    failures = cast("dict[str, Any]", outcome.payload).get("batchItemFailures") or []
    try:
        failed = {failure["itemIdentifier"] for failure in failures}
    except (TypeError, KeyError):
        return frozenset()
    return ids - failed if failed <= ids else frozenset()


def _record(message: Message, arn: str) -> dict[str, Any]:
    # "All" of the emulator may hold what Lambda does not pass on.
    attributes = {name: message["Attributes"][name] for name in _ATTRIBUTES if name in message["Attributes"]}
    given = {name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()}
    digest = {"md5OfMessageAttributes": message["MD5OfMessageAttributes"]} if given else {}
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": attributes,
        "messageAttributes": given,
        **digest,
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": REGION,
    }


_ATTRIBUTES = (
    "ApproximateReceiveCount",
    "AWSTraceHeader",
    "SentTimestamp",
    "SequenceNumber",
    "MessageGroupId",
    "SenderId",
    "MessageDeduplicationId",
    "ApproximateFirstReceiveTimestamp",
    "DeadLetterQueueSourceArn",
)


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    named = {"stringValue": value.get("StringValue"), "binaryValue": value.get("BinaryValue")}
    lists: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    return {name: found for name, found in named.items() if found is not None} | lists
