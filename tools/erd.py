"""Writes docs/data-model.md, with its drawing, from the schema as migrated; `--check` only compares.

Usage: python tools/erd.py [--check]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "layers/core")]

from local.postgres import Postgres  # noqa: E402 (after the path)
from local.processes import free_port  # noqa: E402
from wedsync.platform.migrations import migrate  # noqa: E402

TARGET = ROOT / "docs" / "data-model.md"
HEAD = """# Data model
Generated from the migrated schema by `make docs`; the words are the comments in `schema/`.
Row-level security is enabled and forced on every table. How the schema decides who sees what: [security](security.md).

```mermaid
erDiagram
"""
COLUMNS = """
    select c.relname as table_name, obj_description(c.oid) as about, a.attname as column_name,
           format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as required,
           col_description(c.oid, a.attnum) as comment,
           exists (select from pg_index i
                    where i.indrelid = c.oid and i.indisprimary and a.attnum = any (i.indkey)) as key
      from pg_class c
      join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relnamespace = 'wedsync'::regnamespace and c.relkind = 'r'
     order by c.relname, a.attnum
"""
REFERENCES = """
    select conrelid::regclass::text as child, confrelid::regclass::text as parent,
           string_agg(attname, ', ' order by attnum) as columns, bool_and(attnotnull) as required
      from pg_constraint
      join pg_attribute on attrelid = conrelid and attnum = any (conkey)
     where contype = 'f' and connamespace = 'wedsync'::regnamespace
     group by conname, conrelid, confrelid
     order by 1, 2, 3
"""


@contextmanager
def _schema() -> Iterator[psycopg.Connection[dict[str, Any]]]:
    with tempfile.TemporaryDirectory() as home:
        server = Postgres(Path(home), free_port(), durable=False)
        server.prepare()
        server.start()
        try:
            migrate(server.master().dsn, ROOT / "schema", {1: bytes(32)})
            with psycopg.Connection[dict[str, Any]].connect(
                server.superuser("wedsync").dsn, row_factory=dict_row
            ) as connection:
                connection.execute("set search_path = wedsync")
                yield connection
        finally:
            server.stop()


def _drawing(columns: Sequence[dict[str, Any]], references: Sequence[dict[str, Any]]) -> Iterator[str]:
    for table, rows in groupby(columns, key=lambda row: row["table_name"]):
        yield f"    {table} {{"
        for row in rows:
            kind = row["type"].replace(" ", "_").replace("[]", "_array")
            yield f"        {kind} {row['column_name']}{' PK' if row['key'] else ''}"
        yield "    }"
    for row in references:
        line = "||--o{" if row["required"] else "|o--o{"
        yield f'    {row["parent"]} {line} {row["child"]} : "{row["columns"]}"'


def _words(columns: Sequence[dict[str, Any]]) -> Iterator[str]:
    for table, rows in groupby(columns, key=lambda row: row["table_name"]):
        listed = list(rows)
        yield f"\n## {table}\n{listed[0]['about']}\n\n| column | type | |\n|---|---|---|"
        for row in listed:
            optional = "" if row["required"] else ", may be null"
            yield f"| `{row['column_name']}` | {row['type']}{optional} | {row['comment'] or ''} |"


def page() -> str:
    """The page as it has to be."""
    with _schema() as connection:
        columns = connection.execute(COLUMNS).fetchall()
        references = connection.execute(REFERENCES).fetchall()
    return HEAD + "\n".join([*_drawing(columns, references), "```", *_words(columns)]) + "\n"


def main() -> None:
    text = page()
    if "--check" in sys.argv[1:]:
        if not TARGET.exists() or TARGET.read_text() != text:
            raise SystemExit(f"{TARGET.relative_to(ROOT)} is not what the schema says: make docs")
        return
    TARGET.write_text(text)


if __name__ == "__main__":
    main()
