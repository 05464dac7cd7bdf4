-- Who is asking: the signed context of a transaction (R5, R12), the clock (R29) and the epoch (R4).

set role wedsync_access;

create table private.context_keys (
    key_id    integer     primary key,
    inner_pad bytea       not null check (octet_length(inner_pad) = 64),
    outer_pad bytea       not null check (octet_length(outer_pad) = 64),
    not_after timestamptz not null default 'infinity'
);
comment on table  private.context_keys           is 'HMAC-SHA-256 pads of the keys that sign contexts; written by the migrate function. Two overlap in a rotation.';
comment on column private.context_keys.inner_pad is 'Key xor 0x36 (RFC 2104).';
comment on column private.context_keys.outer_pad is 'Key xor 0x5c (RFC 2104).';

create table private.clock (
    id      boolean  primary key default true check (id),
    shifted interval not null default '0'
);
insert into private.clock default values;
comment on table private.clock is 'How far app.now() runs ahead of the real clock: zero, except in tests of one machine.';

create table private.cluster (
    id       boolean primary key default true check (id),
    epoch    text    not null check (epoch ~ '^[0-9a-f]{8}$'),
    identity text
);
comment on table  private.cluster          is 'The epoch of the log, and the database cluster it belongs to.';
comment on column private.cluster.epoch    is 'Changes when the database is restored; sequence numbers compare only within one epoch.';
comment on column private.cluster.identity is 'Identity of the cluster at that time; another one means a restore that nobody has finished.';
insert into private.cluster (epoch) values (substr(replace(gen_random_uuid()::text, '-', ''), 1, 8));

do $$
begin
    perform private.protect('private.context_keys',
                            'private.clock',
                            'private.cluster');
end
$$;

-- What every statement or row asks is plpgsql, which keeps its plans: a definer function in SQL is planned at every call (0.1 ms).
create function app.now() returns timestamptz
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return (select clock_timestamp() + shifted from private.clock);
end
$$;
comment on function app.now() is 'The time that is stored: the real clock plus the test offset (R29).';

create function app.epoch() returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return (select c.epoch from private.cluster c);
end
$$;
comment on function app.epoch() is 'The epoch of the log (R4).';

create function app.context() returns text[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    context text   := nullif(current_setting('app.context', true), '');
    part    text[] := string_to_array(context, '|');
    signed  bytea;
begin
    if context is null then
        return null;
    end if;
    -- Nothing is cast before the signature holds, and what we sign is well formed: a pattern match here cost 27 of 34 us.
    select sha256(k.outer_pad || sha256(k.inner_pad || convert_to(array_to_string(part[1:4], '|'), 'UTF8'))) into signed
      from private.context_keys k where k.key_id::text = part[1] and k.not_after > clock_timestamp();
    if cardinality(part) <> 5 or signed is null or encode(signed, 'hex') <> part[5] then
        raise exception 'bad context signature' using errcode = '28000';
    end if;
    if to_timestamp(part[4]::bigint) <= clock_timestamp() then
        raise exception 'context expired' using errcode = '28000';
    end if;
    return part;
end
$$;
comment on function app.context() is 'The verified context {key id, user, kind, expiry, HMAC}, or null without one. SQLSTATE 28000 if it is forged, truncated or expired.';

create function app.user_id() returns uuid
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return (app.context())[2]::uuid;
end
$$;
comment on function app.user_id() is 'Whose transaction this is; null without a context.';

create function app.enter(context text) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if context !~ '^[0-9]{1,9}\|[0-9a-f-]{36}\|(user|service|support|worker)\|[0-9]{1,12}\|[0-9a-f]{64}$' then
        raise exception 'malformed context' using errcode = '28000';
    end if;
    perform set_config('app.context', context, true);
    perform app.context();
end
$$;
comment on function app.enter(text) is 'Sets the signed context of this transaction. The client sends no SET of its own: that would pin its connection in RDS Proxy.';

create function private.cluster_identity() returns text
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select system_identifier || '/' || timeline_id from pg_control_system(), pg_control_checkpoint() $$;
comment on function private.cluster_identity() is 'Identity of this cluster where the platform gives no better one: it changes with initdb and with every point-in-time restore.';

create function app.check_cluster(identity text) returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if (select c.identity from private.cluster c) is distinct from coalesce(nullif(check_cluster.identity, ''), private.cluster_identity()) then
        raise exception 'the database was restored and not yet released' using errcode = 'WS503';
    end if;
end
$$;
comment on function app.check_cluster(text) is 'Once per connection: SQLSTATE WS503 unless this is the cluster that the epoch belongs to (R4). The argument is the platform''s identity of it, or empty.';

create function private.adopt_cluster(identity text) returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
    update private.cluster c
       set identity = coalesce(nullif(adopt_cluster.identity, ''), private.cluster_identity())
     where c.identity is null
$$;
comment on function private.adopt_cluster(text) is 'Called by the migrate function: binds a new database to the cluster it was made on; never re-binds.';

create function private.put_context_key(key_id integer, key bytea) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    inner_pad bytea := key || decode(repeat('00', 64 - octet_length(key)), 'hex');
    outer_pad bytea := inner_pad;
    i         integer;
begin
    for i in 0..63 loop
        outer_pad := set_byte(outer_pad, i, get_byte(inner_pad, i) # 92);
        inner_pad := set_byte(inner_pad, i, get_byte(inner_pad, i) # 54);
    end loop;
    insert into private.context_keys values (put_context_key.key_id, inner_pad, outer_pad)
    on conflict on constraint context_keys_pkey do update set inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad, not_after = 'infinity';
end
$$;
comment on function private.put_context_key(integer, bytea) is 'Stores the pads of a key of at most 64 bytes.';

create function private.retire_context_keys(kept integer[]) returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
    update private.context_keys set not_after = clock_timestamp() + interval '15 minutes'
     where key_id <> all (kept) and not_after = 'infinity'
$$;
comment on function private.retire_context_keys(integer[]) is 'Keys that left the secret stop working when the last context they signed has expired.';

revoke all on all functions in schema app, private from public;
grant execute on function app.now(), app.epoch(), app.context(), app.user_id(), app.enter(text), app.check_cluster(text) to wedsync_app, wedsync_worker;
grant execute on function app.now(), app.context() to wedsync_owner;
reset role;
