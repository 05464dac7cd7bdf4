"""What every table, function and role of the schema must be, whoever adds the next one."""

from __future__ import annotations

from tests.fixtures.postgres import Database
from tests.fixtures.wedding import behind

OURS = "('wedsync', 'private', 'app')"


def test_every_table_has_row_security_enabled_and_forced(database: Database) -> None:
    tables = behind(
        database,
        "select relname, relrowsecurity, relforcerowsecurity from pg_class c join pg_namespace n on n.oid = relnamespace "
        "where nspname in ('wedsync', 'private') and relkind in ('r', 'p')",
    )

    assert len(tables) >= 17
    assert [t["relname"] for t in tables if not (t["relrowsecurity"] and t["relforcerowsecurity"])] == []


def test_every_table_has_a_policy_and_a_comment_and_so_has_every_telling_column(database: Database) -> None:
    bare = behind(
        database,
        "select relname from pg_class c join pg_namespace n on n.oid = relnamespace where nspname in ('wedsync', 'private') "
        "and relkind = 'r' and (obj_description(c.oid) is null or not exists (select from pg_policy where polrelid = c.oid))",
    )
    speechless = behind(
        database,
        "select relname from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = 'wedsync' and relkind = 'r' "
        "and relname not in ('organization_members') and not exists (select from pg_attribute a "
        "where attrelid = c.oid and attnum > 0 and col_description(c.oid, attnum) is not null)",
    )
    mute = behind(
        database,
        "select proname from pg_proc p join pg_namespace n on n.oid = pronamespace where nspname in ('app', 'private') "
        "and obj_description(p.oid) is null",
    )

    assert (bare, speechless, mute) == ([], [], [])


def test_every_definer_function_has_a_fixed_search_path_and_is_not_public(database: Database) -> None:
    loose = behind(
        database,
        "select proname from pg_proc p join pg_namespace n on n.oid = pronamespace where nspname in ('app', 'private') "
        "and (proconfig is null or not exists (select from unnest(proconfig) c where c like 'search_path=pg_catalog%%'))",
    )
    public = behind(
        database,
        "select proname from pg_proc p join pg_namespace n on n.oid = pronamespace where nspname in ('app', 'private') "
        "and exists (select from aclexplode(coalesce(proacl, acldefault('f', proowner))) where grantee = 0)",
    )

    assert (loose, public) == ([], [])


def test_every_view_is_the_invokers(database: Database) -> None:
    views = behind(
        database,
        "select relname from pg_class c join pg_namespace n on n.oid = relnamespace where nspname in ('wedsync', 'private', 'app') "
        "and relkind in ('v', 'm') and not coalesce('security_invoker=true' = any (reloptions), false)",
    )

    assert views == []


def test_every_foreign_key_has_an_index(database: Database) -> None:
    bare = behind(
        database,
        """
        select conrelid::regclass::text as table, conname from pg_constraint k join pg_namespace n on n.oid = connamespace
         where contype = 'f' and nspname in ('wedsync', 'private')
           and not exists (select from pg_index i where i.indrelid = conrelid
                              and (i.indkey::int2[])[0:cardinality(conkey) - 1] @> conkey)
        """,
    )

    assert bare == []


def test_the_applications_roles_own_nothing_and_belong_to_nobody(database: Database) -> None:
    owned = behind(
        database,
        "select rolname from pg_shdepend d join pg_roles r on r.oid = refobjid where deptype = 'o' "
        "and rolname in ('wedsync_app', 'wedsync_worker')",
    )
    members = behind(
        database,
        "select rolname from pg_auth_members m join pg_roles r on r.oid = m.member "
        "where rolname in ('wedsync_app', 'wedsync_worker', 'wedsync_owner', 'wedsync_access')",
    )
    mighty = behind(
        database,
        "select rolname from pg_roles where rolname like 'wedsync%%' "
        "and (rolsuper or rolbypassrls or rolreplication or (rolcreaterole and rolname <> 'wedsync_master'))",
    )

    assert (owned, members, mighty) == ([], [], [])


def test_the_applications_roles_may_neither_truncate_nor_trigger(database: Database) -> None:
    grants = behind(
        database,
        "select grantee, table_name, privilege_type from information_schema.table_privileges "
        "where grantee in ('wedsync_app', 'wedsync_worker', 'PUBLIC') and table_schema in ('wedsync', 'private', 'app') "
        "and privilege_type not in ('SELECT', 'INSERT')",
    )

    assert grants == []


def test_no_enum_and_no_extension_is_needed(database: Database) -> None:
    enums = behind(
        database,
        "select typname from pg_type where typtype = 'e' and typnamespace::regnamespace::text = 'wedsync'",
    )
    extensions = behind(database, "select extname from pg_extension where extname <> 'plpgsql'")

    assert (enums, extensions) == ([], [])
