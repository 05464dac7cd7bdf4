"""Queues, tables, secrets and what feeds functions, from the expanded template."""

from __future__ import annotations

import json
from typing import Any

from local.cloudformation import ACCOUNT, REGION, Resolver, TemplateError, function_of
from local.model import EventSource, Queue, Schedule, Secret, Table

_QUEUE_ATTRIBUTES = (
    "DelaySeconds",
    "FifoQueue",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "VisibilityTimeout",
)
_TABLE_DEFINITION = (
    "AttributeDefinitions",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "ProvisionedThroughput",
)


def local_name(logical_id: str) -> str:
    """The name of a queue, table or secret here; stable, so that its contents are found again."""
    return f"wedsync-{logical_id}"


def queue_arn(logical_id: str) -> str:
    """The ARN of a queue here."""
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{local_name(logical_id)}"


def state_attributes(resources: dict[str, dict[str, Any]], endpoint: str) -> dict[str, str]:
    """What Ref and GetAtt of state resources become, by `LogicalId.Attribute`."""
    found: dict[str, str] = {}
    for name, resource in resources.items():
        match resource["Type"]:
            case "AWS::SQS::Queue":
                found[f"{name}.Ref"] = f"{endpoint}/{ACCOUNT}/{local_name(name)}"
                found[f"{name}.Arn"] = queue_arn(name)
                found[f"{name}.QueueName"] = local_name(name)
            case "AWS::DynamoDB::Table":
                found[f"{name}.Ref"] = local_name(name)
                found[f"{name}.Arn"] = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{local_name(name)}"
            case "AWS::SecretsManager::Secret":
                found[f"{name}.Ref"] = local_name(name)
            case _:
                continue
    return found


def queues(resolver: Resolver) -> dict[str, Queue]:
    """Every queue; a redrive policy must name a queue of the template."""
    found: dict[str, Queue] = {}
    for name, properties in resolver.of_type("AWS::SQS::Queue").items():
        redrive = properties.get("RedrivePolicy")
        found[name] = Queue(
            name=name,
            queue_name=local_name(name),
            attributes={key: str(properties[key]) for key in _QUEUE_ATTRIBUTES if key in properties},
            dead_letters=_queue_of(resolver, redrive["deadLetterTargetArn"]) if redrive else None,
            max_receive_count=int(redrive["maxReceiveCount"]) if redrive else None,
        )
    return found


def event_sources(resolver: Resolver) -> tuple[EventSource, ...]:
    """Which queue feeds which function. Raises: TemplateError for a filter."""
    sources = resolver.of_type("AWS::Lambda::EventSourceMapping")
    for name, properties in sources.items():
        if "FilterCriteria" in properties:
            raise TemplateError(f"{name} filters its events, which the local runner does not")
    return tuple(
        EventSource(
            function=function_of(_arn(properties["FunctionName"])),
            queue=_queue_of(resolver, properties["EventSourceArn"]),
            batch_size=int(properties.get("BatchSize", 10)),
            window=int(properties.get("MaximumBatchingWindowInSeconds", 0)),
            partial_failures="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", []),
            maximum_concurrency=properties.get("ScalingConfig", {}).get("MaximumConcurrency"),
        )
        for properties in sources.values()
        if properties.get("Enabled", True)
    )


def schedules(resolver: Resolver) -> tuple[Schedule, ...]:
    """Enabled schedules of EventBridge Scheduler and scheduled rules. Raises: TemplateError for a time zone."""
    found: list[Schedule] = []
    for kind, resource in (("AWS::Scheduler::Schedule", "schedule/default"), ("AWS::Events::Rule", "rule")):
        service = "scheduler" if "Scheduler" in kind else "events"
        for name, properties in resolver.of_type(kind).items():
            if properties.get("ScheduleExpressionTimezone", "UTC") != "UTC":
                raise TemplateError(f"{name} has a time zone, which the local runner does not know")
            if "ScheduleExpression" not in properties or properties.get("State") == "DISABLED":
                continue
            found += [
                Schedule(
                    arn=f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}/{properties.get('Name', name)}",
                    function=function_of(target["Arn"]),
                    expression=properties["ScheduleExpression"],
                    payload=json.loads(target["Input"]) if "Input" in target else None,
                )
                for target in properties.get("Targets", [properties.get("Target")])
            ]
    return tuple(found)


def tables(resolver: Resolver) -> dict[str, Table]:
    """Every DynamoDB table."""
    return {
        name: Table(
            name=name,
            table_name=local_name(name),
            definition={key: properties[key] for key in _TABLE_DEFINITION if key in properties},
            ttl_attribute=properties.get("TimeToLiveSpecification", {}).get("AttributeName"),
        )
        for name, properties in resolver.of_type("AWS::DynamoDB::Table").items()
    }


def secrets(resolver: Resolver) -> dict[str, Secret]:
    """Every secret; one without a value is filled by its owner function."""
    return {
        name: Secret(
            name=name,
            secret_name=local_name(name),
            value=properties.get("SecretString"),
            generate=properties.get("GenerateSecretString"),
        )
        for name, properties in resolver.of_type("AWS::SecretsManager::Secret").items()
    }


def _queue_of(resolver: Resolver, arn: str) -> str:
    for name, resource in resolver.resources.items():
        if resource["Type"] == "AWS::SQS::Queue" and arn in (queue_arn(name), f"{name}.Arn"):
            return name
    raise TemplateError(f"{arn} is no queue of the template")


def _arn(function: str) -> str:
    return function if ":function:" in function else f":function:{function}"
