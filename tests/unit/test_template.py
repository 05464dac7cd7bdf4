"""Walks template.yaml: what an operator would find out on a bad day, found out here."""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.functions import python_alone
from tests.fixtures.template import (
    CHANNELS,
    LANES,
    ROOT,
    functions,
    references,
    resources,
    transformed,
    written,
)

SETTINGS = ROOT / "layers/core/wedsync/platform/settings.py"
FROM_LAMBDA = {
    "AWS_ACCESS_KEY_ID",
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
}
ONE_MACHINE_ONLY = {"DATABASE_PASSWORD"}
TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"
QUEUE = "AWS::SQS::Queue"


def environment(properties: dict[str, Any]) -> dict[str, Any]:
    return properties["Environment"]["Variables"]


def code_of(function: str) -> Path:
    return ROOT / written()["Resources"][function]["Properties"]["CodeUri"]


def layers_of(function: str) -> list[Path]:
    """The source folders of a function's layers, in order."""
    as_written = written()
    own = as_written["Resources"][function]["Properties"].get("Layers", [])
    named = [layer["Ref"] for layer in [*as_written["Globals"]["Function"]["Layers"], *own]]
    return [ROOT / as_written["Resources"][name]["Properties"]["ContentUri"] for name in named]


def settings_variables() -> set[str]:
    """Every name of a variable in settings.py."""
    constants = (
        node.value for node in ast.walk(ast.parse(SETTINGS.read_text())) if isinstance(node, ast.Constant)
    )
    return {
        name
        for name in constants
        if isinstance(name, str) and name.isupper() and "_" in name and " " not in name
    }


def alarmed(metric: str) -> set[str]:
    """The resources that have an alarm on this metric which tells somebody."""
    return {
        name
        for alarm in resources("AWS::CloudWatch::Alarm")
        if alarm.properties["MetricName"] == metric
        and "Alarms" in references(alarm.properties["AlarmActions"])
        for name in references(alarm.properties["Dimensions"])
    }


@pytest.mark.parametrize("function", [function.name for function in functions()])
def test_every_handler_imports_with_its_own_code_and_layers_only(function: str) -> None:
    code = code_of(function)
    layers = layers_of(function)
    folders = [
        code,
        *layers,
        ROOT / f".functions/{code.name}-{TAG}",
        *(ROOT / f".layers/{layer.name}-{TAG}" for layer in layers),
    ]
    stated = {
        **written()["Globals"]["Function"],
        **written()["Resources"][function]["Properties"],
    }
    module, _, name = stated["Handler"].partition(".")

    said = python_alone(f"import {module}; assert callable({module}.{name})", folders)

    assert said == ""


@pytest.mark.parametrize("function", [function.name for function in functions()])
def test_every_function_has_a_target_in_the_makefile_of_its_folder(function: str) -> None:
    targets = [
        line.split(":")[0].split() for line in (code_of(function) / "Makefile").read_text().splitlines()
    ]

    assert any(f"build-{function}" in names for names in targets)


def test_every_variable_is_read_and_every_setting_is_given() -> None:
    given = {name for function in functions() for name in environment(function.properties)}
    queues = {
        f"{name.upper()}_{variable}"
        for name in ("Events", "Fanout", *CHANNELS)
        for variable in ("QUEUE_URL", "EMERGENCY_QUEUE_URL")
    }

    assert given == settings_variables() - FROM_LAMBDA - ONE_MACHINE_ONLY | queues


def test_only_who_uses_the_database_can_reach_it() -> None:
    inside = {f.name for f in functions() if "VpcConfig" in f.properties}

    assert inside == {f.name for f in functions() if "DATABASE_HOST" in environment(f.properties)}


def test_only_the_migration_reaches_the_cluster_past_the_proxy() -> None:
    hosts = {f.name: references(environment(f.properties).get("DATABASE_HOST", "")) for f in functions()}
    sources = {
        name
        for rule in resources("AWS::EC2::SecurityGroupIngress")
        if references(rule.properties["GroupId"]) == {"DatabaseGroup"}
        for name in references(rule.properties["SourceSecurityGroupId"])
    }

    assert [name for name, host in hosts.items() if host == {"Cluster"}] == ["MigrateFunction"]
    assert sources == {"ProxyGroup", "MigrateGroup"}


def test_every_queue_has_dead_letters_and_an_alarm_on_them() -> None:
    queues = {queue.name: queue.properties for queue in resources(QUEUE)}
    dead = {name for p in queues.values() for name in references(p.get("RedrivePolicy", {}))}
    alive = {name for name, properties in queues.items() if "RedrivePolicy" in properties}

    assert alive == {f"{name}{lane}Queue" for name in ("Events", "Fanout", *CHANNELS) for lane in LANES}
    assert alive | dead == set(queues)
    assert len(dead) == len(alive)
    assert dead == alarmed("ApproximateNumberOfMessagesVisible")
    assert alive == alarmed("ApproximateAgeOfOldestMessage")


def test_every_function_has_alarms_and_a_log_with_an_end() -> None:
    names = {function.name for function in functions()}
    logs = {name for f in functions() for name in references(f.properties["LoggingConfig"]["LogGroup"])}

    assert alarmed("Errors") == names - {"AuthorizerFunction"}  # it refuses a token by raising
    assert alarmed("Throttles") == names - {
        "MigrateFunction"
    }  # it runs once per deployment, which would fail
    assert len(logs) == len(names)
    assert all("RetentionInDays" in group.properties for group in resources("AWS::Logs::LogGroup"))
    assert logs < {group.name for group in resources("AWS::Logs::LogGroup")}


def test_what_holds_data_says_what_becomes_of_it() -> None:
    kinds = (
        "AWS::RDS::DBCluster",
        "AWS::DynamoDB::Table",
        QUEUE,
        "AWS::KMS::Key",
        "AWS::SecretsManager::Secret",
    )
    policies = {
        r.name: (r.attributes.get("DeletionPolicy"), r.attributes.get("UpdateReplacePolicy"))
        for r in resources(*kinds)
    }

    assert all(deletion and deletion == replacement for deletion, replacement in policies.values())
    assert policies["Cluster"] == ("Snapshot", "Snapshot")
    assert policies["DataKey"] == ("Retain", "Retain")


def test_everything_at_rest_is_encrypted() -> None:
    [cluster] = resources("AWS::RDS::DBCluster")
    tables = resources("AWS::DynamoDB::Table")
    secrets = resources("AWS::SecretsManager::Secret")

    assert cluster.properties["StorageEncrypted"] is True
    for value in (
        cluster.properties["KmsKeyId"],
        cluster.properties["MasterUserSecret"],
        *(table.properties["SSESpecification"] for table in tables),
    ):
        assert references(value) == {"DataKey"}
    assert all(references(secret.properties["KmsKeyId"]) == {"DataKey"} for secret in secrets)
    assert all(queue.properties["SqsManagedSseEnabled"] is True for queue in resources(QUEUE))


def test_connections_and_journal_expire() -> None:
    tables = {table.name: table.properties for table in resources("AWS::DynamoDB::Table")}

    assert tables["ConnectionsTable"]["KeySchema"] == [{"AttributeName": "pk", "KeyType": "HASH"}]
    assert tables["JournalTable"]["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    for properties in tables.values():
        assert properties["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}


def test_the_journal_outlives_the_stack_and_whatever_happens_to_it() -> None:
    [journal] = [table for table in resources("AWS::DynamoDB::Table") if table.name == "JournalTable"]

    assert written()["Resources"]["JournalTable"]["DeletionPolicy"] == "Retain"
    assert journal.properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_no_template_is_too_large_for_cloudformation() -> None:
    assert len(transformed()["Resources"]) < 500
    assert all(len(f.properties.get("Layers", [])) <= 5 for f in functions())


def test_no_secret_stands_in_the_template_or_its_settings() -> None:
    stated = [
        parameter
        for parameter in written()["Parameters"]
        if "secret" in parameter.lower() or "password" in parameter.lower()
    ]
    [cluster] = resources("AWS::RDS::DBCluster")

    assert stated == []
    assert cluster.properties["ManageMasterUserPassword"] is True
    assert all("SecretString" not in s.properties for s in resources("AWS::SecretsManager::Secret"))


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_samconfig_gives_only_parameters_that_exist_and_all_that_are_needed(stage: str) -> None:
    configured = tomllib.loads((ROOT / "samconfig.toml").read_text())[stage]
    overrides = dict(pair.split("=", 1) for pair in configured["deploy"]["parameters"]["parameter_overrides"])
    parameters = written()["Parameters"]

    assert set(overrides) <= set(parameters)
    assert {name for name, parameter in parameters.items() if "Default" not in parameter} <= set(overrides)
    assert overrides["Environment"] == stage
    assert configured["build"]["parameters"]["build_in_source"] is True


def test_a_restored_backup_never_holds_text_for_longer_than_it_may() -> None:
    [cluster] = resources("AWS::RDS::DBCluster")

    assert cluster.properties["BackupRetentionPeriod"] <= 35
    assert not cluster.properties["PreferredMaintenanceWindow"].startswith(("fri", "sat", "sun"))
