"""Who may do what: every statement of every policy in template.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.fixtures.template import references, resources

Statement = dict[str, Any]
KEY_POLICY = "LeaveItToTheRolesOfThisAccount"  # AWS's own default for a key: "*" is this key there


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(documents: list[Any]) -> Iterator[Statement]:
    for document in documents:
        yield from document["Statement"]


def inline(role: dict[str, Any]) -> list[Any]:
    return [policy["PolicyDocument"] for policy in role.get("Policies", [])]


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
    return {
        (action, name)
        for statement in statements([*inline(role), *attached])
        for action in as_list(statement["Action"])
        for name in references(statement["Resource"])
        - {"AWS::Partition", "AWS::Region", "AWS::AccountId", "ProxyId"}
    }


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

    assert allowed("RestFunction") == database | push | {("dynamodb:PutItem", "ConnectionsTable")}
    assert allowed("WebsocketFunction") == database | push
    assert allowed("AuthorizerFunction") == table_key | {("dynamodb:DeleteItem", "ConnectionsTable")}
    assert allowed("MigrateFunction") == {
        ("secretsmanager:GetSecretValue", "Cluster"),
        ("secretsmanager:GetSecretValue", "ContextKey"),
        ("secretsmanager:PutSecretValue", "ContextKey"),
        ("kms:Decrypt", "DataKey"),
        ("kms:GenerateDataKey", "DataKey"),
    }


def test_only_the_applications_login_passes_the_proxy() -> None:
    logins = [
        str(statement["Resource"])
        for statement in every_statement()
        if "rds-db:connect" in as_list(statement["Action"])
    ]

    assert len(logins) == 2
    assert all("/wedsync_app" in login for login in logins)
