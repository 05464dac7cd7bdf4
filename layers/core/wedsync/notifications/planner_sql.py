"""SQL of the planner."""

from __future__ import annotations

from typing import Final, LiteralString

PLAN: Final[LiteralString] = (
    "select * from app.plan_deliveries(%(threads)s::uuid[], %(seqs)s::bigint[], %(recipients)s)"
)

# In the transaction of PLAN, after it: only what that has closed.
UNDELIVERED: Final[LiteralString] = """
    select u.user_id, u.thread_id, u.seq, o.lane
      from app.undelivered(%(threads)s::uuid[], %(seqs)s::bigint[]) u join outbox o on (o.thread_id, o.seq) = (u.thread_id, u.seq)
     order by u.thread_id, u.seq
"""

WITHHOLD: Final[LiteralString] = "select app.withhold_deliveries(%(asked)s::uuid[], %(seconds)s) as id"
