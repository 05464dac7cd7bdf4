"""Statements about who else is in a thread."""

from __future__ import annotations

from typing import Final, LiteralString

OF_THREADS: Final[LiteralString] = """
    select id as thread_id, coalesce(app.company(id), '{}') as people from unnest(%(threads)s::uuid[]) id
"""
# On the day itself nobody types: clients are told so by `mode`, and this is for those that do not listen.
OF_WRITER: Final[LiteralString] = """
    select app.company(t.id) as people
      from communication_threads t
      join weddings w on w.id = t.wedding_id and app.wedding_phase(w) <> 'day_of'
     where t.id = %(thread_id)s and t.status = 'active' and app.may(t.id, 'post')
"""
