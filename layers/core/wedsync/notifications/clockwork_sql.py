"""SQL of the clockwork."""

from __future__ import annotations

from typing import Final, LiteralString

# Walks outbox_waiting.
LEFT_EVENTS: Final[LiteralString] = """
    select lane, thread_id, seq from outbox
     where planned_at is null and created_at < app.now() - %(older_than)s order by created_at limit %(up_to)s
"""

RELEASE: Final[LiteralString] = "select * from app.release_stale_claims(%(older_than)s)"
DUE: Final[LiteralString] = "select * from app.kick_deliveries(%(lost_after)s, %(up_to)s)"
UNKNOWN: Final[LiteralString] = "select * from app.unknown_deliveries(%(older_than)s, %(up_to)s)"
SEND_AGAIN: Final[LiteralString] = "select app.send_again(%(delivery_id)s, %(token)s) as queued"
UNREACHED: Final[LiteralString] = "select * from app.unreached_recipients(%(up_to)s)"
FORGET_KEYS: Final[LiteralString] = "select app.forget_keys(%(older_than)s, %(up_to)s) as forgotten"
