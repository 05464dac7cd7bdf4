"""The state services: created from the template, kept over a stop, honest about what AWS would not have."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import MappingProxyType

import pytest

from local.emulator import Emulator, ServiceError
from local.model import Queue, RestApi, Secret, SocketApi, Table, Template
from local.processes import LocalError, free_port

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".tools" / "emulator"
KEY = {"AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]} | {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}
TEMPLATE = Template(
    functions=MappingProxyType({}),
    rest=RestApi("Rest", "rest", "v1", (), {}, (), None),
    socket=SocketApi("Sockets", "sockets", "v1", "", {}, None),
    queues={
        "Work": Queue("Work", "wedsync-Work", {"VisibilityTimeout": "30"}, "Dead", 2),
        "Dead": Queue("Dead", "wedsync-Dead", {}, None, None),
    },
    event_sources=(),
    schedules=(),
    tables={"Things": Table("Things", "wedsync-Things", KEY, "ttl")},
    secrets={
        "Empty": Secret("Empty", "wedsync-Empty", None, None),
        "Made": Secret("Made", "wedsync-Made", None, {"PasswordLength": 20}),
        "Framed": Secret(
            "Framed",
            "wedsync-Framed",
            None,
            {"SecretStringTemplate": '{"user": "ana"}', "GenerateStringKey": "password"},
        ),
    },
    custom_resources=(),
)


@pytest.fixture
async def emulator(tmp_path: Path) -> AsyncIterator[Emulator]:
    emulator = Emulator(TOOLS, tmp_path / "emulator", free_port())
    await emulator.start()
    yield emulator
    await emulator.stop()


async def secret(emulator: Emulator, name: str) -> str:
    answer = await emulator.call("secretsmanager", "GetSecretValue", {"SecretId": name})
    return str(answer["SecretString"])


async def test_what_the_template_has_is_created_once_and_kept_over_a_stop(emulator: Emulator) -> None:
    await emulator.create(TEMPLATE, {"wedsync-master": "first"})
    made = await secret(emulator, "wedsync-Made")
    item = {"pk": {"S": "kept"}}
    await emulator.call("dynamodb", "PutItem", {"TableName": "wedsync-Things", "Item": item})

    await emulator.stop()
    await emulator.start()
    await emulator.create(TEMPLATE, {"wedsync-master": "second"})

    assert len(made) == 20
    assert await secret(emulator, "wedsync-Made") == made
    assert await secret(emulator, "wedsync-master") == "second"
    assert json.loads(await secret(emulator, "wedsync-Framed")).keys() == {"user", "password"}
    found = await emulator.call("dynamodb", "GetItem", {"TableName": "wedsync-Things", "Key": item})
    assert found["Item"] == item


async def test_a_secret_without_a_value_has_none(emulator: Emulator) -> None:
    await emulator.create(TEMPLATE, {})

    with pytest.raises(ServiceError, match="ResourceNotFoundException"):
        await secret(emulator, "wedsync-Empty")


async def test_depths_and_redrive_follow_the_template(emulator: Emulator) -> None:
    await emulator.create(TEMPLATE, {})
    url = f"{emulator.endpoint}/000000000000/wedsync-Work"

    await emulator.call("sqs", "SendMessage", {"QueueUrl": url, "MessageBody": "{}"})

    depths = await emulator.depths(TEMPLATE)
    wish = {"QueueUrl": url, "AttributeNames": ["All"]}
    attributes = (await emulator.call("sqs", "GetQueueAttributes", wish))["Attributes"]
    assert depths["Work"] == {"visible": 1, "in_flight": 0, "delayed": 0}
    assert attributes["VisibilityTimeout"] == "30"
    assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] in (2, "2")


async def test_an_emulator_that_is_not_installed_is_told(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="the AWS emulator is not installed; run `make setup`"):
        await Emulator(tmp_path, tmp_path / "home", free_port()).start()


async def test_an_emulator_that_ends_at_once_is_told(tmp_path: Path) -> None:
    program = tmp_path / "tools" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)

    emulator = Emulator(tmp_path / "tools", tmp_path / "home", free_port())

    with pytest.raises(LocalError, match=r"the AWS emulator does not start; see .*emulator\.log"):
        await emulator.start()

    await emulator.stop()
