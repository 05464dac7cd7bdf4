"""SQL of acts on threads and on people's places in them."""

from __future__ import annotations

from typing import Final, LiteralString

from wedsync.conversations.threads_sql import CHANGED_THREAD

EDIT: Final[LiteralString] = "select * from app.edit_thread(%(thread_id)s, %(version)s, %(stated)s)"

SET_STATUS: Final[LiteralString] = (
    "select * from app.set_thread_status(%(thread_id)s, %(status)s, %(reason)s)"
)

ARRANGE: Final[LiteralString] = "select app.arrange_thread(%(thread_id)s, %(way)s, %(until)s)"

MINE_OF: Final[LiteralString] = (
    "with page as materialized (select * from communication_threads where id = %(thread_id)s)"
    + CHANGED_THREAD
)

HAND_OVER: Final[LiteralString] = "select * from app.hand_over(%(thread_id)s, %(user_id)s, %(version)s)"

CHANGE_PARTICIPANT: Final[LiteralString] = """
    select * from app.change_participant(%(thread_id)s, %(user_id)s, %(version)s, %(role)s, %(permissions)s)
"""
