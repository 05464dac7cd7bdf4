"""Statements about who else is in a thread."""

from __future__ import annotations

from typing import Final, LiteralString

OF_THREADS: Final[LiteralString] = """
    select id as thread_id, coalesce(app.company(id), '{}') as people from unnest(%(threads)s::uuid[]) id
"""
OF_WRITER: Final[LiteralString] = """
    select app.company(id) as people from communication_threads
     where id = %(thread_id)s and status = 'active' and app.may(id, 'post')
"""
