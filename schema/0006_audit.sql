-- The audit log: who changed the directory, and which columns (R26). The threads' own log audits what happens in them.

set role wedsync_owner;

create table wedsync.audit_log (
    id          uuid        primary key default gen_random_uuid(),
    at          timestamptz not null,
    actor_id    uuid,
    actor_kind  text        not null,
    action      text        not null check (action in ('insert', 'update', 'delete')),
    object_type text        not null,
    object_id   text        not null,
    columns     text[]      not null
);
create index audit_log_object on wedsync.audit_log (object_type, object_id, at);
comment on table  wedsync.audit_log            is 'One row per audited change. Insert only; ids and names of columns, never values.';
comment on column wedsync.audit_log.actor_id   is 'User or service of the context; null for a migration.';
comment on column wedsync.audit_log.actor_kind is 'Kind of the context, or migration.';
comment on column wedsync.audit_log.object_id  is 'Primary key, its parts joined by a slash.';
comment on column wedsync.audit_log.columns    is 'Names of the columns that changed.';
alter table wedsync.audit_log enable row level security;
alter table wedsync.audit_log force row level security;
create policy writes on wedsync.audit_log for insert to wedsync_access with check (true);
grant insert on wedsync.audit_log to wedsync_access;
reset role;

set role wedsync_access;

create function private.audit() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    context text[]  := app.context();
    before  jsonb   := coalesce(to_jsonb(old), '{}');
    after   jsonb   := coalesce(to_jsonb(new), '{}');
    row     jsonb   := before || after;
    changed text[]  := array(select key from jsonb_object_keys(row) key
                              where before -> key is distinct from after -> key and key not in ('created_at', 'updated_at') order by key);
    part    text;
    id      text[]  := '{}';
begin
    if changed = '{}' then
        return null;
    end if;
    foreach part in array tg_argv loop
        id := id || (row ->> part);
    end loop;
    insert into wedsync.audit_log (at, actor_id, actor_kind, action, object_type, object_id, columns)
    values (app.now(), context[2]::uuid, coalesce(context[3], 'migration'), lower(tg_op), tg_table_name, array_to_string(id, '/'), changed);
    return null;
end
$$;
comment on function private.audit() is 'Trigger: writes one audit row; its arguments name the columns of the primary key.';
revoke all on function private.audit() from public;
grant execute on function private.audit() to wedsync_owner;
reset role;

set role wedsync_owner;
create trigger audit after insert or update or delete on wedsync.organizations        for each row execute function private.audit('id');
create trigger audit after insert or update or delete on wedsync.users                for each row execute function private.audit('id');
create trigger audit after insert or update or delete on wedsync.contact_points       for each row execute function private.audit('id');
create trigger audit after insert or update or delete on wedsync.organization_members for each row execute function private.audit('organization_id', 'user_id');
create trigger audit after insert or update or delete on wedsync.weddings             for each row execute function private.audit('id');
create trigger audit after insert or update or delete on wedsync.wedding_members      for each row execute function private.audit('wedding_id', 'user_id');
reset role;
