"""What a Lambda authorizer answered: the shape API Gateway insists on, and what its policy lets through."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast


class MalformedPolicyError(ValueError):
    """The authorizer's answer is not what API Gateway accepts."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One policy statement, reduced to what execute-api needs."""

    allow: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """A well-formed answer: who, under which statements, with which context (strings only)."""

    principal_id: str
    statements: tuple[Statement, ...]
    context: Mapping[str, str]

    def allows(self, arn: str) -> bool:
        """Whether `execute-api:Invoke` on `arn` is allowed and no statement denies it."""
        effects = {
            statement.allow
            for statement in self.statements
            if _any_matches(statement.actions, "execute-api:Invoke", ignore_case=True)
            and _any_matches(statement.resources, arn)
        }
        return effects == {True}


def read_grant(answer: object) -> Grant:
    """The grant in an authorizer's answer. Raises MalformedPolicyError where API Gateway answers 500."""
    if not isinstance(answer, dict):
        raise MalformedPolicyError("the answer is no object")
    fields = cast("dict[str, Any]", answer)
    principal, policy = fields.get("principalId"), fields.get("policyDocument")
    if not isinstance(principal, str) or not principal:
        raise MalformedPolicyError("principalId is missing")
    if not isinstance(policy, dict):
        raise MalformedPolicyError("policyDocument is missing")
    statements = cast("dict[str, Any]", policy).get("Statement")
    listed = cast("list[Any]", statements) if isinstance(statements, list) else [statements]
    return Grant(principal, tuple(_statement(one) for one in listed), _context(fields.get("context") or {}))


def _statement(raw: object) -> Statement:
    if not isinstance(raw, dict):
        raise MalformedPolicyError("a statement is no object")
    fields = cast("dict[str, Any]", raw)
    if unsupported := fields.keys() - {"Sid", "Effect", "Action", "Resource"}:
        raise MalformedPolicyError(f"statements with {', '.join(sorted(unsupported))} are not evaluated here")
    if fields.get("Effect") not in ("Allow", "Deny"):
        raise MalformedPolicyError("Effect is neither Allow nor Deny")
    return Statement(
        fields["Effect"] == "Allow", _strings(fields.get("Action")), _strings(fields.get("Resource"))
    )


def _strings(raw: object) -> tuple[str, ...]:
    values = cast("list[object]", raw) if isinstance(raw, list) else [raw]
    if not values or not all(isinstance(value, str) for value in values):
        raise MalformedPolicyError("Action and Resource are strings or lists of strings")
    return tuple(cast("list[str]", values))


def _context(raw: object) -> dict[str, str]:
    if not isinstance(raw, dict):
        raise MalformedPolicyError("context is no object")
    return {key: _scalar(key, value) for key, value in cast("dict[str, Any]", raw).items()}


def _scalar(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise MalformedPolicyError(f"context.{key} is no string, number or boolean")


def _any_matches(patterns: tuple[str, ...], text: str, *, ignore_case: bool = False) -> bool:
    return any(_pattern(pattern, ignore_case).fullmatch(text) for pattern in patterns)


@lru_cache(maxsize=1024)
def _pattern(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    # IAM globs: `*` crosses slashes, nothing else is special.
    parts = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0))
