"""What a deployment publishes: the alias must never keep serving old code or old settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.template import TEMPLATE, functions, references, resources, transformed, written
from tools.transform import expand


def versions(template: dict[str, Any]) -> set[str]:
    return {name for name, r in template["Resources"].items() if r["Type"] == "AWS::Lambda::Version"}


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """Where a changed template is written."""
    return tmp_path / "template.yaml"


def test_a_changed_layer_publishes_every_function_anew(changed: Path) -> None:
    changed.write_text(TEMPLATE.read_text().replace("ContentUri: layers/core", "ContentUri: layers/core-2"))

    before, after = versions(transformed()), versions(expand(changed, {}))

    assert len(before) == len(after) == len(functions())
    assert before.isdisjoint(after)


def test_a_changed_function_publishes_only_itself(changed: Path) -> None:
    changed.write_text(
        TEMPLATE.read_text().replace("CodeUri: functions/websocket", "CodeUri: functions/websocket-2")
    )

    published = versions(expand(changed, {})) - versions(transformed())

    assert [name.partition("Version")[0] for name in published] == ["WebsocketFunction"]


def test_a_changed_layer_of_one_channel_publishes_only_who_uses_it(changed: Path) -> None:
    changed.write_text(TEMPLATE.read_text().replace("ContentUri: layers/sms", "ContentUri: layers/sms-2"))

    published = versions(expand(changed, {})) - versions(transformed())

    assert {name.partition("Version")[0] for name in published} == {
        "SmsFunction",
        "SmsEmergencyFunction",
        "ClockworkFunction",
    }


def test_the_same_template_publishes_nothing() -> None:
    assert versions(expand(TEMPLATE, {})) == versions(transformed())


def test_a_changed_parameter_publishes_through_the_description() -> None:
    """SAM's hash misses parameters (first assert); a new description replaces the version in its stead."""
    given = {"AllowedOrigins": "https://a.example"}
    [migration] = resources("Custom::Migration")
    served = {f.name: f.properties["Environment"] for f in functions() if f.name != "MigrateFunction"}
    described = {
        name
        for v in resources("AWS::Lambda::Version")
        if references(v.properties.get("Description", "")) == {"Migration"}
        for name in references(v.properties["FunctionName"])
    }

    assert versions(expand(TEMPLATE, given)) == versions(transformed())
    assert described == set(served)
    assert references(list(served.values())) & set(written()["Parameters"]) == references(
        migration.properties["Settings"]
    )


def test_the_migration_runs_again_for_every_new_version_of_its_function() -> None:
    [migration] = resources("Custom::Migration")

    [version] = references(migration.properties["Build"])

    assert version in versions(transformed())
    assert version.startswith("MigrateFunctionVersion")


def test_nothing_is_served_before_the_migration_has_run_and_the_proxy_stands() -> None:
    versions_of = {
        v.name: references(v.properties.get("Description", "")) for v in resources("AWS::Lambda::Version")
    }
    served = {
        name for a in resources("AWS::Lambda::Alias") for name in references(a.properties["FunctionVersion"])
    }

    [migration] = resources("Custom::Migration")
    assert {"ProxyTargets", "FunctionsToProxy", "ProxyToDatabase"} <= set(migration.attributes["DependsOn"])
    assert {name for name in served if "Migration" not in versions_of[name]} == {
        name for name in served if name.startswith("MigrateFunction")
    }


def test_the_migration_has_its_way_out_before_it_starts_and_until_it_is_deleted() -> None:
    [migration] = resources("Custom::Migration")
    kinds = ("AWS::EC2::Route", "AWS::EC2::SubnetRouteTableAssociation")
    function = {f.name: f.properties for f in functions()}["MigrateFunction"]

    assert {r.name for r in resources(*kinds)} <= set(migration.attributes["DependsOn"])
    assert {"Writer", "MigrateToDatabase"} <= set(migration.attributes["DependsOn"])
    assert int(migration.properties["ServiceTimeout"]) > function["Timeout"]
