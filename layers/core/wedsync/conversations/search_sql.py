"""SQL of search. The functions answer within what the caller sees: a full-text operator under policies would read everything."""

from __future__ import annotations

from typing import Final, LiteralString

SEARCH: Final[LiteralString] = """
    select * from app.search(%(terms)s, %(kinds)s, %(wedding_id)s, %(thread_id)s, %(thread_type)s, %(sender_id)s, %(since)s, %(until)s,
                             %(before)s, %(before_thread)s, %(before_seq)s, %(limit)s + 1)
"""
