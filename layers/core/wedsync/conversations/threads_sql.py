"""SQL of threads. All of it runs under row-level security: what is hidden is not there."""

from __future__ import annotations

from typing import Final, LiteralString

ONE: Final[LiteralString] = "select * from app.threads(array[%(thread_id)s::uuid])"

# The thread that CREATE made, or the one it found.
MADE: Final[LiteralString] = """
    select * from app.threads(array(
        select id from communication_threads
         where id = %(id)s or (wedding_id = %(wedding_id)s and natural_key = %(natural_key)s)
         order by id = %(id)s desc, created_at, id limit 1))
"""

PAGE: Final[LiteralString] = "select * from app.threads(app.thread_page(%(asked)s, %(limit)s + 1))"

# Follows a CTE `page` of threads.
CHANGED_THREAD: Final[LiteralString] = """
    select t.id as thread_id, (select app.epoch()) as epoch, t.last_seq as head_seq,
           me.role, me.permissions, me.read_seq, me.delivered_seq, me.muted_until, me.snoozed_until, me.pinned_at, me.marked_unread, me.windows
      from page t
      join app.places(array(select id from page)) me on me.thread_id = t.id
"""

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

HAS_NOTHING_LEFT: Final[LiteralString] = "select app.has_nothing_left(%(user_id)s) as nothing"

LEAVE_WEDDING: Final[LiteralString] = "select * from app.delete_wedding_member(%(wedding_id)s, %(user_id)s)"

LEAVE_ORGANIZATION: Final[LiteralString] = """
    select * from app.delete_organization_member(%(organization_id)s, %(user_id)s)
"""
