"""What feeds which function in template.yaml, and how much of it at a time."""

from __future__ import annotations

from typing import Any

from tests.fixtures.template import CHANNELS, LANES, functions, references, resources, written
from wedsync.notifications.channels import inbox

CONSUMERS = ("Planner", "Fanout", *CHANNELS)
REQUESTS_OF_AN_ACCOUNT = 10_000  # a second: REST, WebSocket and posts to connections together


def timeouts() -> dict[str, int]:
    return {function.name: function.properties["Timeout"] for function in functions()}


def mappings() -> dict[str, dict[str, Any]]:
    """The properties of each event source mapping by the function that it feeds."""
    aliases = {
        alias.name: name
        for alias in resources("AWS::Lambda::Alias")
        for name in references(alias.properties["FunctionName"])
    }
    return {
        aliases[name]: mapping.properties
        for mapping in resources("AWS::Lambda::EventSourceMapping")
        for name in references(mapping.properties["FunctionName"])
    }


def queue_of(mapping: dict[str, Any]) -> str:
    [queue] = references(mapping["EventSourceArn"])
    return queue


def test_every_queue_feeds_the_one_function_of_its_lane() -> None:
    fed = {function: queue_of(mapping) for function, mapping in mappings().items()}

    assert fed == {
        f"{name}{lane}Function": f"{'Events' if name == 'Planner' else name}{lane}Queue"
        for name in CONSUMERS
        for lane in LANES
    }


def test_a_failed_record_never_takes_the_rest_of_its_batch_along() -> None:
    assert all(m["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for m in mappings().values())


def test_text_messages_and_pushes_of_emergencies_come_one_record_at_a_time_and_the_rest_in_tens() -> None:
    sizes = {function: mapping["BatchSize"] for function, mapping in mappings().items()}
    alone = {"SmsFunction", "SmsEmergencyFunction", "FanoutEmergencyFunction"}

    assert {name for name, size in sizes.items() if size == 1} == alone
    assert {size for name, size in sizes.items() if name not in alone} == {10}


def test_no_queue_waits_until_a_batch_is_full() -> None:
    assert all("MaximumBatchingWindowInSeconds" not in mapping for mapping in mappings().values())


def test_pushes_to_many_leave_a_quarter_of_the_account_requests_for_everything_else() -> None:
    of_one = written()["Parameters"]["PostsPerSecond"]["Default"]
    parts = {"Fanout": 1, "Inbox": inbox.POSTS}
    most = sum(
        mappings()[f"{name}{lane}Function"]["ScalingConfig"]["MaximumConcurrency"] * of_one * part
        for name, part in parts.items()
        for lane in LANES
    )

    assert {
        f.name for f in functions() if "POSTS_PER_SECOND" in f.properties["Environment"]["Variables"]
    } == {f"{name}{lane}Function" for name in parts for lane in LANES}
    assert most <= 0.75 * REQUESTS_OF_AN_ACCOUNT


def test_a_record_stays_hidden_for_six_times_as_long_as_its_function_may_run() -> None:
    """AWS asks for it: a throttled function is tried again for that long (Lambda guide, SQS event sources)."""
    hidden = {
        queue.name: queue.properties.get("VisibilityTimeout", 0) for queue in resources("AWS::SQS::Queue")
    }

    assert all(
        hidden[queue_of(mapping)] >= 6 * timeouts()[function] for function, mapping in mappings().items()
    )


def test_no_source_runs_more_environments_than_are_reserved_for_its_function() -> None:
    for function, mapping in mappings().items():
        reserved = written()["Resources"][function]["Properties"]["ReservedConcurrentExecutions"]

        assert 2 <= mapping["ScalingConfig"]["MaximumConcurrency"] <= reserved["Fn::If"][1]


def test_reservations_leave_the_account_what_lambda_insists_on() -> None:
    declared = [
        r.get("Properties", {}).get("ReservedConcurrentExecutions") for r in written()["Resources"].values()
    ]

    assert sum(wish["Fn::If"][1] for wish in declared if wish) <= 1000 - 100


def test_the_lanes_of_a_channel_differ_in_their_name_their_width_and_their_queue_only() -> None:
    stated = {name: r.get("Properties", {}) for name, r in written()["Resources"].items()}

    for name in CONSUMERS:
        ordinary, emergency = (stated[f"{name}{lane}Function"] for lane in LANES)
        variables, of_emergency = (p["Environment"]["Variables"] for p in (ordinary, emergency))

        assert of_emergency == {**variables, "SERVICE_NAME": f"{name.lower()}-emergency"}
        assert variables["SERVICE_NAME"] == name.lower()
        assert all(
            ordinary.get(key) == emergency.get(key) for key in ("CodeUri", "Layers", "Timeout", "MemorySize")
        )


def test_what_was_left_lying_is_looked_for_every_minute() -> None:
    [rule] = resources("AWS::Events::Rule")

    assert rule.properties["ScheduleExpression"] == "rate(1 minute)"
    assert references(rule.properties["Targets"]) == {"ClockworkFunctionAliaslive"}
