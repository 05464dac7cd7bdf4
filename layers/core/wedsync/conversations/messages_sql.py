"""SQL of messages. All of it runs under row-level security: what is hidden is not there."""

from __future__ import annotations

from typing import Final, LiteralString

# The seq lock comes first; SEND checks in a later statement, with a later snapshot (R9).
LOCK: Final[LiteralString] = "select id from communication_threads where id = %(thread_id)s for no key update"

# Visible -> duplicate -> status and rights -> write (R13). One row; none if the thread is not visible.
# Without a verdict of ok nothing is written and no seq is taken; all_or_nothing refuses the whole transaction then.
SEND: Final[LiteralString] = """
    with thread as (
        select t.id, t.status, r.requires_ack, r.append_only, m.role as wedding_role
          from communication_threads t
          join thread_rules r on r.thread_type = t.thread_type
          left join wedding_members m on m.wedding_id = t.wedding_id and m.user_id = (select app.user_id())
         where t.id = %(thread_id)s
    ), known as (
        select * from app.my_message(%(thread_id)s, %(client_msg_id)s)
    ), judged as (
        select case
                 when known.fingerprint = %(fingerprint)s then 'duplicate'
                 when known.id is not null then 'reused'
                 when not app.may(thread.id, 'post') then 'not_a_poster'
                 when thread.status <> 'active' then 'not_active'
                 when %(priority_level)s = 'emergency' and thread.wedding_role not in ('couple', 'planner') then 'not_a_host'
                 when %(parent_message_id)s::uuid is not null and not exists (
                        select from thread_messages r where r.thread_id = thread.id and r.id = %(parent_message_id)s) then 'unknown_parent'
                 when exists (select from unnest(%(mentions)s::uuid[]) named where not exists (
                        select from thread_participants q where q.thread_id = thread.id and q.user_id = named and q.left_at is null))
                      then 'unknown_mention'
                 when %(holds_card_number)s and thread.append_only then 'card_number'
                 else 'ok'
               end as verdict
          from thread left join known on true
    ), numbered as (
        update communication_threads t
           set last_seq = t.last_seq + 1, last_activity_at = greatest(app.now(), t.last_activity_at),
               changed_xid = pg_current_xact_id()::text::bigint
          from judged
         where t.id = %(thread_id)s and judged.verdict = 'ok'
        returning t.last_seq as seq, t.last_activity_at as at
    ), written as (
        insert into thread_messages (id, thread_id, seq, sender_id, parent_message_id, message, message_html, message_type, priority_level,
                                     mentions, requires_ack, payload, wedding_context, metadata, client_msg_id, fingerprint, quiet, created_at)
        select %(id)s, %(thread_id)s, numbered.seq, (select app.user_id()), %(parent_message_id)s, %(message)s, %(message_html)s,
               %(message_type)s, %(priority_level)s, %(mentions)s::uuid[], %(requires_ack)s or thread.requires_ack, %(payload)s,
               %(wedding_context)s, %(metadata)s, %(client_msg_id)s, %(fingerprint)s,
               %(epoch)s::text is not null and app.is_offered_again(%(epoch)s), numbered.at
          from numbered cross join thread
        returning *
    ), logged as (
        insert into thread_events (thread_id, seq, kind, at, actor_id, message_id)
        select thread_id, seq, 'message.created', created_at, sender_id, id from written
        returning thread_id, seq, at
    ), queued as (
        insert into outbox (thread_id, seq, lane, created_at)
        select thread_id, seq, case %(priority_level)s when 'emergency' then 'emergency' else 'ordinary' end, at from logged
    ), shown as (
        select * from written union all select * from known
    )
    select judged.verdict, app.epoch() as epoch, shown.*,
           case judged.verdict when 'ok' then app.audience(shown.thread_id, shown.seq) end as audience,
           case when judged.verdict <> 'ok' and %(all_or_nothing)s then app.refuse(judged.verdict) end as refused
      from judged left join shown on true
"""

# Cursors only rise, never beyond the head, and only within their epoch (R2, R4, R15). Two devices of one person name
# their threads in any order: the rows are locked in one. Others are told at most once a second, and of what was read
# the person's own devices too.
_STATED: Final[LiteralString] = """
    with stated as materialized (
        select p.thread_id, least(s.seq, t.last_seq) as seq, p.read_seq, p.delivered_seq, app.now() as at
          from thread_participants p
          join unnest(%(thread_ids)s::uuid[], %(seqs)s::bigint[]) s (thread_id, seq) on s.thread_id = p.thread_id
          join communication_threads t on t.id = p.thread_id
         where p.user_id = (select app.user_id()) and p.left_at is null and app.epoch() = %(epoch)s
         order by p.thread_id
           for no key update of p
    ), moved as (
        update thread_participants p
"""
_MOVED: Final[LiteralString] = """
               receipt_at = case when p.receipt_at between stated.at - interval '1 second' and stated.at
                                 then p.receipt_at else stated.at end,
               changed_xid = pg_current_xact_id()::text::bigint
          from stated
         where p.thread_id = stated.thread_id and p.user_id = (select app.user_id())
"""
_RECEIPTS: Final[LiteralString] = """
        returning p.thread_id, p.user_id, p.read_seq, p.delivered_seq, p.receipt_at = stated.at as due,
                  case when p.read_seq > stated.read_seq then stated.read_seq else stated.delivered_seq end as before
    )
    select thread_id, user_id, read_seq, delivered_seq, case when due then
"""
DELIVERED: Final[LiteralString] = (
    _STATED
    + "           set delivered_seq = stated.seq,"
    + _MOVED
    + "           and stated.seq > p.delivered_seq"
    + _RECEIPTS
    + "app.receipt_audience(thread_id, before, delivered_seq) end as people from moved"
)
READ: Final[LiteralString] = (
    _STATED
    + """
           set read_seq = greatest(p.read_seq, stated.seq), delivered_seq = greatest(p.delivered_seq, stated.seq),
               marked_unread = false,
"""
    + _MOVED
    + "           and (stated.seq > p.read_seq or p.marked_unread)"
    + _RECEIPTS
    + "array_append(app.receipt_audience(thread_id, before, delivered_seq), user_id) end as people from moved"
)

# What was not told at its time: where he is by now, unless that is too soon as well.
RECEIPT: Final[LiteralString] = """
    with stated as materialized (select app.now() as at)
    update thread_participants p
       set receipt_at = case when p.receipt_at between stated.at - interval '1 second' and stated.at then p.receipt_at else stated.at end
      from stated
     where p.thread_id = %(thread_id)s and p.user_id = (select app.user_id()) and p.left_at is null
    returning p.thread_id, p.user_id, p.read_seq, p.delivered_seq,
              case when p.receipt_at = stated.at then array_append(app.receipt_audience(p.thread_id, 0, p.read_seq), p.user_id) end as people
"""

MARK_UNREAD: Final[LiteralString] = """
    update thread_participants set marked_unread = true, changed_xid = pg_current_xact_id()::text::bigint
     where thread_id = %(thread_id)s and user_id = (select app.user_id()) and left_at is null and not marked_unread
"""

CURSORS: Final[LiteralString] = """
    select app.epoch() as epoch, t.last_seq as head_seq, p.read_seq, p.delivered_seq, p.marked_unread,
           (select u.unread from app.unread_counts(array[t.id]) u) as unread_count
      from communication_threads t
      left join thread_participants p on p.thread_id = t.id and p.user_id = (select app.user_id()) and p.left_at is null
     where t.id = %(thread_id)s
"""

UNREAD: Final[LiteralString] = "select messages, threads, acknowledgements, scheduled from app.waiting()"
