"""Weddings and their people, put into the database of a stack at once: the directory would take minutes."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from soak_stack import SoakStack

_STATEMENTS = (
    """
    insert into wedsync.organizations (id, name, kind, created_at, updated_at)
         values (%(wedding)s, 'Planners', 'planner', now(), now())
    """,
    """
    insert into wedsync.weddings (id, organization_id, title, wedding_date, time_zone, status, created_at, updated_at)
         values (%(wedding)s, %(wedding)s, 'A wedding', '2030-06-05', 'UTC', 'planned', now(), now())
    """,
    """
    insert into wedsync.users (id, display_name, created_at, updated_at)
         select id, 'Somebody', now(), now() from unnest(%(people)s::uuid[]) id
    """,
    """
    insert into wedsync.wedding_members (wedding_id, user_id, role, created_at, updated_at)
         select %(wedding)s, id, 'couple', now(), now() from unnest(%(people)s::uuid[]) id
    """,
)


def wedding_of(stack: SoakStack, people: Sequence[str]) -> str:
    """A new wedding of new people who may do everything there; its id."""
    wedding = str(uuid4())
    for statement in _STATEMENTS:
        stack.ask(statement, wedding=wedding, people=list(people))
    return wedding
