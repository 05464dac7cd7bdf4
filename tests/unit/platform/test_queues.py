"""Putting bodies on a queue, and working through a batch from one."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tests.fixtures.queue_server import PREFIX, QueueServer, sqs_event
from wedsync.platform import aws, queues

URL = PREFIX + "EVENTS_QUEUE_URL"


def test_bodies_go_out_ten_to_a_call(queue_server: QueueServer) -> None:
    queues.send(URL, [json.dumps({"n": n}) for n in range(21)])

    assert queue_server.bodies["EVENTS_QUEUE_URL"] == [{"n": n} for n in range(21)]
    assert queue_server.calls == 3


def test_nothing_to_send_is_no_call(queue_server: QueueServer) -> None:
    queues.send(URL, [])

    assert queue_server.calls == 0


def test_what_the_queue_refuses_is_counted_and_the_rest_is_sent(queue_server: QueueServer) -> None:
    queue_server.refused = {"3"}

    with pytest.raises(queues.NotQueuedError, match=r"^2 of 20 messages were not taken$"):
        queues.send(URL, [json.dumps({"n": n}) for n in range(20)])

    assert len(queue_server.bodies["EVENTS_QUEUE_URL"]) == 18


def test_a_queue_that_is_down_is_told_apart_from_a_defect(
    queue_server: QueueServer, capsys: pytest.CaptureFixture[str]
) -> None:
    queue_server.down = True

    with pytest.raises(queues.NotQueuedError, match="1 of 1"):
        queues.send(URL, ['{"canary": 1}'], seconds=0.2)

    assert "queue unreachable" in (logged := capsys.readouterr().out)
    assert "canary" not in logged


def test_a_queue_that_is_down_is_called_once_however_much_there_is_for_it(queue_server: QueueServer) -> None:
    queue_server.down = True

    with pytest.raises(queues.NotQueuedError, match=r"^1000 of 1000 messages were not taken$"):
        queues.send(URL, ["{}"] * 1000)

    assert queue_server.calls == aws.ATTEMPTS


def test_only_the_records_that_failed_come_again(capsys: pytest.CaptureFixture[str]) -> None:
    done: list[str] = []

    def act(body: str) -> None:
        if body == "poison":
            raise ValueError("poison")
        done.append(body)

    answer = queues.each(sqs_event("a", "poison", "b"), act)

    assert done == ["a", "b"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert "poison" not in capsys.readouterr().out


class Acting:
    """Takes numbers in one go, but refuses what is not welcome."""

    def __init__(self, *unwelcome: int) -> None:
        self.unwelcome = set(unwelcome)
        self.taken: list[list[int]] = []

    def act(self, numbers: Sequence[int]) -> None:
        if self.unwelcome & set(numbers):
            raise RuntimeError("unwelcome")
        self.taken.append(list(numbers))


def test_a_batch_is_acted_on_in_one_go_without_the_records_that_nobody_can_read() -> None:
    acting = Acting()

    answer = queues.together(sqs_event("[1,2]", "poison", "[3]"), json.loads, acting.act)

    assert acting.taken == [[1, 2, 3]]
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}]}


def test_a_batch_that_fails_is_acted_on_record_by_record() -> None:
    acting = Acting(3)

    answer = queues.together(sqs_event("[1,2]", "poison", "[3]", "[4]"), json.loads, acting.act)

    assert acting.taken == [[1, 2], [4]]
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m2"}]}


def test_a_batch_of_which_nothing_can_be_read_is_not_acted_on() -> None:
    acting = Acting()

    assert queues.together(sqs_event("poison"), json.loads, acting.act) == {
        "batchItemFailures": [{"itemIdentifier": "m0"}]
    }
    assert acting.taken == []
