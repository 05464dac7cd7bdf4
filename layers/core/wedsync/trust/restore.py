"""Releasing a database that was brought back to an earlier moment: until then it answers nobody (R4)."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from wedsync.platform import context
from wedsync.trust import journal


@dataclass(frozen=True, slots=True)
class Released:
    """The new epoch, how many losses of access were done again, how many deliveries will not be."""

    epoch: str
    reapplied: int
    settled: int


def release(conninfo: str, cluster: str) -> Released:
    """Do again what the journal tells, settle what was being sent, begin a new epoch: all of it or nothing.

    `conninfo` logs in as the role that migrates; `cluster` is the platform's identity of the cluster, empty where
    PostgreSQL's own will do. Raises psycopg.Error with SQLSTATE WS409 where nothing was restored, so also the second
    time; `aws.AwsError` when the journal cannot be read.
    """
    entries = journal.everything()
    with psycopg.connect(conninfo) as connection:
        connection.execute("set local role wedsync_access")
        connection.execute("select app.enter(%s)", (context.sign(context.WORKER),))
        cursor = connection.cursor(row_factory=class_row(Released))
        released = cursor.execute(
            "select * from private.release_restored(%s, %s)", (cluster, Jsonb(entries))
        ).fetchone()
    if released is None:
        raise AssertionError("private.release_restored answers with one row or raises")
    return released
