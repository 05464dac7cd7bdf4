"""Who may do what: every statement of every policy in template.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures.template import CHANNELS, LANES, references, resources

Statement = dict[str, Any]
KEY_POLICY = "LeaveItToTheRolesOfThisAccount"  # AWS's own default for a key: "*" is this key there


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(documents: list[Any]) -> Iterator[Statement]:
    for document in documents:
        yield from document["Statement"]


def inline(role: dict[str, Any]) -> list[Any]:
    return [policy["PolicyDocument"] for policy in role.get("Policies", [])]


def pairs(documents: list[Any]) -> set[tuple[str, str]]:
    """(action, resource referred to) of every statement."""
    return {
        (action, name)
        for statement in statements(documents)
        for action in as_list(statement["Action"])
        for name in references(statement["Resource"])
        - {"AWS::Partition", "AWS::Region", "AWS::AccountId", "ProxyId"}
    }


def every_statement() -> list[Statement]:
    documents = [
        *(document for role in resources("AWS::IAM::Role") for document in inline(role.properties)),
        *(policy.properties["PolicyDocument"] for policy in resources("AWS::IAM::ManagedPolicy")),
        *(key.properties["KeyPolicy"] for key in resources("AWS::KMS::Key")),
    ]
    return list(statements(documents))


def allowed(function: str) -> set[tuple[str, str]]:
    """(action, resource referred to) of a function's role, through its own and the shared policies."""
    shared = {
        policy.name: policy.properties["PolicyDocument"] for policy in resources("AWS::IAM::ManagedPolicy")
    }
    [role] = [role.properties for role in resources("AWS::IAM::Role") if role.name == f"{function}Role"]
    attached = [shared[name] for name in references(role["ManagedPolicyArns"]) & set(shared)]
    return pairs([*inline(role), *attached])


def allowed_in(policy: str) -> set[tuple[str, str]]:
    """(action, resource referred to) of a shared policy."""
    [document] = [
        p.properties["PolicyDocument"] for p in resources("AWS::IAM::ManagedPolicy") if p.name == policy
    ]
    return pairs([document])


def channels() -> set[tuple[str, str]]:
    """Sending to the queue of every channel and lane."""
    return {("sqs:SendMessage", f"{channel}{lane}Queue") for channel in CHANNELS for lane in LANES}


def test_no_action_is_a_pattern() -> None:
    patterns = [
        (statement.get("Sid"), action)
        for statement in every_statement()
        for action in as_list(statement["Action"])
        if "*" in action
    ]

    assert patterns == [(KEY_POLICY, "kms:*")]


def test_every_resource_is_named() -> None:
    wide = [
        statement.get("Sid")
        for statement in every_statement()
        for resource in as_list(statement["Resource"])
        if not references(resource) - {"AWS::Partition", "AWS::Region", "AWS::AccountId"}
    ]

    assert wide == [KEY_POLICY]


def test_a_key_is_used_only_through_the_service_whose_data_it_protects() -> None:
    uses = [s for s in every_statement() if any(a.startswith("kms:") for a in as_list(s["Action"]))]
    conditions = [s["Condition"]["StringEquals"] for s in uses if s["Sid"] != KEY_POLICY]

    assert conditions
    assert all(list(condition) == ["kms:ViaService"] for condition in conditions)


def test_each_function_may_do_what_it_does_and_nothing_else() -> None:
    database = {
        ("rds-db:connect", "Proxy"),
        ("secretsmanager:GetSecretValue", "ContextKey"),
        ("kms:Decrypt", "DataKey"),
    }
    table_key = {
        (f"kms:{action}", "DataKey")
        for action in ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo")
    }
    push = table_key | {
        ("dynamodb:BatchGetItem", "ConnectionsTable"),
        ("dynamodb:UpdateItem", "ConnectionsTable"),
        ("execute-api:ManageConnections", "SocketApi"),
    }

    kick = {("sqs:SendMessage", f"{name}{lane}Queue") for name in ("Events", "Fanout") for lane in LANES}

    assert allowed("PollFunction") == database
    journal = ("dynamodb:BatchWriteItem", "JournalTable")
    assert allowed("RestFunction") == database | push | kick | {
        ("dynamodb:PutItem", "ConnectionsTable"),
        journal,
    }
    redeem = {("dynamodb:DeleteItem", "ConnectionsTable")}
    assert allowed("WebsocketFunction") == database | push | kick | redeem
    assert allowed("AuthorizerFunction") == table_key | redeem
    assert allowed("MigrateFunction") == {
        ("secretsmanager:GetSecretValue", "Cluster"),
        ("secretsmanager:GetSecretValue", "ContextKey"),
        ("secretsmanager:PutSecretValue", "ContextKey"),
        ("dynamodb:Scan", "JournalTable"),
        ("kms:Decrypt", "DataKey"),
        ("kms:GenerateDataKey", "DataKey"),
    }


@pytest.mark.parametrize("lane", LANES)
def test_each_worker_may_do_what_it_does_and_nothing_else(lane: str) -> None:
    database = {
        ("rds-db:connect", "Proxy"),
        ("secretsmanager:GetSecretValue", "ContextKey"),
        ("kms:Decrypt", "DataKey"),
    }
    push = allowed_in("PushAccess")
    own = {
        "Planner": channels() | allowed_in("LookAtConnections") | allowed_in("ShareOutPushes"),
        "Fanout": push,
        "Inbox": push,
        "Push": {("secretsmanager:GetSecretValue", "VapidSecret")},
        "Email": {("secretsmanager:GetSecretValue", "ResendSecret")},
        "Sms": {("secretsmanager:GetSecretValue", "TwilioSecret")},
    }

    assert set(own) == {"Planner", "Fanout", *CHANNELS}
    for name, more in own.items():
        queue = f"{'Events' if name == 'Planner' else name}{lane}Queue"
        received = {
            (f"sqs:{action}", queue) for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
        }
        assert allowed(f"{name}{lane}Function") == database | received | more


def test_the_clockwork_may_wake_everybody_push_and_ask_twilio() -> None:
    more = allowed("ClockworkFunction") - allowed_in("WorkerDatabaseAccess") - allowed_in("PushAccess")

    assert more == {
        *channels(),
        ("sqs:SendMessage", "EventsQueue"),
        ("sqs:SendMessage", "EventsEmergencyQueue"),
        *allowed_in("ShareOutPushes"),
        ("secretsmanager:GetSecretValue", "TwilioSecret"),
        ("dynamodb:BatchWriteItem", "JournalTable"),
    }


def test_no_policy_of_awss_own_opens_more_than_its_function_needs() -> None:
    roles = [role.properties for role in resources("AWS::IAM::Role")]
    attached = {str(arn) for role in roles for arn in role.get("ManagedPolicyArns", [])}

    assert not any("SQSQueueExecution" in arn for arn in attached)  # it opens every queue of the account


def test_who_asks_and_who_works_log_in_as_different_people() -> None:
    named = {
        policy.name: str(policy.properties["PolicyDocument"])
        for policy in resources("AWS::IAM::ManagedPolicy")
        if "rds-db:connect" in str(policy.properties["PolicyDocument"])
    }
    [proxy] = [role.properties for role in resources("AWS::IAM::Role") if role.name == "ProxyRole"]

    assert set(named) == {"AppDatabaseAccess", "WorkerDatabaseAccess"}
    assert "/wedsync_app" in named["AppDatabaseAccess"]
    assert "wedsync_worker" not in named["AppDatabaseAccess"]
    assert "/wedsync_worker" in named["WorkerDatabaseAccess"]
    assert "wedsync_app" not in named["WorkerDatabaseAccess"]
    assert str(proxy).count("dbuser:") == 2
