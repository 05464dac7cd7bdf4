"""The login of the database's master role, which owns the schema; nothing else has it."""

from __future__ import annotations

import json
from pathlib import Path

from psycopg.conninfo import make_conninfo

from wedsync.platform import aws
from wedsync.platform.settings import settings

AUTHORITIES = Path(__file__).parent / "rds-ca.pem"


def conninfo() -> str:
    """How to connect as the master, to the cluster itself. Raises aws.AwsError."""
    known = settings()
    login = json.loads(aws.secret(known.database_secret))
    return make_conninfo(
        host=known.database_host,
        port=known.database_port,
        dbname=known.database_name,
        user=login["username"],
        password=login["password"],
        sslmode=known.database_tls,
        sslrootcert=str(AUTHORITIES),
        connect_timeout=10,
    )
