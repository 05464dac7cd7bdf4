"""The journal outside the database: losses of access, which a restore to an earlier moment must not undo (R4).

Each is written there twice: by the function that answers, after its commit and before its answer, and by the clockwork
within a minute, whatever became of the first. So nothing that was answered is lost with the database, unless DynamoDB
failed as well. An entry holds ids; writing it again changes nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from wedsync.platform import aws, db
from wedsync.platform.context import WORKER
from wedsync.platform.observability import logger
from wedsync.platform.settings import settings

KEPT_SECONDS = 35 * 24 * 60 * 60  # no backup is older
PER_CALL = 25  # of one BatchWriteItem
WRITE_SECONDS = 0.5  # whoever removes somebody waits no longer for it
SWEEP_SECONDS = 10.0
AT_ONCE = 500  # more waits for the next minute

HERE: Final[db.Statement] = ("select * from app.journalled_here()", {})
_UNWRITTEN: Final[LiteralString] = "select * from app.unwritten_journal(%(up_to)s)"
_WRITTEN: Final[LiteralString] = "select app.journal_written(%(ids)s)"


@dataclass(frozen=True, slots=True)
class Entry:
    """One loss of access; `subject` names whose, and of what."""

    id: UUID
    kind: str
    subject: dict[str, Any]
    at: datetime


def entries(rows: db.Rows) -> tuple[Entry, ...]:
    """From rows of `HERE`, which a transaction that may take access away asks last."""
    return tuple(Entry(**row) for row in rows)


def keep(lost: Sequence[Entry]) -> None:
    """Write what a transaction has committed. Trouble is logged and left for the clockwork."""
    if lost and len(_write(lost, WRITE_SECONDS)) < len(lost):
        logger().warning("journal left for the clockwork", extra={"entries": len(lost)})


def catch_up() -> int:
    """Write what may be missing; how much that was."""
    (rows,) = db.transaction(WORKER, (_UNWRITTEN, {"up_to": AT_ONCE}))
    if not rows:
        return 0
    written = _write(entries(rows), SWEEP_SECONDS)
    db.transaction(WORKER, (_WRITTEN, {"ids": [entry.id for entry in written]}))
    if len(written) < len(rows):
        logger().error("journal behind", extra={"entries": len(rows), "written": len(written)})
    return len(written)


def everything() -> list[dict[str, Any]]:
    """All entries, as `private.release_restored` takes them. Raises `aws.AwsError`: half a journal is none."""
    return [
        {name: item[name]["S"] for name in ("id", "kind", "at")}
        | {"subject": json.loads(item["subject"]["S"])}
        for item in _items()
    ]


def _write(lost: Sequence[Entry], seconds: float) -> list[Entry]:
    """Those that are written for certain."""
    deadline = time.monotonic() + seconds
    table = settings().journal_table
    done: list[Entry] = []
    for first in range(0, len(lost), PER_CALL):
        part = lost[first : first + PER_CALL]
        puts = [{"PutRequest": {"Item": _item(entry)}} for entry in part]
        left = max(deadline - time.monotonic(), 0.01)
        try:
            answer = aws.call("dynamodb", "BatchWriteItem", {"RequestItems": {table: puts}}, seconds=left)
        except aws.AwsError as error:
            logger().warning("journal not written", extra={"code": error.code})
            return done
        refused = {
            put["PutRequest"]["Item"]["id"]["S"] for put in answer.get("UnprocessedItems", {}).get(table, [])
        }
        done += [entry for entry in part if str(entry.id) not in refused]
    return done


def _item(entry: Entry) -> dict[str, Any]:
    return {
        "id": {"S": str(entry.id)},
        "kind": {"S": entry.kind},
        "subject": {"S": json.dumps(entry.subject)},
        "at": {"S": entry.at.isoformat()},
        "ttl": {"N": str(int(time.time()) + KEPT_SECONDS)},
    }


def _items() -> Iterator[dict[str, Any]]:
    wanted: dict[str, Any] = {"TableName": settings().journal_table, "ConsistentRead": True}
    while True:
        answer = aws.call("dynamodb", "Scan", wanted, seconds=30)
        yield from answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        wanted["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
