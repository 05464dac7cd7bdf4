"""Brings the database to the schema of this version while the stack is deployed (a custom resource).

An operator invokes it with `{"action": "release"}` when the database was restored (docs/operations.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import context_keys
import master
import psycopg
from cloudformation import Request

from wedsync.platform.migrations import migrate
from wedsync.platform.observability import bind, logger
from wedsync.platform.settings import settings
from wedsync.trust import restore

HERE = Path(__file__).parent


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any] | None:
    """What came of a release, which raises if it is refused; every other event is one of CloudFormation's."""
    if event.get("action") == "release":
        return _release()
    _deploy(event)
    return None


def _release() -> dict[str, Any]:
    released = asdict(restore.release(master.conninfo(), settings().database_cluster))
    logger().info("released", extra=released)
    return released


def _deploy(event: Mapping[str, Any]) -> None:
    """Answers CloudFormation. A deletion is answered at once: the schema goes with the cluster."""
    request = Request.parse(event)
    bind(request_id=request.echo["RequestId"])
    if request.kind == "Delete":
        request.succeed({})
        return
    try:
        applied = _migrate(int(request.properties["ContextKeyId"]))
        attributes = {"SettingsDigest": _digest(request.properties["Settings"])}
    except Exception as error:  # noqa: BLE001 (whatever it is, CloudFormation waits for an answer)
        logger().exception("migration failed")
        request.fail(_reason(error))
        return
    logger().info("migrated", extra={"applied": applied})
    request.succeed(attributes)


def _migrate(key_id: int) -> list[str]:
    """The names of the migrations applied. The database knows a new key before anything signs with it."""
    known = settings()
    stored = context_keys.read(known.context_key_secret)
    keys = context_keys.advance(stored, key_id)
    applied = migrate(master.conninfo(), HERE / "schema", keys.by_id, known.database_cluster)
    if keys != stored:
        context_keys.write(known.context_key_secret, keys)
    return applied


def _digest(values: list[str]) -> str:
    """Differs whenever a setting differs: as the description of the functions' versions it has new ones published."""
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _reason(error: Exception) -> str:
    """What whoever deploys may read: PostgreSQL's own message names objects, others may quote a login."""
    said = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return ": ".join(part for part in (type(error).__qualname__, said) if part) + "; see the function's log"
