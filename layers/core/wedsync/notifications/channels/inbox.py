"""The in-app inbox: a row, and a frame to whoever of the person's devices is connected."""

from __future__ import annotations

import json
import time
from typing import Any, Final, LiteralString

from wedsync.notifications.deliveries import WORKER, Accepted, Claimed, NotificationText, Outcome
from wedsync.platform import aws, db
from wedsync.platform.clock import rfc3339
from wedsync.platform.observability import logger
from wedsync.realtime import connections, poster
from wedsync.realtime.protocol import NotificationFrame

PROVIDER = "inbox"
PREVIEW_CHARACTERS = 200  # as GET /notifications cuts it

PUT: Final[LiteralString] = """
    insert into inbox_items (id, user_id, message_id, category, created_at)
    values (%(id)s, %(user_id)s, %(message_id)s, %(category)s, app.now())
    on conflict do nothing
    returning created_at
"""


def send(claimed: Claimed, text: NotificationText) -> Outcome:
    """Put it into the inbox, and push the new item; the push is a hint, the row is what counts."""
    item = {
        "id": claimed.delivery_id,
        "user_id": claimed.user_id,
        "message_id": claimed.message_id,
        "category": claimed.category,
    }
    (rows,) = db.transaction(WORKER, (PUT, item))
    if rows:
        _push(claimed, _frame(claimed, text, rows[0]))
    return Accepted(PROVIDER, str(claimed.delivery_id))


def _frame(claimed: Claimed, text: NotificationText, row: dict[str, Any]) -> NotificationFrame:
    return {
        "type": "notification",
        "notification": {
            "id": str(claimed.delivery_id),
            "category": claimed.category,
            "thread_id": str(claimed.thread_id),
            "message_id": str(claimed.message_id),
            "seq": text.seq,
            "subject": text.subject,
            "sender_name": text.sender_name,
            "message": text.message[:PREVIEW_CHARACTERS],
            "created_at": rfc3339(row["created_at"]),
            "seen_at": None,
            "read_at": None,
        },
    }


def _push(claimed: Claimed, frame: NotificationFrame) -> None:
    try:
        found = connections.find([claimed.user_id])
    except aws.AwsError as error:
        logger().warning("connections unknown, nothing pushed", extra={"code": error.code})
        return
    now = time.time()
    ids = [each.connection_id for each in found if each.expires_at > now and not each.lagging]
    if ids:
        poster.post(json.dumps(frame, ensure_ascii=False).encode(), ids)
