-- Roles and schemas. The connected role is the master: CREATEROLE, owner of the database, no superuser (as on Aurora).
-- Roles belong to the whole cluster, so a second database on it finds them there.

do $$
declare
    wanted text;
begin
    foreach wanted in array array['wedsync_owner', 'wedsync_access', 'wedsync_migrator'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            execute format('create role %I nologin noinherit', wanted);
        end if;
    end loop;
    foreach wanted in array array['wedsync_app', 'wedsync_worker'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            execute format('create role %I login noinherit', wanted);
        end if;
    end loop;
    grant wedsync_owner, wedsync_access to wedsync_migrator;
    execute format('grant wedsync_owner, wedsync_access, wedsync_migrator to %I', current_user);
    if exists (select from pg_roles where rolname = 'rds_iam') then
        grant rds_iam to wedsync_app, wedsync_worker;
    end if;
end
$$;

-- Time limits stand on the role: a SET from the client would pin its connection in RDS Proxy.
alter role wedsync_app set statement_timeout = '5s';
alter role wedsync_app set lock_timeout = '2s';
alter role wedsync_app set idle_in_transaction_session_timeout = '10s';
alter role wedsync_app set search_path = wedsync;
alter role wedsync_worker set statement_timeout = '30s';
alter role wedsync_worker set lock_timeout = '5s';
alter role wedsync_worker set idle_in_transaction_session_timeout = '30s';
alter role wedsync_worker set search_path = wedsync;

revoke all on schema public from public;

create schema wedsync authorization wedsync_owner;
create schema app authorization wedsync_access;
create schema private authorization wedsync_access;

set role wedsync_owner;
grant usage on schema wedsync to wedsync_app, wedsync_worker, wedsync_access;
comment on schema wedsync is 'The tables of the product. Row-level security is enabled and forced on every one.';
reset role;

set role wedsync_access;
grant usage on schema app to wedsync_app, wedsync_worker, wedsync_owner;
grant usage on schema private to wedsync_owner;
comment on schema app is 'The functions that the application may call.';
comment on schema private is 'What only wedsync_access reads: context keys, the identity of the cluster, the test clock.';

create function private.protect(variadic tables regclass[]) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
    named regclass;
begin
    foreach named in array tables loop
        execute format('alter table %s enable row level security', named);
        execute format('alter table %s force row level security', named);
        execute format('create policy access on %s to wedsync_access using (true) with check (true)', named);
        execute format('grant select, insert, update, delete on %s to wedsync_access', named);
    end loop;
end
$$;
comment on function private.protect(regclass[]) is 'Called by a table''s owner: row-level security, forced; wedsync_access reaches all rows by a policy, nobody bypasses any.';
revoke all on function private.protect(regclass[]) from public;
grant execute on function private.protect(regclass[]) to wedsync_owner;
reset role;
