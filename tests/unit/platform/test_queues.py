"""Putting bodies on a queue, and working through a batch from one."""

from __future__ import annotations

import json

import pytest

from tests.fixtures.queue_server import PREFIX, QueueServer, sqs_event
from wedsync.platform import queues

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
