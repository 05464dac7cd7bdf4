"""SQL of the fan-out."""

from __future__ import annotations

from typing import Final, LiteralString

from wedsync.conversations.replay_sql import EVENT

# As the worker: ids only.
AUDIENCE: Final[LiteralString] = (
    "select * from app.push_audience(%(thread)s, %(seqs)s::bigint[], %(people)s::uuid[])"
)

# As one of those whom they are for: what he does not see is not there (R12).
EVENTS: Final[LiteralString] = (
    "select "
    + EVENT
    + """, app.epoch() as epoch
      from thread_events e
      join communication_threads t on t.id = e.thread_id
      left join thread_messages m on m.id = e.message_id
     where e.thread_id = %(thread)s and e.seq = any (%(seqs)s::bigint[])
"""
)
