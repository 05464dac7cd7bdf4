"""The deployed way to a schema: the migrate function as CloudFormation calls it, on a real database."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest

from local.postgres import Login
from tests.fixtures.stub_stack import CONTEXT, MASTER, Deployment

Deploy = Callable[[Login], Deployment]


def key_ids(login: Login) -> list[int]:
    """The context keys that the database accepts for good."""
    with psycopg.connect(login.dsn) as connection:
        connection.execute("set role wedsync_access")
        found = connection.execute(
            "select key_id from private.context_keys where not_after = 'infinity' order by key_id"
        )
        return [row[0] for row in found]


def test_an_empty_database_gets_the_schema_and_the_first_key(deploy: Deploy, empty_database: Login) -> None:
    stack = deploy(empty_database)

    answered = stack.run("Create")

    assert answered["Status"] == "SUCCESS"
    assert stack.context_keys().current == 1
    assert key_ids(empty_database) == [1]


def test_a_secret_that_answers_without_a_value_is_empty_too(deploy: Deploy, keyless_database: Login) -> None:
    stack = deploy(keyless_database)
    stack.secrets[CONTEXT] = None

    answered = stack.run("Create")

    assert answered["Status"] == "SUCCESS"
    assert stack.context_keys().current == 1


def test_a_refusal_of_the_secret_is_no_empty_secret(deploy: Deploy, keyless_database: Login) -> None:
    stack = deploy(keyless_database)
    stack.refusal = "AccessDeniedException"

    answered = stack.run("Create")

    assert answered["Status"] == "FAILED"
    assert "AwsError" in answered["Reason"]
    assert CONTEXT not in stack.secrets


def test_a_second_deployment_changes_nothing(deploy: Deploy, keyless_database: Login) -> None:
    stack = deploy(keyless_database)
    first = stack.run("Create")
    stored = dict(stack.secrets)

    second = stack.run("Update")

    assert second == first
    assert stack.secrets == stored


def test_a_raised_key_id_adds_a_key_and_keeps_the_last_one(deploy: Deploy, keyless_database: Login) -> None:
    stack = deploy(keyless_database)
    stack.run("Create")
    first = stack.context_keys()

    stack.run("Update", ContextKeyId="2")

    second = stack.context_keys()
    assert second.current == 2
    assert second.by_id[1] == first.by_id[1]
    assert key_ids(keyless_database) == [1, 2]


def test_only_two_keys_are_ever_good(deploy: Deploy, keyless_database: Login) -> None:
    stack = deploy(keyless_database)
    for key_id in ("1", "2", "3"):
        stack.run("Update", ContextKeyId=key_id)

    assert sorted(stack.context_keys().by_id) == [2, 3]
    assert key_ids(keyless_database) == [2, 3]


def test_a_deployment_that_is_rolled_back_keeps_the_new_key(deploy: Deploy, keyless_database: Login) -> None:
    stack = deploy(keyless_database)
    stack.run("Create")
    stack.run("Update", ContextKeyId="2")
    stored = dict(stack.secrets)

    answered = stack.run("Update", ContextKeyId="1")

    assert answered["Status"] == "SUCCESS"
    assert stack.secrets == stored


def test_a_deletion_is_answered_without_touching_anything(deploy: Deploy, keyless_database: Login) -> None:
    stack = deploy(keyless_database)
    stack.secrets.clear()

    answered = stack.run("Delete")

    assert answered["Status"] == "SUCCESS"
    assert stack.secrets == {}


def test_a_changed_setting_changes_the_digest_and_nothing_else_does(
    deploy: Deploy, keyless_database: Login
) -> None:
    stack = deploy(keyless_database)
    digests = [
        stack.run("Update", **properties)["Data"]["SettingsDigest"]
        for properties in (
            {"Settings": ["INFO"]},
            {"Settings": ["INFO"], "Build": "2"},
            {"Settings": ["DEBUG"]},
        )
    ]

    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_a_failure_is_answered_without_the_login(
    deploy: Deploy, keyless_database: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = deploy(replace(keyless_database, password="planted-canary"))
    stack.secrets[MASTER] = json.dumps({"username": "nobody", "password": "planted-canary"})

    answered = stack.run("Create")

    assert answered["Status"] == "FAILED"
    assert "OperationalError" in answered["Reason"]
    assert "planted-canary" not in json.dumps(answered) + capsys.readouterr().out
    assert CONTEXT not in stack.secrets


def test_a_failing_statement_is_named_to_whoever_deploys(deploy: Deploy, empty_database: Login) -> None:
    with psycopg.connect(empty_database.dsn, autocommit=True) as connection:
        connection.execute("create schema wedsync")
    stack = deploy(empty_database)

    answered = stack.run("Create")

    assert answered["Status"] == "FAILED"
    assert 'schema "wedsync" already exists' in answered["Reason"]


def test_the_answer_is_what_cloudformation_waits_for(deploy: Deploy, keyless_database: Login) -> None:
    stack = deploy(keyless_database)

    answered = stack.run("Delete")

    [put] = stack.puts
    assert put.path == "/answer?X-Amz-Signature=s"
    assert put.headers["content-type"] == ""
    assert answered["LogicalResourceId"] == "Migration"
    assert answered["RequestId"] == "5f0c6a0e-0d5b-4b57-9f3c-3f4c5a1f8f9d"
    assert answered["PhysicalResourceId"] == "schema"


def test_a_restored_database_is_released_with_the_login_of_the_migration(
    deploy: Deploy, empty_database: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = deploy(empty_database)
    stack.run("Create")
    with pytest.raises(psycopg.Error, match="was not restored"):
        stack.app.handler({"action": "release"}, None)
    monkeypatch.setenv("DATABASE_CLUSTER", "cluster-2")

    released = stack.app.handler({"action": "release"}, None)

    with psycopg.connect(empty_database.dsn) as connection:
        connection.execute("set role wedsync_access")
        stored = connection.execute("select epoch, identity from private.cluster").fetchall()
    assert released == {"epoch": stored[0][0], "reapplied": 0, "settled": 0}
    assert stored[0][1] == "cluster-2"
