"""The AWS services that keep state (DynamoDB, SQS, Secrets Manager), by MiniStack in an environment of its own."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from local.cloudformation import ACCOUNT, REGION
from local.model import Queue, Secret, Table, Template
from local.processes import LocalError, spawn, stop
from local.template_state import local_name, queue_arn

_VERSIONS = {"dynamodb": "1.0", "sqs": "1.0", "secretsmanager": "1.1"}
_TARGETS = {"dynamodb": "DynamoDB_20120810", "sqs": "AmazonSQS", "secretsmanager": "secretsmanager"}
_DEPTHS = {
    "visible": "ApproximateNumberOfMessages",
    "in_flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}


# A faster server than MiniStack's own, which would also wait at its end for polls that nobody hears any more.
_SERVER = {
    "UVICORN_HOST": "127.0.0.1",
    "UVICORN_LOOP": "uvloop",
    "UVICORN_HTTP": "httptools",
    "UVICORN_WS": "none",
    "UVICORN_ACCESS_LOG": "false",
    "UVICORN_LOG_LEVEL": "warning",
    "UVICORN_TIMEOUT_KEEP_ALIVE": "75",
    "UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN": "0",
}


class ServiceError(Exception):
    """An error answer of the emulated service; `code` is its exception's name."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Emulator:
    """One MiniStack on loopback. Its state is written to `home` when it is stopped."""

    def __init__(self, tools: Path, home: Path, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self._python = tools / "bin" / "python"
        self._home = home
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def running(self) -> bool:
        """True while its process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Its process id, once started."""
        return self._process.pid if self._process is not None else None

    async def start(self, patience: float = 20.0) -> None:
        """Start and wait until it answers. Raises: LocalError."""
        if not self._python.exists():
            raise LocalError("the AWS emulator is not installed; run `make setup`")
        self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        environment = {
            "PATH": os.defpath,
            "HOME": str(self._home),
            "TMPDIR": str(self._home),
            **_SERVER,
            "UVICORN_PORT": str(self._port),
            "GATEWAY_PORT": str(self._port),
            "IOT_MTLS_ENABLED": "0",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "PERSIST_STATE": "1",
            "SERVICES": ",".join(_TARGETS),
            "STATE_DIR": str(self._home / "state"),
            "LOG_LEVEL": "WARNING",
        }
        with (self._home / "emulator.log").open("ab") as log:
            self._process = spawn(
                [self._python, "-m", "uvicorn", "ministack.app:app"],
                environment=environment,
                cwd=self._home,
                output=log,
                death_signal=signal.SIGTERM,
            )
        give_up = time.monotonic() + patience
        while not await self._answers():
            if not self.running or time.monotonic() > give_up:
                raise LocalError(f"the AWS emulator does not start; see {self._home / 'emulator.log'}")
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Stop it; it saves its state first."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._process is not None:
            await asyncio.to_thread(stop, self._process, signal.SIGTERM, 10.0)

    def kill(self) -> None:
        """SIGKILL, as a crash would: what it has not saved is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def create(self, template: Template, values: Mapping[str, str]) -> None:
        """Create what the template has and the state lacks; `values` are secrets by name, set anew each time."""
        queues = sorted(template.queues.values(), key=lambda queue: queue.dead_letters is not None)
        for queue in queues:
            await self._create_queue(queue)
        for table in template.tables.values():
            await self._create_table(table)
        for secret in template.secrets.values():
            await self._create_secret(secret)
        for name, value in values.items():
            await self._unless("ResourceExistsException", "secretsmanager", "CreateSecret", {"Name": name})
            await self.call("secretsmanager", "PutSecretValue", {"SecretId": name, "SecretString": value})

    async def values(self, template: Template) -> dict[str, str]:
        """The values of the template's secrets by name, but for those that have none."""
        found: dict[str, str] = {}
        for secret in template.secrets.values():
            request = {"SecretId": secret.secret_name}
            answer = await self._unless(
                "ResourceNotFoundException", "secretsmanager", "GetSecretValue", request
            )
            if answer is not None and answer.get("SecretString"):
                found[secret.secret_name] = answer["SecretString"]
        return found

    async def depths(self, template: Template) -> dict[str, dict[str, int]]:
        """Messages visible, in flight and delayed, by the queue's logical id."""
        found: dict[str, dict[str, int]] = {}
        for queue in template.queues.values():
            request = {"QueueUrl": self.queue_url(queue), "AttributeNames": list(_DEPTHS.values())}
            attributes = (await self.call("sqs", "GetQueueAttributes", request))["Attributes"]
            found[queue.name] = {key: int(attributes[attribute]) for key, attribute in _DEPTHS.items()}
        return found

    async def call(
        self, service: str, action: str, request: Mapping[str, Any], *, patience: float = 10.0
    ) -> dict[str, Any]:
        """One request of a JSON service. Raises: ServiceError, TimeoutError, aiohttp.ClientError."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        headers = {
            "Content-Type": f"application/x-amz-json-{_VERSIONS[service]}",
            "X-Amz-Target": f"{_TARGETS[service]}.{action}",
            # The emulator checks no signature; it takes the region from here.
            "Authorization": f"AWS4-HMAC-SHA256 Credential=local/20260101/{REGION}/{service}/aws4_request",
        }
        timeout = aiohttp.ClientTimeout(total=patience)
        async with self._session.post(
            self.endpoint, data=json.dumps(request), headers=headers, timeout=timeout
        ) as response:
            body: dict[str, Any] = json.loads(await response.read() or b"{}")
            if response.status >= 400:
                kind = str(body.get("__type", response.status)).rsplit("#", 1)[-1]
                raise ServiceError(kind, str(body.get("message", body.get("Message", ""))))
            return body

    async def _answers(self) -> bool:
        try:
            await self.call("sqs", "ListQueues", {})
        except (aiohttp.ClientError, ServiceError, ValueError):
            return False
        return True

    def queue_url(self, queue: Queue) -> str:
        """The queue's address, which is also its name in requests."""
        return f"{self.endpoint}/{ACCOUNT}/{queue.queue_name}"

    async def _unless(
        self, code: str, service: str, action: str, request: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        try:
            return await self.call(service, action, request)
        except ServiceError as error:
            if error.code != code:
                raise
            return None

    async def _create_queue(self, queue: Queue) -> None:
        attributes = dict(queue.attributes)
        if queue.dead_letters is not None:
            target = {
                "deadLetterTargetArn": queue_arn(queue.dead_letters),
                "maxReceiveCount": queue.max_receive_count,
            }
            attributes["RedrivePolicy"] = json.dumps(target)
        await self._unless("QueueNameExists", "sqs", "CreateQueue", {"QueueName": queue.queue_name})
        await self.call(
            "sqs", "SetQueueAttributes", {"QueueUrl": self.queue_url(queue), "Attributes": attributes}
        )

    async def _create_table(self, table: Table) -> None:
        definition = {"TableName": table.table_name, **table.definition}
        await self._unless("ResourceInUseException", "dynamodb", "CreateTable", definition)

    async def _create_secret(self, secret: Secret) -> None:
        request = {"Name": secret.secret_name}
        value = secret.value if secret.generate is None else _generated(secret.generate)
        if value is not None:
            request["SecretString"] = value
        created = await self._unless("ResourceExistsException", "secretsmanager", "CreateSecret", request)
        if created is not None and value is None:
            # The emulator gives a secret without a value an empty current version; AWS gives it none.
            stage = {"SecretId": secret.secret_name, "VersionStage": "AWSCURRENT"}
            version = {**stage, "RemoveFromVersionId": created["VersionId"]}
            await self.call("secretsmanager", "UpdateSecretVersionStage", version)


def master_secret_name() -> str:
    """The secret that stands for the one RDS keeps for the cluster's master user."""
    return local_name("master")


def _generated(wish: Mapping[str, Any]) -> str:
    """A value as GenerateSecretString makes one; only the length and the JSON frame are honoured."""
    password = secrets.token_hex(64)[: int(wish.get("PasswordLength", 32))]
    if "GenerateStringKey" not in wish:
        return password
    return json.dumps(
        {**json.loads(wish.get("SecretStringTemplate", "{}")), wish["GenerateStringKey"]: password}
    )
