"""SQL of deliveries. The rules stand in the schema's functions; text is read under row-level security."""

from __future__ import annotations

from typing import Final, LiteralString

CLAIM: Final[LiteralString] = "select * from app.claim_delivery(%(delivery_id)s, %(token)s)"

RECORD: Final[LiteralString] = """
    select app.record_delivery(%(delivery_id)s, %(token)s, %(outcome)s, %(provider)s, %(provider_ref)s, %(code)s,
                               %(suppress)s, %(retry_after)s) as moved
"""

# For the recipient: what he does not see is not there (R12).
TEXT: Final[LiteralString] = """
    select t.subject, m.message, m.message_type, m.priority_level, m.seq, m.created_at, sender.display_name as sender_name
      from thread_messages m
      join communication_threads t on t.id = m.thread_id
      left join app.participants(m.thread_id) sender on sender.user_id = m.sender_id
     where m.id = %(message_id)s and m.deleted_at is null
"""
