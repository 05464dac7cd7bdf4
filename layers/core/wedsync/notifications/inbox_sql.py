"""SQL of the inbox: items are a person's own, messages those in his windows. Functions see to it for what is read."""

from __future__ import annotations

from typing import Final, LiteralString

# Walks inbox_items_page.
PAGE: Final[LiteralString] = """
    select * from app.inbox_page(%(before)s, %(before_id)s, %(preview)s, %(limit)s + 1)
"""

# Walks inbox_items_unread.
COUNTS: Final[LiteralString] = "select unread_count, unseen_count from app.inbox_counts()"

# A person's devices mark the same items at once: all lock them in one order, as private.read_inbox_items does.
READ: Final[LiteralString] = """
    update inbox_items set read_at = app.now(), seen_at = coalesce(seen_at, app.now())
     where id = any (array(
               select id from inbox_items where read_at is null and (%(ids)s::uuid[] is null or id = any (%(ids)s))
                order by thread_id, seq for no key update))
"""

SEEN: Final[LiteralString] = """
    update inbox_items set seen_at = app.now()
     where id = any (array(
               select id from inbox_items where seen_at is null and (%(ids)s::uuid[] is null or id = any (%(ids)s))
                order by thread_id, seq for no key update))
"""
