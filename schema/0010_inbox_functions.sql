-- A person's own notifications and devices, and who may know what became of a message.

set role wedsync_owner;

alter table wedsync.contact_points
    add column name          text  check (char_length(name) between 1 and 100),
    add column endpoint_hash bytea check (octet_length(endpoint_hash) = 32);
create unique index contact_points_endpoint on wedsync.contact_points (endpoint_hash) where endpoint_hash is not null;
comment on column wedsync.contact_points.name          is 'What the person calls a device.';
comment on column wedsync.contact_points.endpoint_hash is 'SHA-256 of a device''s endpoint: a browser belongs to one person at a time, also after its keys have changed.';

create index inbox_items_unread on wedsync.inbox_items (user_id) where read_at is null;
reset role;

set role wedsync_access;

create function app.put_device(id uuid, endpoint bytea, address text, name text, up_to integer)
returns table (device_id uuid, device_name text, created_at timestamptz, created boolean)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform from wedsync.users u where u.id = app.user_id() for update;
    if not found then
        raise exception 'the directory does not know this person' using errcode = 'WS403';
    end if;
    delete from wedsync.contact_points c where c.endpoint_hash = put_device.endpoint and c.user_id <> app.user_id();
    if not exists (select from wedsync.contact_points c where c.endpoint_hash = put_device.endpoint)
       and (select count(*) from wedsync.contact_points c where c.user_id = app.user_id() and c.channel = 'device') >= up_to then
        raise exception 'too many devices: delete one first' using errcode = 'WS409';
    end if;
    return query
        insert into wedsync.contact_points as c (id, user_id, channel, address, source, created_at, name, endpoint_hash)
        values (put_device.id, app.user_id(), 'device', put_device.address, 'self', app.now(), put_device.name, put_device.endpoint)
        on conflict (endpoint_hash) where endpoint_hash is not null
        do update set address = excluded.address, name = coalesce(excluded.name, c.name)
        returning c.id, c.name, c.created_at, c.xmax = 0;
end
$$;
comment on function app.put_device(uuid, bytea, text, text, integer) is
    'POST /me/devices: the caller''s device; a known endpoint keeps its id, and whoever had it before has it no more. The lock makes the limit hold.';

create function app.delete_device(device uuid) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    delete from wedsync.contact_points c where c.id = device and c.user_id = app.user_id() and c.channel = 'device';
    return found;
end
$$;
comment on function app.delete_device(uuid) is 'DELETE /me/devices/{id}: whether the caller had it.';

create function app.receipts(asked uuid)
returns table (seq bigint, user_id uuid, display_name text, delivered boolean, read boolean, channel text, status text, at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    m wedsync.thread_messages;
begin
    select * into m from wedsync.thread_messages c where c.id = asked and private.sees(app.user_id(), c.thread_id, c.seq);
    if m.id is null then
        raise exception 'no such message' using errcode = 'WS404';
    end if;
    if m.sender_id <> app.user_id() and not exists (
           select from wedsync.communication_threads t join wedsync.wedding_members w on w.wedding_id = t.wedding_id
            where t.id = m.thread_id and w.user_id = app.user_id() and w.role = 'planner') then
        raise exception 'only its author and the planners know what became of a message' using errcode = 'WS403';
    end if;
    return query
        select m.seq, p.user_id, u.display_name, p.delivered_seq >= m.seq, p.read_seq >= m.seq, d.channel, d.status, d.updated_at
          from wedsync.thread_participants p
          join wedsync.users u on u.id = p.user_id
          left join wedsync.deliveries d on d.message_id = m.id and d.user_id = p.user_id
         where p.thread_id = m.thread_id and p.user_id <> m.sender_id and p.left_at is null and private.sees(p.user_id, p.thread_id, m.seq)
         order by u.display_name, p.user_id, d.channel, d.created_at, d.id;
end
$$;
comment on function app.receipts(uuid) is
    'GET /messages/{id}/receipts: for the author, or a planner who sees it (R11): each addressee who still sees it, once per delivery. '
    'Why one was withheld is the addressee''s own affair and not told.';

revoke all on function app.put_device(uuid, bytea, text, text, integer), app.delete_device(uuid), app.receipts(uuid) from public;
grant execute on function app.put_device(uuid, bytea, text, text, integer), app.delete_device(uuid), app.receipts(uuid) to wedsync_app;
reset role;
