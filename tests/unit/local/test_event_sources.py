"""Queues feed functions as Lambda's pollers feed them, against the real emulator."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import SqsModel

from local import event_sources
from local.dead_letters import redrive
from local.emulator import Emulator
from local.event_sources import Disorder, Poller, succeeded
from local.model import EventSource, Outcome, Queue
from local.processes import free_port
from local.template_state import queue_arn

ROOT = Path(__file__).parents[3]
TOOLS = ROOT / ".tools" / "emulator"
Handler = Callable[[Mapping[str, Any]], Awaitable[Outcome]]
ALL = frozenset({"a", "b"})


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """Home and port of an emulator that the tests of this file share."""
    home, port = tmp_path_factory.mktemp("emulator"), free_port()
    emulator = Emulator(TOOLS, home, port)

    async def start() -> None:
        await emulator.start()
        # Its session belongs to this loop, which ends here; the process goes on.
        await Emulator.stop(Emulator(TOOLS, home, port))

    with asyncio.Runner() as runner:
        runner.run(start())
        yield home, port
        runner.run(emulator.stop())


class Lane:
    """A queue with dead letters after two receives, and a function that notes what it is given."""

    def __init__(self, emulator: Emulator) -> None:
        name = f"Work{uuid.uuid4().hex[:8]}"
        self.emulator = emulator
        self.dead = Queue(f"{name}Dead", f"wedsync-{name}Dead", {}, None, None)
        attributes = {"VisibilityTimeout": "2"}
        self.queue = Queue(name, f"wedsync-{name}", attributes, self.dead.name, 2)
        self.events: list[Mapping[str, Any]] = []

    async def create(self) -> None:
        for queue in (self.dead, self.queue):
            request = {"QueueName": queue.queue_name, "Attributes": dict(queue.attributes)}
            await self.emulator.call("sqs", "CreateQueue", request)
        policy = json.dumps({"deadLetterTargetArn": queue_arn(self.dead.name), "maxReceiveCount": 2})
        change = {"QueueUrl": self.url, "Attributes": {"RedrivePolicy": policy}}
        await self.emulator.call("sqs", "SetQueueAttributes", change)

    @property
    def url(self) -> str:
        return self.emulator.queue_url(self.queue)

    async def send(self, *bodies: str) -> None:
        for body in bodies:
            await self.emulator.call("sqs", "SendMessage", {"QueueUrl": self.url, "MessageBody": body})

    async def seen_again_after(self, seconds: int) -> None:
        change = {"QueueUrl": self.url, "Attributes": {"VisibilityTimeout": str(seconds)}}
        await self.emulator.call("sqs", "SetQueueAttributes", change)

    async def depth(self, queue: Queue) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        request = {"QueueUrl": self.emulator.queue_url(queue), "AttributeNames": names}
        attributes = (await self.emulator.call("sqs", "GetQueueAttributes", request))["Attributes"]
        return sum(int(attributes[name]) for name in names)

    def bodies(self) -> list[list[str]]:
        return [[record["body"] for record in event["Records"]] for event in self.events]

    @asynccontextmanager
    async def polled(
        self, handler: Handler, *, disorder: Disorder | None = None, **changes: Any
    ) -> AsyncIterator[None]:
        """The queue is polled while the block runs."""
        lane = self

        class Function:
            async def invoke(self, function: str, event: Mapping[str, Any]) -> Outcome:
                assert function == "Worker"
                lane.events.append(event)
                return await handler(event)

        wish: dict[str, Any] = {"batch_size": 10, "window": 0, "partial_failures": True, **changes}
        source = EventSource("Worker", self.queue.name, maximum_concurrency=2, **wish)
        poller = Poller(source, self.emulator, self.url, Function(), disorder or Disorder())
        polling = asyncio.create_task(poller.run())
        try:
            yield
        finally:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)


@pytest.fixture
async def lane(address: tuple[Path, int]) -> AsyncIterator[Lane]:
    home, port = address
    emulator = Emulator(TOOLS, home, port)
    lane = Lane(emulator)
    await lane.create()
    yield lane
    await emulator.stop()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(300):
        if await holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came true")


async def fine(_event: Mapping[str, Any]) -> Outcome:
    return Outcome(payload={"batchItemFailures": []})


def fails(*bodies: str) -> Handler:
    async def handler(event: Mapping[str, Any]) -> Outcome:
        failed = [record["messageId"] for record in event["Records"] if record["body"] in bodies]
        return Outcome(payload={"batchItemFailures": [{"itemIdentifier": each} for each in failed]})

    return handler


@pytest.mark.parametrize(
    ("payload", "deleted"),
    [
        (None, ALL),
        ({}, ALL),
        ({"batchItemFailures": []}, ALL),
        ({"batchItemFailures": None}, ALL),
        ({"batchItemFailures": [{"itemIdentifier": "a"}]}, {"b"}),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, set()),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, set()),
        ({"batchItemFailures": [{"itemIdentifer": "a"}]}, set()),
        ({"batchItemFailures": [{"itemIdentifier": "of another batch"}]}, set()),
        ({"batchItemFailures": "a"}, set()),
        ({"batchItemFailures": [{"itemIdentifier": ["a"]}]}, set()),
        ({"batchItemFailures": 7}, set()),
        ("done", set()),
        ([], set()),
    ],
)
def test_what_a_function_answers_decides_what_is_deleted(payload: object, deleted: set[str]) -> None:
    assert succeeded(ALL, Outcome(payload=payload), partial_failures=True) == deleted


def test_without_partial_failures_only_an_error_keeps_the_batch() -> None:
    answer = Outcome(payload={"batchItemFailures": [{"itemIdentifier": "a"}]})

    assert succeeded(ALL, answer, partial_failures=False) == ALL
    assert succeeded(ALL, Outcome(error_type="ValueError"), partial_failures=False) == frozenset()
    assert succeeded(ALL, Outcome(throttled=True), partial_failures=True) == frozenset()


async def test_the_event_is_lambdas_key_for_key(lane: Lane) -> None:
    attribute = {"lane": {"DataType": "String", "StringValue": "ordinary"}}
    request = {"QueueUrl": lane.url, "MessageBody": "{}", "MessageAttributes": attribute}
    await lane.emulator.call("sqs", "SendMessage", {**request, "MessageGroupId": "blumen"})

    async with lane.polled(fine):
        await until(lambda: _true(lane.events))

    [record] = lane.events[0]["Records"]
    [recorded, *_] = json.loads((ROOT / "events" / "email-deliveries.json").read_text())["Records"]
    assert SqsModel.model_validate(lane.events[0])
    assert [key for key in record if key != "md5OfMessageAttributes"] == list(recorded)
    assert set(record["attributes"]) == {*recorded["attributes"], "MessageGroupId"}
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["messageAttributes"]["lane"]["stringValue"] == "ordinary"
    assert record["eventSourceARN"] == queue_arn(lane.queue.name)


async def test_what_is_handled_is_deleted(lane: Lane) -> None:
    await lane.send(*(f"{number}" for number in range(7)))

    async with lane.polled(fine, batch_size=5):
        await until(lambda: _empty(lane, lane.queue))

    assert sorted(body for batch in lane.bodies() for body in batch) == [f"{number}" for number in range(7)]
    assert max(map(len, lane.bodies())) == 5


async def test_a_window_gathers_a_batch_larger_than_one_request(lane: Lane) -> None:
    await lane.send(*(f"{number}" for number in range(12)))

    async with lane.polled(fine, batch_size=12, window=5):
        await until(lambda: _empty(lane, lane.queue))

    assert [len(batch) for batch in lane.bodies()] == [12]


async def test_a_window_closes_over_what_has_come(lane: Lane) -> None:
    await lane.send("alone")

    async with lane.polled(fine, window=1):
        await until(lambda: _empty(lane, lane.queue))

    assert lane.bodies() == [["alone"]]


async def test_one_poison_record_reaches_the_dead_letters_and_its_redrive_does_no_harm(lane: Lane) -> None:
    await lane.seen_again_after(1)
    good = [f"good {number}" for number in range(9)]
    await lane.send(*good[:4], "poison", *good[4:])

    async with lane.polled(fails("poison")):
        await until(lambda: _empty(lane, lane.queue))
    dead = await lane.depth(lane.dead)
    poisoned = [event for event in lane.events if "poison" in str(event["Records"])]
    moved = await redrive(lane.emulator, lane.queue, lane.dead)
    async with lane.polled(fine):
        await until(lambda: _empty(lane, lane.queue))

    assert dead == moved == 1
    assert len(poisoned) == 2
    assert sorted(body for batch in lane.bodies() for body in batch if body != "poison") == good
    assert lane.bodies()[-1] == ["poison"]
    assert lane.events[-1]["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1"
    assert await lane.depth(lane.dead) == 0


async def test_what_failed_is_seen_again_as_soon_as_is_wished(lane: Lane) -> None:
    await lane.seen_again_after(600)
    await lane.send("poison")

    async with lane.polled(fails("poison"), disorder=Disorder(visibility=0)):
        await until(lambda: _holds(lane, lane.dead))

    assert lane.bodies() == [["poison"], ["poison"]]


@pytest.mark.parametrize("bearable", [1, 16])
async def test_no_more_batches_run_at_once_than_the_maximum_and_the_machine_can_bear(
    lane: Lane, monkeypatch: pytest.MonkeyPatch, bearable: int
) -> None:
    monkeypatch.setattr(event_sources, "MOST_AT_ONCE", bearable)
    running, most = 0, 0

    async def slow(_event: Mapping[str, Any]) -> Outcome:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        return Outcome()

    await lane.send(*(f"{number}" for number in range(8)))
    async with lane.polled(slow, batch_size=1):
        await until(lambda: _empty(lane, lane.queue))

    assert most == min(2, bearable)


async def test_at_least_once_is_taken_at_its_word(lane: Lane) -> None:
    await lane.send(*"abcdef")

    async with lane.polled(fine, disorder=Disorder(duplicates=2, shuffle=True)):
        await until(lambda: _empty(lane, lane.queue))

    delivered = [body for batch in lane.bodies() for body in batch]
    assert sorted(delivered) == sorted("abcdef" * 3)
    assert delivered != list("abcdef" * 3)


async def test_polling_goes_on_when_the_queue_comes_back(lane: Lane) -> None:
    await lane.emulator.call("sqs", "DeleteQueue", {"QueueUrl": lane.url})

    async with lane.polled(fine):
        await lane.create()
        await lane.send("after the outage")
        await until(lambda: _true(lane.events))

    assert lane.bodies() == [["after the outage"]]


async def _true(value: object) -> bool:
    return bool(value)


async def _holds(lane: Lane, queue: Queue) -> bool:
    return await lane.depth(queue) > 0


async def _empty(lane: Lane, queue: Queue) -> bool:
    return await lane.depth(queue) == 0
