"""What `template.yaml` says, as data: all that gateways and runner know about functions and routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One Lambda function. `timeout` in seconds, `memory` in MiB, `layers` = source directories in order."""

    name: str
    code: Path
    handler: str
    runtime: str
    environment: Mapping[str, str]
    timeout: int
    memory: int
    layers: tuple[Path, ...]
    reserved_concurrency: int | None
    emergency: bool = False


class Rank(IntEnum):
    """The niceness of a function's workers; gateways, PostgreSQL and the emulator have none."""

    EMERGENCY = 0
    AWAITED = 5  # somebody waits for the answer
    BEHIND = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one invocation ended: a payload, or an error as Lambda reports it (`errorType`, `errorMessage`).

    `throttled` means the function never ran (429 TooManyRequestsException); `timed_out` that it was killed.
    """

    payload: Any = None
    error_type: str | None = None
    error_message: str | None = None
    timed_out: bool = False
    throttled: bool = False

    @property
    def ok(self) -> bool:
        """True when the function returned."""
        return self.error_type is None and not self.throttled


class Invoker(Protocol):
    """Runs functions synchronously (RequestResponse). `function` is a logical id of the template."""

    async def invoke(self, function: str, event: Mapping[str, Any]) -> Outcome:
        """Never raises for what the function did: errors, time-outs and throttling are outcomes."""
        ...


@dataclass(frozen=True, slots=True)
class AuthorizerSpec:
    """A REQUEST authorizer. `identity_sources` as written: `method.request.header.X`; `ttl` in seconds, 0: none."""

    name: str
    function: str
    identity_sources: tuple[str, ...]
    ttl: int


@dataclass(frozen=True, slots=True)
class LambdaIntegration:
    """AWS_PROXY to the function with this logical id. `timeout_ms` is API Gateway's, not the function's."""

    function: str
    timeout_ms: int = 29_000


@dataclass(frozen=True, slots=True)
class MockIntegration:
    """MOCK: answers from the template alone. Header values are mapping expressions, `'literal'` in quotes."""

    status: int
    headers: Mapping[str, str]
    body: str


Integration = LambdaIntegration | MockIntegration


@dataclass(frozen=True, slots=True)
class RestRoute:
    """`path` as in `/callbacks/{proxy+}`; `method` upper-case or `ANY`; open without authorizer."""

    path: str
    method: str
    integration: Integration
    authorizer: AuthorizerSpec | None


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """An override of one gateway response. `status` None keeps AWS's own; templates by content type hold
    `$context.…`; header values are mapping expressions (`'literal'`, `method.request.header.X`, `context.x`).
    """

    kind: str
    status: int | None
    headers: Mapping[str, str]
    templates: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Throttle:
    """Token bucket of a stage: requests a second and burst."""

    rate: float
    burst: int


@dataclass(frozen=True, slots=True)
class RestApi:
    """The REST API (v1). `identifier` is the local API id that events carry.

    Answers of `minimum_compression_size` bytes or more are compressed for clients that want it; None: none is.
    """

    name: str
    identifier: str
    stage: str
    routes: tuple[RestRoute, ...]
    gateway_responses: Mapping[str, GatewayResponse]
    binary_media_types: tuple[str, ...]
    throttle: Throttle | None
    minimum_compression_size: int | None = None


@dataclass(frozen=True, slots=True)
class SocketRoute:
    """A WebSocket route. `two_way`: a route response passes what the integration returns to the client."""

    key: str
    integration: Integration
    two_way: bool
    authorizer: AuthorizerSpec | None


@dataclass(frozen=True, slots=True)
class SocketApi:
    """The WebSocket API. `selection` is the route selection expression, `$request.body.action`."""

    name: str
    identifier: str
    stage: str
    selection: str
    routes: Mapping[str, SocketRoute]
    throttle: Throttle | None


@dataclass(frozen=True, slots=True)
class Queue:
    """An SQS queue with its attributes as the SQS API takes them, without the redrive policy."""

    name: str
    queue_name: str
    attributes: Mapping[str, str]
    dead_letters: str | None
    max_receive_count: int | None


@dataclass(frozen=True, slots=True)
class EventSource:
    """A queue feeding a function. `window` in seconds (MaximumBatchingWindowInSeconds)."""

    function: str
    queue: str
    batch_size: int
    window: int
    partial_failures: bool
    maximum_concurrency: int | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """`rate(…)` or `cron(…)` calling a function with `payload` (None: EventBridge's own event)."""

    arn: str
    function: str
    expression: str
    payload: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Table:
    """A DynamoDB table: `definition` is the body of CreateTable, `ttl_attribute` what expires its items."""

    name: str
    table_name: str
    definition: Mapping[str, Any]
    ttl_attribute: str | None


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret: `value` when the template gives one, else `generate` as GenerateSecretString."""

    name: str
    secret_name: str
    value: str | None
    generate: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class CustomResource:
    """A custom resource and the function behind its ServiceToken."""

    name: str
    kind: str
    function: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """All of the template that exists on one machine."""

    functions: Mapping[str, FunctionSpec]
    rest: RestApi
    socket: SocketApi
    queues: Mapping[str, Queue]
    event_sources: tuple[EventSource, ...]
    schedules: tuple[Schedule, ...]
    tables: Mapping[str, Table]
    secrets: Mapping[str, Secret]
    custom_resources: tuple[CustomResource, ...]

    @property
    def awaited(self) -> tuple[str, ...]:
        """Functions that somebody waits for."""
        return tuple(name for name in self.functions if self.rank(name) is Rank.AWAITED)

    def rank(self, function: str) -> Rank:
        """What queues and schedules start may take a second longer, but for an emergency."""
        if self.functions[function].emergency:
            return Rank.EMERGENCY
        started = {source.function for source in (*self.event_sources, *self.schedules)}
        return Rank.BEHIND if function in started else Rank.AWAITED
