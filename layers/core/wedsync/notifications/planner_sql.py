"""SQL of the planner."""

from __future__ import annotations

from typing import Final, LiteralString

PLAN: Final[LiteralString] = "select * from app.plan_deliveries(%(threads)s::uuid[], %(seqs)s::bigint[])"

# In the transaction of PLAN, after it: only what that has closed.
UNDELIVERED: Final[LiteralString] = "select * from app.undelivered(%(threads)s::uuid[], %(seqs)s::bigint[])"

# For one recipient: what he does not see is not there (R12).
EVENTS: Final[LiteralString] = """
    select m.*, e.thread_id as in_thread, e.seq, e.kind, e.at, e.actor_id, e.user_id, e.data, app.epoch() as epoch
      from unnest(%(threads)s::uuid[], %(seqs)s::bigint[]) asked (thread_id, seq)
      join thread_events e on (e.thread_id, e.seq) = (asked.thread_id, asked.seq)
      left join thread_messages m on m.id = e.message_id
"""
