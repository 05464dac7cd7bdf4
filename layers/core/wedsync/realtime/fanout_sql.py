"""SQL of the fan-out."""

from __future__ import annotations

from typing import Final, LiteralString

# As the worker: ids only.
AUDIENCE: Final[LiteralString] = (
    "select * from app.push_audience(%(thread)s, %(seqs)s::bigint[], %(people)s::uuid[])"
)

# As one of those whom they are for: what he does not see is not there (R12).
EVENTS: Final[LiteralString] = """
    select m.*, m.seq as message_seq, e.seq, e.kind, e.at, e.actor_id, e.user_id, app.epoch() as epoch,
           case when e.kind like 'thread.%%' then e.data || jsonb_build_object('thread', app.thread_facts(t)) else e.data end as data
      from thread_events e
      join communication_threads t on t.id = e.thread_id
      left join thread_messages m on m.id = e.message_id
     where e.thread_id = %(thread)s and e.seq = any (%(seqs)s::bigint[])
"""
