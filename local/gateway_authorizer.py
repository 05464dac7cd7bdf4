"""Runs a REQUEST authorizer as API Gateway does: identity sources, result cache, verdict."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from local.gateway_invocation import invoke_within
from local.gateway_policy import Grant, MalformedPolicyError, read_grant
from local.model import AuthorizerSpec, Invoker

# The names of API Gateway's gateway responses.
Refusal = Literal["UNAUTHORIZED", "ACCESS_DENIED", "AUTHORIZER_FAILURE", "AUTHORIZER_CONFIGURATION_ERROR"]

AUTHORIZER_SECONDS = 29.0
CACHED_GRANTS = 10_000


@dataclass(frozen=True, slots=True)
class Identity:
    """What identity sources may look at: last values; header names in lower case."""

    headers: Mapping[str, str]
    query: Mapping[str, str]

    def values(self, sources: tuple[str, ...]) -> tuple[str, ...] | None:
        """One value per source (`method.request.header.Authorization`); None when any is missing or empty."""
        found: list[str] = []
        for source in sources:
            _, _, kind, name = source.split(".", 3)
            value = self.headers.get(name.lower()) if kind == "header" else self.query.get(name)
            if not value:
                return None
            found.append(value)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Allowed with the context handlers see as `requestContext.authorizer`, or refused."""

    refusal: Refusal | None
    context: Mapping[str, Any]


class Authorizers:
    """All authorizers of one API with their caches (AWS keys them by identity source, never by route)."""

    def __init__(self, invoker: Invoker, clock: Callable[[], float] = time.monotonic) -> None:
        self._invoker = invoker
        self._clock = clock
        self._cache: OrderedDict[tuple[str, tuple[str, ...]], tuple[float, Grant]] = OrderedDict()

    async def decide(
        self, spec: AuthorizerSpec, identity: Identity, arn: str, event: Callable[[], Mapping[str, Any]]
    ) -> Verdict:
        """The verdict for `arn`; `event` is built, and the function called, only without a cached grant."""
        values = identity.values(spec.identity_sources)
        if values is None:
            return Verdict("UNAUTHORIZED", {})
        started = self._clock()
        grant: Grant | Refusal | None = self._cached(spec, values, started)
        if grant is None:
            grant = await self._ask(spec, event())
            if isinstance(grant, Grant) and spec.ttl:
                self._remember((spec.name, values), started + spec.ttl, grant)
        if not isinstance(grant, Grant):
            return Verdict(grant, {})
        if not grant.allows(arn):
            return Verdict("ACCESS_DENIED", {})
        latency = round((self._clock() - started) * 1000)
        return Verdict(
            None, {"principalId": grant.principal_id, **grant.context, "integrationLatency": latency}
        )

    def _cached(self, spec: AuthorizerSpec, values: tuple[str, ...], at: float) -> Grant | None:
        entry = self._cache.get((spec.name, values)) if spec.ttl else None
        return entry[1] if entry and entry[0] > at else None

    def _remember(self, key: tuple[str, tuple[str, ...]], until: float, grant: Grant) -> None:
        self._cache[key] = (until, grant)
        self._cache.move_to_end(key)
        if len(self._cache) > CACHED_GRANTS:
            self._cache.popitem(last=False)

    async def _ask(self, spec: AuthorizerSpec, event: Mapping[str, Any]) -> Grant | Refusal:
        outcome = await invoke_within(self._invoker, spec.function, event, AUTHORIZER_SECONDS)
        if outcome is None:
            return "AUTHORIZER_FAILURE"
        if outcome.error_message == "Unauthorized":
            return "UNAUTHORIZED"
        if not outcome.ok:
            return "AUTHORIZER_FAILURE"
        try:
            return read_grant(outcome.payload)
        except MalformedPolicyError:
            return "AUTHORIZER_CONFIGURATION_ERROR"
