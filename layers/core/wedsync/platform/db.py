"""The only way to the database: one transaction, for one caller, in one round trip (R17, decisions 3 and 6).

Nothing that RDS Proxy would pin a connection for leaves this module (aws.md 9): no SET, no prepared
statement, no cursor, no session lock. The context is set by the body of `app.enter`.
"""

from __future__ import annotations

import logging
import select
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, LiteralString

import certifi
import psycopg
from psycopg.rows import DictRow, dict_row

from wedsync.platform import aws, context
from wedsync.platform.db_errors import problem_of
from wedsync.platform.idempotency import Keyed
from wedsync.platform.settings import settings

CONNECT_SECONDS = 2
SILENCE_SECONDS = (
    2  # of a host that acknowledges nothing; a host that works on a statement has the role's limit
)

# It warns of each refused statement once more, when its pipeline ends; the error itself is raised.
logging.getLogger("psycopg").setLevel(logging.ERROR)

Statement = tuple[LiteralString, Mapping[str, Any]]
Rows = list[DictRow]

_BEGIN: Statement = ("begin", {})
_COMMIT: Statement = ("commit", {})

_connection: psycopg.Connection[DictRow] | None = None


def transaction(who: context.Caller, *statements: Statement) -> list[Rows]:
    """Run the statements as one transaction of `who`; the rows of each.

    All of them are sent at once: none can use what another answered, but each sees what those before it did.
    Raises the Problem that a WSnnn state of the schema's functions stands for, Unavailable when the database
    cannot be reached or gives up, psycopg.Error for a defect of ours. After Unavailable the transaction may
    or may not have happened: repeating it is safe only with an idempotent key. Raises Answered for a `Keyed`
    caller whose act is done.
    """
    claim = [who.claim()] if isinstance(who, Keyed) else []
    return _transact([_enter(who), *claim, *statements])[1 + len(claim) :]


def as_each(asked: Sequence[tuple[context.Caller, Statement]]) -> list[Rows]:
    """Run each statement as its own caller, all of them in one transaction and one round trip; the rows of each.

    Raises what `transaction` raises.
    """
    return _transact([part for who, statement in asked for part in (_enter(who), statement)])[1::2]


def claim(who: context.Caller) -> None:
    """Claim the key of a caller who has one, for an act that is no transaction and may be repeated until it is done."""
    if isinstance(who, Keyed):
        transaction(who)


def _enter(who: context.Caller) -> Statement:
    return "select app.enter(%(context)s)", {"context": context.sign(who)}


def _transact(statements: Sequence[Statement]) -> list[Rows]:
    connection, opening = _connected()
    try:
        rows = _run(connection, [*opening, _BEGIN, *statements, _COMMIT])
    except psycopg.Error as error:
        _recover(connection, checked=not opening)
        raise problem_of(error) from error
    return rows[len(opening) + 1 : -1]


def _run(connection: psycopg.Connection[DictRow], statements: Sequence[Statement]) -> list[Rows]:
    with connection.pipeline() if settings().database_pipeline else nullcontext():
        cursors = [connection.execute(text, values or None) for text, values in statements]
    # Not `description`: that describes every column, a tenth of what a transaction costs here.
    return [[] if cursor.rownumber is None else cursor.fetchall() for cursor in cursors]


def _connected() -> tuple[psycopg.Connection[DictRow], list[Statement]]:
    """The connection of this environment, and what a new one has to say first (R4)."""
    global _connection
    if _connection is not None and not _connection.closed:
        if not _hung_up(_connection):
            return _connection, []
        _connection.close()
    _connection = _connect()
    return _connection, [("select app.check_cluster(%(cluster)s)", {"cluster": settings().database_cluster})]


def _hung_up(connection: psycopg.Connection[DictRow]) -> bool:
    """An idle server has nothing to say unless it is leaving."""
    readable, _, _ = select.select([connection.fileno()], [], [], 0)
    return bool(readable)


def _connect() -> psycopg.Connection[DictRow]:
    known = settings()
    host, port, user = known.database_host, known.database_port, known.database_user
    password = aws.rds_token(host, port, user) if known.database_auth == "iam" else known.database_password
    try:
        return psycopg.Connection[DictRow].connect(
            host=host,
            port=port,
            dbname=known.database_name,
            user=user,
            password=password,
            connect_timeout=CONNECT_SECONDS,
            tcp_user_timeout=SILENCE_SECONDS * 1000,
            keepalives_idle=SILENCE_SECONDS,
            keepalives_interval=1,
            keepalives_count=2,
            autocommit=True,
            prepare_threshold=None,
            row_factory=dict_row,
            sslmode=known.database_tls,
            sslrootcert=certifi.where(),  # the proxy's certificate is a public one (aws.md 11)
        )
    except psycopg.Error as error:
        raise problem_of(error) from error


def _recover(connection: psycopg.Connection[DictRow], *, checked: bool) -> None:
    """Leave the connection idle; closed if it is broken, or not yet known to belong to our cluster (R4)."""
    if not checked:
        connection.close()
        return
    try:
        connection.execute("rollback")
    except psycopg.Error:
        connection.close()
