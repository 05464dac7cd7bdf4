"""The few AWS calls of the hot path, over one small signed client (decision 9). No boto3 in here.

`call` speaks the JSON protocols of DynamoDB, SQS and Secrets Manager; `secret` and `rds_token` are
what the database and the signed context need. Errors:

    AwsError               the service answered with an error; `code` is its exception's name
    ├── ThrottledError     still refused after the retries
    └── UnavailableError   no usable answer after the retries (network, time-out, 5xx)
"""

from __future__ import annotations

import json
import random
import time
from typing import Any

from wedsync.platform import signing
from wedsync.platform.settings import settings
from wedsync.platform.wire import LINES, Address, Answer, UnreachableError

ATTEMPTS = 3
BACK_OFF_SECONDS = 0.025  # first step of the full-jitter back-off
TARGETS = {
    "dynamodb": ("DynamoDB_20120810", "1.0"),
    "secretsmanager": ("secretsmanager", "1.1"),
    "sqs": ("AmazonSQS", "1.0"),
}
THROTTLING = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ThrottlingException",
    }
)


class AwsError(Exception):
    """A service refused a call."""

    def __init__(self, code: str, detail: str, status: int) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.status = status


class ThrottledError(AwsError):
    """Too many requests, and still so after the retries."""


class UnavailableError(AwsError):
    """The service could not be reached or failed, also when tried again; `status` is 0 or 5xx."""


def call(service: str, operation: str, body: dict[str, Any], *, seconds: float = 2.0) -> dict[str, Any]:
    """One operation of a JSON service, e.g. `call("dynamodb", "GetItem", {...})`; its answer.

    Throttling, 5xx and lost connections are tried again with jitter, as long as `seconds` allow, so
    the operation may run twice. Raises the errors of this module, `AwsError` for a refusal.
    """
    payload = json.dumps(body, separators=(",", ":")).encode()
    deadline = time.monotonic() + seconds
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _once(service, operation, payload, deadline)
        except (ThrottledError, UnavailableError):
            pause = random.uniform(0, BACK_OFF_SECONDS * 2**attempt)  # noqa: S311 (no secret)
            if attempt == ATTEMPTS or time.monotonic() + pause >= deadline:
                raise
            time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def secret(name: str) -> str:
    """The current value of a Secrets Manager secret (id or ARN). Not cached: the caller knows how long."""
    return call("secretsmanager", "GetSecretValue", {"SecretId": name})["SecretString"]


def rds_token(host: str, port: int, user: str) -> str:
    """The password for one IAM login as `user`, good for 15 minutes."""
    current = settings()
    return signing.rds_token(
        host,
        port,
        user,
        region=current.aws_region,
        credentials=current.aws_credentials,
        moment=signing.timestamp(),
    )


def _once(service: str, operation: str, payload: bytes, deadline: float) -> dict[str, Any]:
    current = settings()
    target, version = TARGETS[service]
    url = current.aws_endpoint_url or f"https://{service}.{current.aws_region}.amazonaws.com"
    address = Address.parse(url)
    signer = signing.RequestSigner(
        "POST",
        address.authority,
        payload,
        service=service,
        region=current.aws_region,
        credentials=current.aws_credentials,
        moment=signing.timestamp(),
        headers={
            "content-type": f"application/x-amz-json-{version}",
            "x-amz-target": f"{target}.{operation}",
        },
    )
    try:
        answer = LINES.exchange(address, signer.render(f"{address.path}/"), deadline)
    except UnreachableError as error:
        raise UnavailableError("Unreachable", str(error), 0) from error
    if answer.status == 200:
        return json.loads(answer.body or b"{}")
    raise _error(answer)


def _error(answer: Answer) -> AwsError:
    """The typed error: `__type` in the body (JSON protocols), else the status."""
    try:
        fields: dict[str, Any] = json.loads(answer.body)
    except ValueError:
        fields = {}  # a proxy's page, or nothing
    named = str(fields.get("__type") or answer.headers.get("x-amzn-errortype") or answer.status)
    code = named.rpartition("#")[2].partition(":")[0]
    detail = str(fields.get("message") or fields.get("Message") or "")
    if code in THROTTLING or answer.status == 429:
        return ThrottledError(code, detail, answer.status)
    if answer.status >= 500:
        return UnavailableError(code, detail, answer.status)
    return AwsError(code, detail, answer.status)
