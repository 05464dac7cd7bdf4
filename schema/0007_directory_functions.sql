-- The directory endpoints: full replacement of one resource each, by a service only. A removal is one act with all it entails (R9).
-- Locks are taken in one order everywhere: membership of the organization, wedding, its threads by id.

set role wedsync_access;

create function private.require_service() returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if (app.context())[3] is distinct from 'service' then
        raise exception 'only the platform''s back end may do this' using errcode = 'WS403';
    end if;
end
$$;
comment on function private.require_service() is 'SQLSTATE WS403 unless the context is that of a service.';

create function private.require_reference(known boolean, field text) returns void
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
begin
    if not known then
        raise exception 'unknown reference' using errcode = 'WS422', hint = field;
    end if;
end
$$;
comment on function private.require_reference(boolean, text) is 'SQLSTATE WS422, the field as hint, unless it is known.';

create function private.append_event(thread uuid, kind text, subject uuid, data jsonb) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    t wedsync.communication_threads;
begin
    update wedsync.communication_threads c
       set last_seq = c.last_seq + 1, last_activity_at = greatest(app.now(), c.last_activity_at), changed_xid = pg_current_xact_id()::text::bigint
     where c.id = thread
    returning * into strict t;
    insert into wedsync.thread_events (thread_id, seq, kind, at, actor_id, user_id, data)
    values (thread, t.last_seq, append_event.kind, t.last_activity_at, app.user_id(), subject, append_event.data);
    insert into wedsync.outbox (thread_id, seq, lane, created_at) values (thread, t.last_seq, 'ordinary', t.last_activity_at);
    return t.last_seq;
end
$$;
comment on function private.append_event(uuid, text, uuid, jsonb) is 'Next seq, event and outbox row of a change of access, in the transaction of the change (R3, R17).';

create type app.change as (
    thread_id uuid, epoch text, seq bigint, kind text, at timestamptz, actor_id uuid, user_id uuid, data jsonb, audience uuid[]
);
comment on type app.change is 'An event just written, and whom it is pushed to.';

create function private.change(thread uuid, seq bigint) returns app.change
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
    select (e.thread_id, app.epoch(), e.seq, e.kind, e.at, e.actor_id, e.user_id, e.data, private.audience(e.thread_id, e.seq))::app.change
      from wedsync.thread_events e where e.thread_id = thread and e.seq = change.seq
$$;
comment on function private.change(uuid, bigint) is 'The event at this seq as app.change.';

create function app.put_organization(id uuid, name text, kind text, verified boolean)
returns table (created boolean)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform private.require_service();
    return query
        insert into wedsync.organizations as o (id, name, kind, verified, created_at, updated_at)
        values (put_organization.id, put_organization.name, put_organization.kind, put_organization.verified, app.now(), app.now())
        on conflict on constraint organizations_pkey
        do update set name = excluded.name, kind = excluded.kind, verified = excluded.verified, updated_at = excluded.updated_at
        returning o.xmax = 0;
end
$$;
comment on function app.put_organization(uuid, text, text, boolean) is 'PUT /directory/organizations/{id}.';

create function app.put_user(id uuid, display_name text, email text, phone text, locale text, time_zone text) returns table (created boolean)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    is_new boolean;
begin
    perform private.require_service();
    insert into wedsync.users as u (id, display_name, locale, time_zone, created_at, updated_at)
    values (put_user.id, put_user.display_name, put_user.locale, put_user.time_zone, app.now(), app.now())
    on conflict on constraint users_pkey
    do update set display_name = excluded.display_name, locale = excluded.locale, time_zone = excluded.time_zone, updated_at = excluded.updated_at
    returning u.xmax = 0 into is_new;
    delete from wedsync.contact_points c
     where c.user_id = put_user.id and c.source = 'directory'
       and (c.channel, c.address) not in (select * from (values ('email', put_user.email), ('phone', coalesce(put_user.phone, ''))) stated);
    insert into wedsync.contact_points (id, user_id, channel, address, source, created_at)
    select gen_random_uuid(), put_user.id, stated.channel, stated.address, 'directory', app.now()
      from (values ('email', put_user.email), ('phone', put_user.phone)) stated (channel, address)
     where stated.address is not null
    on conflict (user_id, channel, address) do nothing;
    return query select is_new;
end
$$;
comment on function app.put_user(uuid, text, text, text, text, text) is 'PUT /directory/users/{id}: the person and his directory addresses.';

create function app.put_organization_member(organization_id uuid, user_id uuid, role text) returns table (created boolean)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform private.require_service();
    perform private.require_reference(exists (select from wedsync.organizations o where o.id = put_organization_member.organization_id), 'organization_id');
    perform private.require_reference(exists (select from wedsync.users u where u.id = put_organization_member.user_id), 'user_id');
    return query
        insert into wedsync.organization_members as m (organization_id, user_id, role, created_at, updated_at)
        values (put_organization_member.organization_id, put_organization_member.user_id, put_organization_member.role, app.now(), app.now())
        on conflict on constraint organization_members_pkey do update set role = excluded.role, updated_at = excluded.updated_at
        returning m.xmax = 0;
end
$$;
comment on function app.put_organization_member(uuid, uuid, text) is 'PUT /directory/organizations/{id}/members/{user_id}.';

create function app.put_wedding(id uuid, organization_id uuid, title text, wedding_date date, time_zone text,
                                starts_at timestamptz, ends_at timestamptz, venue text, status text) returns table (created boolean)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform private.require_service();
    perform private.require_reference(exists (select from wedsync.organizations o where o.id = put_wedding.organization_id), 'organization_id');
    return query
        insert into wedsync.weddings as w (id, organization_id, title, wedding_date, time_zone, starts_at, ends_at, venue, status, created_at, updated_at)
        values (put_wedding.id, put_wedding.organization_id, put_wedding.title, put_wedding.wedding_date, put_wedding.time_zone,
                put_wedding.starts_at, put_wedding.ends_at, put_wedding.venue, put_wedding.status, app.now(), app.now())
        on conflict on constraint weddings_pkey
        do update set organization_id = excluded.organization_id, title = excluded.title, wedding_date = excluded.wedding_date,
                      time_zone = excluded.time_zone, starts_at = excluded.starts_at, ends_at = excluded.ends_at, venue = excluded.venue,
                      status = excluded.status, updated_at = excluded.updated_at
        returning w.xmax = 0;
end
$$;
comment on function app.put_wedding(uuid, uuid, text, date, text, timestamptz, timestamptz, text, text) is 'PUT /directory/weddings/{id}.';

create function app.put_wedding_member(wedding_id uuid, user_id uuid, role text, organization_id uuid, service text, lead boolean)
returns table (created boolean)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    wedding alias for $1;
    person  alias for $2;
begin
    perform private.require_service();
    if put_wedding_member.organization_id is not null then
        perform from wedsync.organization_members m
          where m.organization_id = put_wedding_member.organization_id and m.user_id = person for share;
        perform private.require_reference(found, 'organization_id');
    end if;
    perform from wedsync.weddings w where w.id = wedding for update;
    perform private.require_reference(found, 'wedding_id');
    perform from wedsync.communication_threads t where t.wedding_id = wedding order by t.id for no key update;
    perform private.require_reference(exists (select from wedsync.users u where u.id = person), 'user_id');
    if put_wedding_member.role = 'vendor' and not exists (select from wedsync.organizations o
             where o.id = put_wedding_member.organization_id and o.kind in ('vendor', 'venue') and o.verified) then
        raise exception 'a vendor joins a wedding for a verified vendor organization' using errcode = 'WS422', hint = 'organization_id';
    end if;
    return query
        insert into wedsync.wedding_members as m (wedding_id, user_id, role, organization_id, service, lead, created_at, updated_at)
        values (wedding, person, put_wedding_member.role, put_wedding_member.organization_id, put_wedding_member.service,
                put_wedding_member.lead, app.now(), app.now())
        on conflict on constraint wedding_members_pkey
        do update set role = excluded.role, organization_id = excluded.organization_id, service = excluded.service,
                      lead = excluded.lead, updated_at = excluded.updated_at
        returning m.xmax = 0;
end
$$;
comment on function app.put_wedding_member(uuid, uuid, text, uuid, text, boolean) is 'PUT /directory/weddings/{id}/members/{user_id}.';

create function private.leave_wedding(wedding uuid, person uuid) returns setof app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    thread uuid;
begin
    perform from wedsync.weddings w where w.id = wedding for update;
    perform from wedsync.communication_threads t where t.wedding_id = wedding order by t.id for no key update;
    delete from wedsync.wedding_members m where m.wedding_id = wedding and m.user_id = person;
    for thread in
        update wedsync.thread_participants p set left_at = app.now(), changed_xid = pg_current_xact_id()::text::bigint
          from wedsync.communication_threads t
         where t.id = p.thread_id and t.wedding_id = wedding and p.user_id = person and p.left_at is null
        returning p.thread_id
    loop
        return next private.change(thread, private.append_event(thread, 'participant.removed', person, '{}'));
    end loop;
end
$$;
comment on function private.leave_wedding(uuid, uuid) is 'Removes a member of a wedding from it and from all its threads, each with its event (R9).';

create function app.delete_wedding_member(wedding_id uuid, user_id uuid) returns setof app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform private.require_service();
    if not exists (select from wedsync.wedding_members m where m.wedding_id = $1 and m.user_id = $2) then
        raise exception 'no such member' using errcode = 'WS404';
    end if;
    return query select * from private.leave_wedding($1, $2);
end
$$;
comment on function app.delete_wedding_member(uuid, uuid) is 'DELETE /directory/weddings/{id}/members/{user_id}.';

create function app.delete_organization_member(organization_id uuid, user_id uuid) returns setof app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    wedding uuid;
begin
    perform private.require_service();
    delete from wedsync.organization_members m where m.organization_id = $1 and m.user_id = $2;
    if not found then
        raise exception 'no such member' using errcode = 'WS404';
    end if;
    for wedding in
        select m.wedding_id from wedsync.wedding_members m where m.organization_id = $1 and m.user_id = $2 order by m.wedding_id
    loop
        return query select * from private.leave_wedding(wedding, $2);
    end loop;
end
$$;
comment on function app.delete_organization_member(uuid, uuid) is 'DELETE /directory/organizations/{id}/members/{user_id}: he also leaves the weddings where he worked for it.';

revoke all on all functions in schema private from public;
revoke all on all functions in schema app from public;
grant execute on function
    app.put_organization(uuid, text, text, boolean), app.put_user(uuid, text, text, text, text, text), app.put_organization_member(uuid, uuid, text),
    app.put_wedding(uuid, uuid, text, date, text, timestamptz, timestamptz, text, text),
    app.put_wedding_member(uuid, uuid, text, uuid, text, boolean),
    app.delete_wedding_member(uuid, uuid), app.delete_organization_member(uuid, uuid) to wedsync_app;
reset role;
