"""The in-app inbox: a row, and a frame to whoever of the person's devices is connected.

No provider: the item and the end of its delivery are one act of the database, for a whole batch of the queue.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, LiteralString
from uuid import UUID

from wedsync.conversations.resources import moment
from wedsync.notifications import deliveries, worker
from wedsync.notifications.deliveries import NotificationText
from wedsync.platform import aws, db, queues
from wedsync.platform.clock import rfc3339
from wedsync.platform.context import WORKER
from wedsync.platform.errors import Unavailable
from wedsync.platform.observability import logger
from wedsync.realtime import connections, pacing, poster
from wedsync.realtime.protocol import NotificationFrame, encode

PREVIEW_CHARACTERS = 200  # as GET /notifications cuts it
PUSH_SECONDS = 2.0  # for all frames of a batch; nobody waits for it
POSTS = 0.25  # of those an environment of the fan-out may make: events come first

FILL: Final[LiteralString] = "select * from app.fill_inboxes(%(asked)s)"


def handle(event: Mapping[str, Any]) -> dict[str, Any]:
    """Put a batch of SQS records into the inboxes; the records that have to come again."""
    return queues.together(event, worker.named, fill)


def fill(delivery_ids: Sequence[UUID]) -> None:
    """Put these into the inboxes, and push what is new; the push is a hint, the row is what counts."""
    (items,) = db.transaction(WORKER, (FILL, {"asked": list(delivery_ids)}))
    logger().info(
        "inboxes filled",
        extra={"asked": len(delivery_ids), "deliveries": [str(item["id"]) for item in items]},
    )
    if items:
        _push(items)


def _push(items: db.Rows) -> None:
    try:
        connected = _connected({item["user_id"] for item in items})
        told = [item for item in items if item["user_id"] in connected]
        texts = deliveries.texts((item["user_id"], item["message_id"]) for item in told) if told else {}
    except (aws.AwsError, Unavailable) as error:
        logger().warning("nothing pushed", extra={"code": error.code})
        return
    deadline = time.monotonic() + PUSH_SECONDS
    for item in told:
        text = texts.get((item["user_id"], item["message_id"]))
        if text is not None and time.monotonic() < deadline:
            ids = [*pacing.paced(connected[item["user_id"]], POSTS)]
            poster.post(encode(_frame(item, text)), ids)


def _connected(people: Collection[UUID]) -> dict[UUID, list[str]]:
    """The connections of those who have any, without the slow ones, which will sync."""
    now = time.time()
    ids: dict[UUID, list[str]] = defaultdict(list)
    for each in connections.find(people, PUSH_SECONDS):
        if each.expires_at > now and not each.lagging:
            ids[each.user_id].append(each.connection_id)
    return ids


def _frame(item: Mapping[str, Any], text: NotificationText) -> NotificationFrame:
    return {
        "type": "notification",
        "notification": {
            "id": str(item["id"]),
            "category": item["category"],
            "thread_id": str(text.thread_id),
            "message_id": str(item["message_id"]),
            "seq": text.seq,
            "subject": text.subject,
            "sender_name": text.sender_name,
            "message": text.message[:PREVIEW_CHARACTERS],
            "created_at": rfc3339(item["created_at"]),
            "seen_at": moment(item["seen_at"]),
            "read_at": moment(item["read_at"]),
        },
    }
