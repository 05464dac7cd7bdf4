"""The tables of a device."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

_SCHEMA = """
create table if not exists facts (
    name  text primary key,
    value text
) without rowid;
create table if not exists threads (
    thread_id text    primary key,
    epoch     text    not null,
    seq       integer not null,
    head      integer not null,
    seen      integer not null,
    read      integer not null,
    delivered integer not null,
    loading   integer not null,
    first     integer not null default 0  -- of the messages that are here; those before it are not
) without rowid;
create table if not exists messages (
    thread_id text,
    seq       integer,
    body      text not null,
    primary key (thread_id, seq)
) without rowid;
create table if not exists outbox (
    position      integer primary key autoincrement,
    thread_id     text not null,
    client_msg_id text not null unique,
    body          text not null,
    sent_at       real,  -- null: not answered yet
    epoch         text   -- of the answer
);
"""
KEEP = """
insert into threads (thread_id, epoch, seq, head, seen, read, delivered, loading) values (?, ?, ?, ?, ?, ?, ?, ?)
    on conflict do update set epoch = excluded.epoch, seq = excluded.seq, head = excluded.head,
                              seen = excluded.seen, read = excluded.read, delivered = excluded.delivered,
                              loading = excluded.loading
"""
# Whether there are older messages, a file of an earlier version does not say: an empty page will.
_BEGIN = """
update threads set first = coalesce((select min(seq) from messages where thread_id = threads.thread_id), 0)
"""
# It may have taken an event for a message: what was too large for a frame. Such a thread is loaded anew.
_LOAD_ANEW = """
update threads set loading = 1
 where thread_id in (select thread_id from messages where json_extract(body, '$.truncated'))
"""
_FORGET = "delete from messages where json_extract(body, '$.truncated')"
# Of some it kept what is the reader's, as that was when they were loaded.
_SHARE = "update messages set body = json_remove(body, '$.is_read', '$.my_ack')"
_VERSION = 1


def connect(path: Path | str) -> sqlite3.Connection:
    """The file, which only its owner may read if it is made here: what SQLite puts beside it is as it is."""
    if path != ":memory:":
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return sqlite3.connect(path, isolation_level=None, timeout=1.0)


def prepare(database: sqlite3.Connection) -> None:
    """Have it for oneself, and make the tables, or complete those of an earlier version."""
    for setting in ("locking_mode = exclusive", "journal_mode = wal", "synchronous = full"):
        database.execute(f"pragma {setting}")
    database.executescript(_SCHEMA)
    database.execute("begin")
    with database:
        columns = [name for _, name, *_ in database.execute("pragma table_info(threads)")]
        for name in ("delivered", "first"):
            if name not in columns:
                database.execute(f"alter table threads add column {name} integer not null default 0")
        if "first" not in columns:
            database.execute(_BEGIN)
        if database.execute("pragma user_version").fetchone()[0] < _VERSION:
            for statement in (_LOAD_ANEW, _FORGET, _SHARE, f"pragma user_version = {_VERSION}"):
                database.execute(statement)
