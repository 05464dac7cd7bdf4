-- Who may see what: the access table, the triggers that keep it, the one predicate (R7), the policies.

set role wedsync_owner;

create table wedsync.thread_access (
    user_id     uuid   not null,
    thread_id   uuid   not null references wedsync.communication_threads on delete cascade,
    source      text   not null check (source in ('participant', 'host')),
    from_seq    bigint not null,
    to_seq      bigint not null default 9223372036854775807,
    changed_xid bigint not null,
    primary key (user_id, thread_id, source, from_seq)
);
create index thread_access_thread on wedsync.thread_access (thread_id);
comment on table  wedsync.thread_access        is 'Who sees which part of which thread: derived from members, participants, windows and visibility, kept by triggers, written by nothing else.';
comment on column wedsync.thread_access.source is 'participant: also hears pushes; host: reads along (R10).';
comment on column wedsync.thread_access.to_seq is 'Last seq; the largest bigint while the window is open.';
comment on column wedsync.thread_access.changed_xid is 'Transaction id of the last change: how sync learns of a thread that was opened to somebody (R19).';

create table wedsync.thread_revocations (
    user_id     uuid   not null,
    thread_id   uuid   not null references wedsync.communication_threads on delete cascade,
    changed_xid bigint not null,
    primary key (user_id, thread_id)
);
create index thread_revocations_thread on wedsync.thread_revocations (thread_id);
create index thread_revocations_changed on wedsync.thread_revocations (changed_xid);
comment on table  wedsync.thread_revocations             is 'Who lost sight of which thread: what sync reports as gone and sockets as revoked. Kept with thread_access.';
comment on column wedsync.thread_revocations.changed_xid is 'Transaction id of the loss (R19).';

do $$
begin
    perform private.protect('wedsync.thread_access',
                            'wedsync.thread_revocations');
end
$$;
reset role;

set role wedsync_access;

create view private.computed_access with (security_invoker = true) as
    select p.user_id, p.thread_id, 'participant'::text as source, w.from_seq, coalesce(w.to_seq, 9223372036854775807) as to_seq
      from wedsync.thread_participants p
      join wedsync.participation_windows w using (thread_id, user_id)
      join wedsync.communication_threads t on t.id = p.thread_id
      join wedsync.wedding_members m on m.wedding_id = t.wedding_id and m.user_id = p.user_id
     where p.left_at is null
    union all
    select m.user_id, t.id, 'host', t.hosts_from_seq, 9223372036854775807
      from wedsync.communication_threads t
      join wedsync.wedding_members m on m.wedding_id = t.wedding_id and m.role in ('couple', 'planner')
     where t.visibility = 'hosts';
comment on view private.computed_access is 'What wedsync.thread_access must hold.';

create function private.refresh_access(threads uuid[], only_user uuid) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    with outdated as (
        delete from wedsync.thread_access a
         where a.thread_id = any (threads) and (a.user_id = only_user or only_user is null)
           and not exists (select from private.computed_access c
                            where (c.user_id, c.thread_id, c.source, c.from_seq) = (a.user_id, a.thread_id, a.source, a.from_seq))
        returning a.user_id, a.thread_id
    )
    insert into wedsync.thread_revocations as r (user_id, thread_id, changed_xid)
    select distinct o.user_id, o.thread_id, pg_current_xact_id()::text::bigint from outdated o
     where not exists (select from private.computed_access c where c.user_id = o.user_id and c.thread_id = o.thread_id)
    on conflict (user_id, thread_id) do update set changed_xid = excluded.changed_xid;

    insert into wedsync.thread_access as a (user_id, thread_id, source, from_seq, to_seq, changed_xid)
    select c.user_id, c.thread_id, c.source, c.from_seq, c.to_seq, pg_current_xact_id()::text::bigint from private.computed_access c
     where c.thread_id = any (threads) and (c.user_id = only_user or only_user is null)
    on conflict (user_id, thread_id, source, from_seq) do update
       set to_seq = excluded.to_seq, changed_xid = excluded.changed_xid where a.to_seq <> excluded.to_seq;

    delete from wedsync.thread_revocations r
     where r.thread_id = any (threads) and (r.user_id = only_user or only_user is null)
       and exists (select from wedsync.thread_access a where a.user_id = r.user_id and a.thread_id = r.thread_id);
end
$$;
comment on function private.refresh_access(uuid[], uuid) is 'Makes wedsync.thread_access equal to private.computed_access for these threads, for one person or (null) for all, and notes who lost a thread.';

create function private.keep_access() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    changed record := coalesce(new, old);
begin
    case tg_table_name
        when 'communication_threads' then
            perform private.refresh_access(array[changed.id], null);
        when 'wedding_members' then
            perform private.refresh_access(array(select t.id from wedsync.communication_threads t where t.wedding_id = changed.wedding_id), changed.user_id);
        else
            perform private.refresh_access(array[changed.thread_id], changed.user_id);
    end case;
    return null;
end
$$;
comment on function private.keep_access() is 'Trigger: refreshes the access that the changed row decides. Fires on access columns only, never on cursors (R9).';

create function app.visible_threads() returns uuid[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    me uuid := app.user_id();
begin
    return array(select a.thread_id from wedsync.thread_access a where a.user_id = me);
end
$$;
comment on function app.visible_threads() is 'Threads of which the caller sees anything, perhaps twice, for a set to look in; evaluated once per statement.';

-- In a schema that the application cannot name: policies call it, nobody asks it about others.
create function private.sees(viewer uuid, thread uuid, seq bigint) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return exists (select from wedsync.thread_access a
                    where a.user_id = viewer and a.thread_id = thread and sees.seq between a.from_seq and a.to_seq);
end
$$;
comment on function private.sees(uuid, uuid, bigint) is 'The one predicate (R7): whether a person sees this seq of this thread.';

create function private.audience(thread uuid, seq bigint) returns uuid[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return (select coalesce(array_agg(distinct a.user_id), '{}') from wedsync.thread_access a
             where a.thread_id = thread and a.source = 'participant' and private.sees(a.user_id, thread, audience.seq));
end
$$;
comment on function private.audience(uuid, bigint) is 'Whom an event is pushed to: participants who see it; implicit hosts get no push (R10).';

create function app.audience(thread uuid, seq bigint) returns uuid[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return (select private.audience(thread, audience.seq) where private.sees(app.user_id(), thread, audience.seq));
end
$$;
comment on function app.audience(uuid, bigint) is 'The audience of an event that the caller sees; null for any other.';

create function app.revoked_here() returns table (thread_id uuid, user_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select r.thread_id, r.user_id from wedsync.thread_revocations r
     where r.changed_xid = pg_current_xact_id_if_assigned()::text::bigint
$$;
comment on function app.revoked_here() is 'Who lost which thread in this transaction: whose sockets have to hear so.';

create function app.my_weddings() returns uuid[]
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select coalesce(array_agg(m.wedding_id), '{}') from wedsync.wedding_members m where m.user_id = app.user_id() $$;
comment on function app.my_weddings() is 'Weddings that the caller is a member of.';

create function app.my_organizations() returns uuid[]
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select coalesce(array_agg(m.organization_id), '{}') from wedsync.organization_members m where m.user_id = app.user_id() $$;
comment on function app.my_organizations() is 'Organizations that the caller is a member of.';

revoke all on all functions in schema private from public;
revoke all on function app.visible_threads(), app.audience(uuid, bigint), app.revoked_here(), app.my_weddings(), app.my_organizations() from public;
grant execute on function app.visible_threads(), app.audience(uuid, bigint), app.revoked_here(), app.my_weddings(), app.my_organizations() to wedsync_app;
grant execute on function private.keep_access() to wedsync_owner;
grant execute on function private.sees(uuid, uuid, bigint) to wedsync_app, wedsync_owner;
reset role;

set role wedsync_owner;

create trigger keep_access after insert or update of visibility, hosts_from_seq, wedding_id on wedsync.communication_threads
    for each row execute function private.keep_access();
create trigger keep_access after insert or delete or update of left_at on wedsync.thread_participants
    for each row execute function private.keep_access();
create trigger keep_access after insert or delete or update of to_seq on wedsync.participation_windows
    for each row execute function private.keep_access();
create trigger keep_access after insert or delete or update of role on wedsync.wedding_members
    for each row execute function private.keep_access();

-- What the application reads. A person's own rows:
create policy reads on wedsync.users                for select to wedsync_app using (id = (select app.user_id()));
create policy reads on wedsync.contact_points       for select to wedsync_app using (user_id = (select app.user_id()));
create policy reads on wedsync.organization_members for select to wedsync_app using (user_id = (select app.user_id()));
create policy reads on wedsync.wedding_members      for select to wedsync_app using (user_id = (select app.user_id()));
create policy reads on wedsync.thread_revocations   for select to wedsync_app using (user_id = (select app.user_id()));
create policy reads on wedsync.thread_access        for select to wedsync_app using (user_id = (select app.user_id()));
create policy reads on wedsync.organizations        for select to wedsync_app using (id = any ((select app.my_organizations())::uuid[]));
create policy reads on wedsync.weddings             for select to wedsync_app using (id = any ((select app.my_weddings())::uuid[]));
-- Threads and their log, inside his windows:
create policy reads on wedsync.communication_threads for select to wedsync_app using (id = any ((select app.visible_threads())::uuid[]));
create policy reads on wedsync.thread_participants  for select to wedsync_app using (thread_id = any ((select app.visible_threads())::uuid[]));
create policy reads on wedsync.thread_messages      for select to wedsync_app
    using (thread_id = any ((select app.visible_threads())::uuid[]) and private.sees((select app.user_id()), thread_id, seq));
create policy reads on wedsync.thread_events        for select to wedsync_app
    using (thread_id = any ((select app.visible_threads())::uuid[]) and private.sees((select app.user_id()), thread_id, seq)
           and (about_seq is null or private.sees((select app.user_id()), thread_id, about_seq)));
-- What it writes: messages with their events, where it sees the number they take, and a person's own cursors.
-- Everything that changes access goes through functions.
create policy numbers on wedsync.communication_threads for update to wedsync_app using (private.sees((select app.user_id()), id, last_seq));
create policy sends on wedsync.thread_messages for insert to wedsync_app
    with check (sender_id = (select app.user_id()) and private.sees((select app.user_id()), thread_id, seq));
create policy logs on wedsync.thread_events for insert to wedsync_app
    with check (actor_id = (select app.user_id()) and kind like 'message.%' and private.sees((select app.user_id()), thread_id, seq));
create policy queues on wedsync.outbox for insert to wedsync_app with check (private.sees((select app.user_id()), thread_id, seq));
create policy moves on wedsync.thread_participants for update to wedsync_app using (user_id = (select app.user_id()) and left_at is null);

grant select on wedsync.users, wedsync.contact_points, wedsync.organization_members, wedsync.wedding_members, wedsync.thread_access, wedsync.thread_revocations,
                wedsync.organizations, wedsync.weddings, wedsync.communication_threads, wedsync.thread_participants,
                wedsync.thread_messages, wedsync.thread_events to wedsync_app;
grant insert on wedsync.thread_messages, wedsync.thread_events, wedsync.outbox to wedsync_app;
grant update (last_seq, last_activity_at, changed_xid) on wedsync.communication_threads to wedsync_app;
grant update (read_seq, delivered_seq, changed_xid) on wedsync.thread_participants to wedsync_app;
reset role;
