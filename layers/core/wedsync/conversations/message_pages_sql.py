"""SQL of reading messages. All of it runs under row-level security: what is hidden is not there."""

from __future__ import annotations

from typing import Final, LiteralString

# A page, the head and the epoch are of one snapshot. One row without a message for a page without any.
_THREAD: Final[LiteralString] = """
    with thread as materialized (
        select t.id, t.last_seq as head_seq, app.epoch() as epoch, p.user_id as participant, p.read_seq
          from communication_threads t
          left join thread_participants p on p.thread_id = t.id and p.user_id = (select app.user_id()) and p.left_at is null
         where t.id = %(thread_id)s
    ), page as (
"""
# What of a message `m` depends on its reader, whose participation is `thread` (R15); the acknowledgement is looked up where one is asked for.
_PERSONAL: Final[LiteralString] = """
           thread.participant is null or m.sender_id = thread.participant or m.seq <= thread.read_seq as is_read,
           case when m.requires_ack then (
                select case when a.acked_at is null then 'waiting' else 'given' end
                  from message_acks a where a.message_id = m.id and a.user_id = (select app.user_id())) end as my_ack
"""
_SHOWN: Final[LiteralString] = (
    """
    )
    select thread.head_seq, thread.epoch, m.*,
"""
    + _PERSONAL
    + """
      from thread left join page m on true order by m.seq
"""
)
_OLDER: Final[LiteralString] = """
        select * from thread_messages where thread_id = %(thread_id)s and (%(seq)s::bigint is null or seq < %(seq)s)
         order by seq desc limit %(limit)s + 1
"""
_NEWER: Final[LiteralString] = """
        select * from thread_messages where thread_id = %(thread_id)s and seq > %(seq)s order by seq limit %(limit)s + 1
"""
_AROUND: Final[LiteralString] = """
        (select * from thread_messages where thread_id = %(thread_id)s and seq < %(seq)s order by seq desc limit %(before)s)
         union all
        (select * from thread_messages where thread_id = %(thread_id)s and seq >= %(seq)s order by seq limit %(limit)s + 1)
"""
_FIRST_UNREAD: Final[LiteralString] = """
        with first as materialized (select app.first_unread(%(thread_id)s) as seq)
        (select * from thread_messages where thread_id = %(thread_id)s and seq >= (select seq from first) order by seq limit %(limit)s + 1)
         union all
        (select * from thread_messages where thread_id = %(thread_id)s and (select seq from first) is null
          order by seq desc limit %(limit)s)
"""

# All of them walk the unique index (thread_id, seq).
OLDER: Final[LiteralString] = _THREAD + _OLDER + _SHOWN
NEWER: Final[LiteralString] = _THREAD + _NEWER + _SHOWN
AROUND: Final[LiteralString] = _THREAD + _AROUND + _SHOWN
FIRST_UNREAD: Final[LiteralString] = _THREAD + _FIRST_UNREAD + _SHOWN

_MESSAGE: Final[LiteralString] = (
    """
    select m.*,
"""
    + _PERSONAL
    + """
      from thread_messages m
      left join lateral (
           select p.user_id as participant, p.read_seq from thread_participants p
            where p.thread_id = m.thread_id and p.user_id = (select app.user_id()) and p.left_at is null) thread on true
"""
)

# Without what depends on the reader.
BARE: Final[LiteralString] = "select * from thread_messages where id = %(message_id)s"

ONE: Final[LiteralString] = _MESSAGE + " where m.id = %(message_id)s"

# Walks thread_messages_pinned.
PINNED: Final[LiteralString] = (
    _MESSAGE
    + " where m.thread_id = %(thread_id)s and m.pinned_at is not null order by m.pinned_at desc, m.seq desc"
)

HISTORY: Final[LiteralString] = """
    select number, message, mentions, edited_by, edited_at from message_edits where message_id = %(message_id)s order by number
"""
