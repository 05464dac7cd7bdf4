"""SQL of threads. All of it runs under row-level security: what is hidden is not there."""

from __future__ import annotations

from typing import Final, LiteralString

# The caller's own place in thread `t`: his participation, what he sees of it, and what private.may decides by.
MINE: Final[LiteralString] = """
      left join thread_participants p on p.thread_id = t.id and p.user_id = (select app.user_id()) and p.left_at is null
      join thread_rules r on r.thread_type = t.thread_type
      left join role_permissions d on d.role = p.role
      left join wedding_members g on g.wedding_id = t.wedding_id and g.user_id = (select app.user_id())
     cross join lateral (
            select jsonb_agg(jsonb_build_array(lower(span), upper(span) - 1) order by lower(span)) as windows, bool_or(upper_inf(span)) as open
              from unnest((select range_agg(int8range(a.from_seq, nullif(a.to_seq, 9223372036854775807), '[]'))
                             from thread_access a
                            where a.user_id = (select app.user_id()) and a.thread_id = t.id)) span) w
"""

ME: Final[LiteralString] = """
           p.role, p.read_seq, p.delivered_seq, p.muted_until, p.snoozed_until, p.pinned_at, coalesce(p.marked_unread, false) as marked_unread, w.windows,
           array(select act from unnest('{read,post,react,pin,invite,manage}'::text[]) act
                  where act = 'read' or w.open and (act = any (coalesce(p.permissions, d.permissions)) and (act <> 'post' or p.role = any (r.posters))
                                                    or act in ('invite', 'manage') and g.role = 'planner')) as permissions
"""

_COLUMNS: Final[LiteralString] = (
    """
    select t.id, o.organization_id, t.wedding_id, t.natural_key, t.subject, t.thread_type, t.status, t.status_reason, t.priority_level,
           t.visibility, t.surprise, t.wedding_context, t.metadata, t.version, t.created_by, t.created_at, t.updated_at, t.last_seq,
           app.epoch() as epoch, t.last_activity_at, o.wedding_date, coalesce(u.unread, 0) as unread_count,"""
    + ME
    + """
      from page t
      join weddings o on o.id = t.wedding_id
      left join app.unread_counts(array(select id from page)) u on u.thread_id = t.id
"""
    + MINE
)

ONE: Final[LiteralString] = (
    """
    with page as materialized (
        select * from communication_threads where id = %(thread_id)s
    )"""
    + _COLUMNS
)

# The thread that CREATE made, or the one it found.
MADE: Final[LiteralString] = (
    """
    with page as materialized (
        select * from communication_threads
         where id = %(id)s or (wedding_id = %(wedding_id)s and natural_key = %(natural_key)s)
         order by created_at, id limit 1
    )"""
    + _COLUMNS
)

CHANGED_THREAD: Final[LiteralString] = (
    "select t.id as thread_id, app.epoch() as epoch, t.last_seq as head_seq,"
    + ME
    + " from communication_threads t"
    + MINE
)

_FILTERED: Final[LiteralString] = """
    with page as materialized (
        select t.* from communication_threads t join weddings o on o.id = t.wedding_id
         where (%(wedding_id)s::uuid is null or t.wedding_id = %(wedding_id)s)
           and (%(thread_type)s::text is null or t.thread_type = %(thread_type)s)
           and (%(status)s::text is null and t.status <> 'archived' or %(status)s in ('all', t.status))
           and (%(priority_level)s::text is null or t.priority_level = %(priority_level)s)
           and (%(participant)s::uuid is null or exists (select from thread_participants q where q.thread_id = t.id
                                                            and q.user_id = %(participant)s and q.left_at is null))
           and (not %(unread)s or t.id = any ((select app.unread_threads())::uuid[]))
           and (%(terms)s::jsonb is null or t.id = any ((select app.threads_about(%(terms)s::jsonb))::uuid[]))
           and (%(wedding_from)s::date is null or o.wedding_date >= %(wedding_from)s)
           and (%(wedding_to)s::date is null or o.wedding_date <= %(wedding_to)s)
"""

# Walks communication_threads_activity.
PAGE_BY_ACTIVITY: Final[LiteralString] = (
    _FILTERED
    + """
           and (%(after)s::timestamptz is null or (t.last_activity_at, t.id) < (%(after)s, %(after_id)s::uuid))
         order by t.last_activity_at desc, t.id desc
         limit %(limit)s + 1
    )"""
    + _COLUMNS
    + " order by t.last_activity_at desc, t.id desc"
)

PAGE_BY_WEDDING_DATE: Final[LiteralString] = (
    _FILTERED
    + """
           and (%(after)s::date is null or (o.wedding_date, t.id) > (%(after)s, %(after_id)s::uuid))
         order by o.wedding_date, t.id
         limit %(limit)s + 1
    )"""
    + _COLUMNS
    + " order by o.wedding_date, t.id"
)

CREATE: Final[LiteralString] = """
    select made.*, app.keep_answer(made.thread_id, case when made.seq is null then 200 end)
      from app.create_thread(%(id)s, %(wedding_id)s, %(natural_key)s, %(subject)s, %(thread_type)s, %(priority_level)s, %(visibility)s,
                             %(surprise)s, %(wedding_context)s, %(metadata)s, %(people)s, %(roles)s) made
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
