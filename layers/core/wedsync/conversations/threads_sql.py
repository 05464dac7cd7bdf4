"""SQL of threads. All of it runs under row-level security: what is hidden is not there."""

from __future__ import annotations

from typing import Final, LiteralString

# The caller's own place in thread `t`: his participation and what he sees of it.
MINE: Final[LiteralString] = """
      left join thread_participants p on p.thread_id = t.id and p.user_id = (select app.user_id()) and p.left_at is null
     cross join lateral (
            select jsonb_agg(jsonb_build_array(lower(span), upper(span) - 1) order by lower(span)) as windows
              from unnest((select range_agg(int8range(a.from_seq, nullif(a.to_seq, 9223372036854775807), '[]'))
                             from thread_access a
                            where a.user_id = (select app.user_id()) and a.thread_id = t.id)) span) w
"""

_COLUMNS: Final[LiteralString] = """
    select t.id, o.organization_id, t.wedding_id, t.subject, t.thread_type, t.status, t.priority_level, t.visibility,
           t.wedding_context, t.metadata, t.created_by, t.created_at, t.updated_at, t.last_seq, app.epoch() as epoch,
           t.last_activity_at, coalesce(u.unread, 0) as unread_count,
           p.role, p.read_seq, p.delivered_seq, p.muted_until, w.windows
      from page t
      join weddings o on o.id = t.wedding_id
      left join app.unread_counts(array(select id from page)) u on u.thread_id = t.id
"""

ONE: Final[LiteralString] = (
    """
    with page as materialized (
        select * from communication_threads where id = %(thread_id)s
    )"""
    + _COLUMNS
    + MINE
)

# Walks communication_threads_activity.
PAGE: Final[LiteralString] = (
    """
    with page as materialized (
        select * from communication_threads
         where (%(wedding_id)s::uuid is null or wedding_id = %(wedding_id)s)
           and (%(thread_type)s::text is null or thread_type = %(thread_type)s)
           and (%(status)s::text is null or status = %(status)s)
           and (%(before)s::timestamptz is null or (last_activity_at, id) < (%(before)s, %(before_id)s::uuid))
         order by last_activity_at desc, id desc
         limit %(limit)s + 1
    )"""
    + _COLUMNS
    + MINE
    + " order by t.last_activity_at desc, t.id desc"
)

CREATE: Final[LiteralString] = """
    select made.*, app.keep_answer(%(id)s)
      from app.create_thread(%(id)s, %(wedding_id)s, %(subject)s, %(thread_type)s, %(priority_level)s, %(visibility)s,
                             %(wedding_context)s, %(metadata)s, %(people)s, %(roles)s) made
"""

PARTICIPANTS: Final[LiteralString] = "select * from app.participants(%(thread_id)s)"

VISIBLE: Final[LiteralString] = "select id from communication_threads where id = %(thread_id)s"

ADD: Final[LiteralString] = """
    select * from app.add_participant(%(thread_id)s, %(user_id)s, %(role)s, %(history)s, %(from_seq)s)
"""

REMOVE: Final[LiteralString] = "select * from app.remove_participant(%(thread_id)s, %(user_id)s)"

REVOKED: Final[LiteralString] = "select thread_id, user_id from app.revoked_here()"

LEAVE_WEDDING: Final[LiteralString] = "select * from app.delete_wedding_member(%(wedding_id)s, %(user_id)s)"

LEAVE_ORGANIZATION: Final[LiteralString] = """
    select * from app.delete_organization_member(%(organization_id)s, %(user_id)s)
"""
