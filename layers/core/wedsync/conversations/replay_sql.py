"""SQL of catching up. All of it runs under row-level security: what is hidden is not there."""

from __future__ import annotations

from typing import Final, LiteralString

from wedsync.conversations.threads_sql import CHANGED_THREAD

# The horizon comes first: whatever commits later is found again by the next sync (R19). With it the newest notification
# of the caller, which a sync only names; walks inbox_items_page.
HORIZON: Final[LiteralString] = """
    select app.epoch() as epoch, pg_snapshot_xmin(pg_current_snapshot())::text::bigint as xmin, pg_current_snapshot()::text as snapshot,
           (select id from inbox_items order by created_at desc, id desc limit 1) as inbox_head
"""

# Of event `e` of thread `t`, with its message `m` as it is now.
EVENT: Final[LiteralString] = """m.*, m.seq as message_seq, e.seq, e.kind, e.at, e.actor_id, e.user_id,
           case when e.kind like 'thread.%%' then e.data || jsonb_build_object('thread', app.thread_facts(t)) else e.data end as data"""

# One row per event, or one without an event for a thread that has none for the caller; walks (thread_id, seq).
EVENTS: Final[LiteralString] = (
    "select "
    + EVENT
    + """,
           t.id as in_thread, t.last_seq as head_seq, to_jsonb(w.windows) as windows, v.withheld
      from unnest(%(thread_ids)s::uuid[], %(seqs)s::bigint[]) stated (thread_id, seq)
      join communication_threads t on t.id = stated.thread_id
     cross join lateral (
            select array_agg(array[a.from_seq, a.to_seq]) as windows,
                   bool_or(a.from_seq = 1 and a.to_seq = 9223372036854775807) as whole
              from thread_access a where a.user_id = (select app.user_id()) and a.thread_id = t.id) w
     cross join lateral (
            select case when w.whole then '{}' else app.withheld(t.id, stated.seq, least(t.last_seq, stated.seq + %(gap)s)) end as withheld
            offset 0) v
      left join lateral (
            select * from thread_events l
             where l.thread_id = t.id and l.seq > stated.seq and t.last_seq - stated.seq <= %(gap)s
             order by l.seq limit %(limit)s + 1) e on true
      left join thread_messages m on m.id = e.message_id
     order by t.id, e.seq
"""
)

# Everything, or what changed since the horizon of an earlier sync.
CHANGED: Final[LiteralString] = (
    "with page as materialized (select * from app.changed_threads(%(since)s))"
    + CHANGED_THREAD
    + " order by t.last_activity_at desc, t.id desc"
)

# The reader's weddings whose week, day or end this is; the dates alone leave few to be looked at more closely.
NEAR_WEDDINGS: Final[LiteralString] = """
    select w.id as wedding_id, p.phase
      from weddings w
     cross join lateral app.wedding_phase(w) p (phase)
     where w.wedding_date between (app.now() - interval '20 days')::date and (app.now() + interval '10 days')::date
       and p.phase in ('final_week', 'day_of', 'wrap_up')
     order by w.id
"""

GONE: Final[LiteralString] = """
    select thread_id from thread_revocations where user_id = (select app.user_id()) and changed_xid >= %(since)s
"""

# Whether CHANGED, GONE or the newest notification would answer more than in that snapshot; asked about once a second while somebody waits.
HAS_CHANGED: Final[LiteralString] = """
    select exists (
               select from (select changed_xid from communication_threads
                             union all
                            select changed_xid from thread_participants where user_id = (select app.user_id())
                             union all
                            select changed_xid from thread_access where user_id = (select app.user_id())
                             union all
                            select changed_xid from thread_revocations where user_id = (select app.user_id())) mine
                where changed_xid >= pg_snapshot_xmin(%(snapshot)s::pg_snapshot)::text::bigint
                  and not pg_visible_in_snapshot(changed_xid::text::xid8, %(snapshot)s::pg_snapshot))
        or (select id from inbox_items order by created_at desc, id desc limit 1) is distinct from %(inbox_head)s::uuid as changed
"""
