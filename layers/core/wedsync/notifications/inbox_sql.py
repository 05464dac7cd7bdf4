"""SQL of the inbox. It runs under row-level security: items are a person's own, messages those in his windows."""

from __future__ import annotations

from typing import Final, LiteralString

# Walks inbox_items_page. What was read in its thread is read here too, since it came: no other time is kept.
PAGE: Final[LiteralString] = """
    with page as materialized (
        select i.id, i.category, i.created_at, i.seen_at, m.id as message_id, m.thread_id, m.seq, m.sender_id, t.subject,
               left(m.message, %(preview)s) as message,
               coalesce(i.read_at, case when p.read_seq >= m.seq then i.created_at end) as read_at
          from inbox_items i
          join thread_messages m on m.id = i.message_id and m.deleted_at is null
          join communication_threads t on t.id = m.thread_id
          left join thread_participants p on p.thread_id = m.thread_id and p.user_id = (select app.user_id())
         where %(before)s::timestamptz is null or (i.created_at, i.id) < (%(before)s, %(before_id)s::uuid)
         order by i.created_at desc, i.id desc
         limit %(limit)s + 1
    ), names as (
        select d.thread_id, n.user_id, n.display_name
          from (select distinct thread_id from page) d cross join lateral app.participants(d.thread_id) n
    )
    select page.*, names.display_name as sender_name
      from page left join names on names.thread_id = page.thread_id and names.user_id = page.sender_id
     order by page.created_at desc, page.id desc
"""

# Walks inbox_items_unread.
COUNTS: Final[LiteralString] = """
    select count(*) as unread_count, count(*) filter (where i.seen_at is null) as unseen_count
      from inbox_items i
      join thread_messages m on m.id = i.message_id and m.deleted_at is null
      left join thread_participants p on p.thread_id = m.thread_id and p.user_id = (select app.user_id())
     where i.read_at is null and coalesce(p.read_seq, 0) < m.seq
"""

READ: Final[LiteralString] = """
    update inbox_items set read_at = app.now(), seen_at = coalesce(seen_at, app.now())
     where read_at is null and (%(ids)s::uuid[] is null or id = any (%(ids)s))
"""

SEEN: Final[LiteralString] = """
    update inbox_items set seen_at = app.now()
     where seen_at is null and (%(ids)s::uuid[] is null or id = any (%(ids)s))
"""
