"""Migrations go up on an empty database and on one that people already use."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import LiteralString
from uuid import UUID

import psycopg

from local.postgres import Login, Postgres
from tests.fixtures.postgres import CONTEXT_KEYS, SCHEMA
from tests.fixtures.wedding import ANA, BEN, SERVICE, Database, new_id
from wedsync.platform.context import sign
from wedsync.platform.migrations import migrate

FILES = sorted(SCHEMA.glob("*.sql"))
IN_USE = next(number for number, file in enumerate(FILES, 1) if "directory_functions" in file.stem)

# Of the columns that these tables have had from the first.
CONVERSATION = """
    insert into wedsync.organizations (id, name, kind, verified, created_at, updated_at)
    values (%(firm)s, 'Planners', 'planner', true, now(), now());
    insert into wedsync.weddings (id, organization_id, title, wedding_date, time_zone, status, created_at, updated_at)
    values (%(wedding)s, %(firm)s, 'A wedding', current_date, 'UTC', 'planned', now(), now());
    insert into wedsync.wedding_members (wedding_id, user_id, role, lead, created_at, updated_at)
    values (%(wedding)s, %(ana)s, 'couple', false, now(), now()), (%(wedding)s, %(ben)s, 'couple', false, now(), now());
    insert into wedsync.communication_threads (id, wedding_id, subject, thread_type, priority_level, visibility, created_by, created_at,
                                               updated_at, last_seq, last_activity_at, changed_xid)
    values (%(thread)s, %(wedding)s, 'The contract', 'contract', 'normal', 'participants', %(ana)s, now(), now(), 2, now(), 1);
    insert into wedsync.thread_participants (thread_id, user_id, role, added_by, added_at, changed_xid)
    values (%(thread)s, %(ana)s, 'owner', %(ana)s, now(), 1), (%(thread)s, %(ben)s, 'participant', %(ana)s, now(), 1);
    insert into wedsync.participation_windows (thread_id, user_id, from_seq)
    values (%(thread)s, %(ana)s, 1), (%(thread)s, %(ben)s, 2);
    insert into wedsync.thread_messages (id, thread_id, seq, sender_id, message, message_html, message_type, priority_level, client_msg_id,
                                         fingerprint, created_at)
    values (%(message)s, %(thread)s, 2, %(ana)s, 'Peonies and lilac', 'Peonies and lilac', 'text', 'normal', %(message)s,
            sha256('Peonies and lilac'), now());
    insert into wedsync.thread_events (thread_id, seq, kind, at, actor_id, message_id)
    values (%(thread)s, 1, 'thread.created', now(), %(ana)s, null), (%(thread)s, 2, 'message.created', now(), %(ana)s, %(message)s);
    insert into wedsync.outbox (thread_id, seq, lane, created_at) values (%(thread)s, 2, 'ordinary', now())
"""

OLD_DELIVERY = """
    insert into wedsync.deliveries (id, message_id, user_id, channel, lane, category, address_hash, created_at, kicked_at, not_before, expires_at, updated_at)
    select gen_random_uuid(), %(message)s, %(ben)s, 'inbox', 'ordinary', 'urgent', sha256('ben'), old, old, old, old, old from (select now() - interval '2 days' as old) two
"""

OLD_READING = """
    insert into wedsync.inbox_items (id, user_id, message_id, category, created_at) values (gen_random_uuid(), %(ben)s, %(message)s, 'ordinary', now());
    update wedsync.thread_participants set delivered_seq = 2, read_seq = 2 where user_id = %(ben)s
"""
BEFORE: dict[str, LiteralString] = {"watching": OLD_DELIVERY, "reading": OLD_READING}  # by what follows


def put_to_use(superuser: str, stated: dict[str, UUID]) -> None:
    with psycopg.connect(superuser, cursor_factory=psycopg.ClientCursor) as using:
        using.execute("select app.enter(%s)", [sign(SERVICE)])
        for person in (ANA, BEN):
            using.execute(
                "select app.put_user(%s, 'Somebody', %s, null, 'en', 'UTC')",
                [person.user_id, f"{person.user_id}@example.com"],
            )
        using.execute(CONVERSATION, stated)


def test_each_migration_goes_up_alone_on_a_database_in_use(
    postgres: Postgres, empty_database: Login, connected_database: Database, tmp_path: Path
) -> None:
    superuser = postgres.superuser(empty_database.database).dsn
    ids = {name: new_id() for name in ("firm", "wedding", "thread", "message")}
    stated = ids | {"ana": ANA.user_id, "ben": BEN.user_id}

    for file in FILES[:IN_USE]:
        shutil.copy(file, tmp_path)
    migrate(empty_database.dsn, tmp_path, CONTEXT_KEYS)
    put_to_use(superuser, stated)

    for file in FILES[IN_USE:]:
        with psycopg.connect(superuser, cursor_factory=psycopg.ClientCursor) as using:
            using.execute(BEFORE.get(file.stem[5:], "select"), stated)
        shutil.copy(file, tmp_path)
        assert migrate(empty_database.dsn, tmp_path, CONTEXT_KEYS) == [file.stem]

    with psycopg.connect(superuser) as looking:

        def found(query: LiteralString) -> list[tuple[object, ...]]:
            return looking.execute(query, stated).fetchall()

        assert found("select count(*) from wedsync.contact_points") == [(2,)]
        seen = [(ANA.user_id, 1), (BEN.user_id, 2)]
        assert found("select user_id, from_seq from wedsync.thread_access order by from_seq") == seen
        assert found("select reached from wedsync.deliveries") == [(True,)]
        assert found("select read_at = created_at and seen_at = created_at from wedsync.inbox_items") == [
            (True,)
        ]
        assert found("select seq from wedsync.message_words where thread_id = %(thread)s") == [(2,)]
        assert found("select seq from wedsync.event_links where thread_id = %(thread)s order by seq") == [
            (1,),
            (2,),
        ]
