-- Acts on threads and on people's places in them: create by key, edit, close and reopen, roles; mute, snooze and pin.

set role wedsync_owner;

alter table wedsync.communication_threads
    add column version       integer not null default 1 check (version >= 1),
    add column natural_key   text    check (char_length(natural_key) between 1 and 200),
    add column surprise      boolean not null default false,
    add column status_reason text    check (char_length(status_reason) between 1 and 200),
    add check (not surprise or visibility = 'participants');
create index communication_threads_natural_key on wedsync.communication_threads (wedding_id, natural_key) where natural_key is not null;
comment on column wedsync.communication_threads.version       is 'Raised when a field is edited, by nothing else: what If-Match compares (R28).';
comment on column wedsync.communication_threads.natural_key   is 'The client''s own name for it: creating it again finds it, for everybody who sees it. Those who do not see it make one of their own.';
comment on column wedsync.communication_threads.surprise      is 'Something is planned that not all hosts may know of: never visible to hosts as such (R10).';
comment on column wedsync.communication_threads.status_reason is 'Why it has its status, as stated by whoever gave it.';

alter table wedsync.thread_participants
    add column version       integer not null default 1 check (version >= 1),
    add column pinned_at     timestamptz,
    add column snoozed_until timestamptz;
comment on column wedsync.thread_participants.version       is 'Raised when role or permissions change: what If-Match compares.';
comment on column wedsync.thread_participants.pinned_at     is 'When the person pinned the thread to the top of his list.';
comment on column wedsync.thread_participants.snoozed_until is 'Put away until then: no notifications but urgent ones before this time.';
reset role;

set role wedsync_access;

create function app.thread_facts(t wedsync.communication_threads) returns jsonb
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select jsonb_build_object('subject', t.subject, 'status', t.status, 'status_reason', t.status_reason, 'priority_level', t.priority_level,
                              'visibility', t.visibility, 'version', t.version)
$$;
comment on function app.thread_facts(wedsync.communication_threads) is 'A thread as its thread.* events show it: as it is when read (R3).';

create or replace function private.change(thread uuid, seq bigint) returns app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select (e.thread_id, app.epoch(), e.seq, e.kind, e.at, e.actor_id, e.user_id,
                case when e.kind like 'thread.%' then e.data || jsonb_build_object('thread', app.thread_facts(t)) else e.data end,
                private.audience(e.thread_id, e.seq))::app.change
          from wedsync.thread_events e
          join wedsync.communication_threads t on t.id = e.thread_id
         where e.thread_id = change.thread and e.seq = change.seq);
end
$$;
comment on function private.change(uuid, bigint) is 'The event at this seq as app.change; thread.* with the thread as it is.';

create function private.is_planner(t wedsync.communication_threads) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return exists (select from wedsync.wedding_members m where m.wedding_id = t.wedding_id and m.user_id = app.user_id() and m.role = 'planner');
end
$$;
comment on function private.is_planner(wedsync.communication_threads) is 'Whether the caller is a planner of the thread''s wedding.';

create function private.require_version(current integer, stated integer) returns void
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
begin
    if current <> stated then
        raise exception 'it has changed since you read it' using errcode = 'WS412';
    end if;
end
$$;
comment on function private.require_version(integer, integer) is 'SQLSTATE WS412 unless what is edited is what was read.';

create function private.known_thread(wedding uuid, natural_key text) returns uuid
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform pg_advisory_xact_lock(hashtextextended(wedding || ' ' || known_thread.natural_key, 12));
    return (select t.id from wedsync.communication_threads t
             where t.wedding_id = wedding and t.natural_key = known_thread.natural_key and t.id = any (app.visible_threads())
             order by t.created_at, t.id limit 1);
end
$$;
comment on function private.known_thread(uuid, text) is
    'The thread of this key that the caller sees, or null. Whoever asks next waits for the end of this transaction, so that two do not both make one.';

drop function app.create_thread(uuid, uuid, text, text, text, text, jsonb, jsonb, uuid[], text[]);
create function app.create_thread(id uuid, wedding_id uuid, natural_key text, subject text, thread_type text, priority_level text, visibility text,
                                  surprise boolean, wedding_context jsonb, metadata jsonb, people uuid[], roles text[]) returns app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    wedding alias for $2;
    creator uuid        := app.user_id();
    xid     bigint      := pg_current_xact_id()::text::bigint;
    at      timestamptz := app.now();
    part    text;
    known   app.change;
begin
    perform from wedsync.weddings w where w.id = wedding and w.id = any (app.my_weddings()) for share;
    select m.role into part from wedsync.wedding_members m where m.wedding_id = wedding and m.user_id = creator;
    if part is null then
        raise exception 'no such wedding of yours' using errcode = 'WS422', hint = 'wedding_id';
    end if;
    if create_thread.natural_key is not null then
        known.thread_id := private.known_thread(wedding, create_thread.natural_key);
        if known.thread_id is not null then
            return known;
        end if;
    end if;
    if not exists (select from wedsync.thread_rules r where r.thread_type = create_thread.thread_type and r.creators && array['member', part]) then
        raise exception 'a % does not create % threads', part, create_thread.thread_type using errcode = 'WS403';
    end if;
    for i in 1..cardinality(people) loop
        if people[i] <> creator and not private.may_invite(creator, people[i], wedding) then
            raise exception 'nobody at this wedding whom you may add' using errcode = 'WS422', hint = format('participants.%s.user_id', i - 1);
        end if;
    end loop;
    insert into wedsync.communication_threads (id, wedding_id, natural_key, subject, thread_type, priority_level, visibility, hosts_from_seq, surprise,
                                               wedding_context, metadata, created_by, created_at, updated_at, last_activity_at, changed_xid)
    values (create_thread.id, wedding, create_thread.natural_key, create_thread.subject, create_thread.thread_type, create_thread.priority_level,
            create_thread.visibility, case create_thread.visibility when 'hosts' then 1 end, create_thread.surprise,
            create_thread.wedding_context, create_thread.metadata, creator, at, at, at, xid);
    insert into wedsync.thread_participants (thread_id, user_id, role, added_by, added_at, changed_xid)
    select create_thread.id, person, listed.role, creator, at, xid
      from (select creator, 'owner' union select p, r from unnest(people, roles) stated (p, r) where p <> creator) listed (person, role);
    insert into wedsync.participation_windows (thread_id, user_id, from_seq)
    select p.thread_id, p.user_id, 1 from wedsync.thread_participants p where p.thread_id = create_thread.id;
    return private.change(create_thread.id, private.append_event(create_thread.id, 'thread.created', null, '{}'));
end
$$;
comment on function app.create_thread(uuid, uuid, text, text, text, text, text, boolean, jsonb, jsonb, uuid[], text[]) is
    'POST /threads: the caller becomes its owner; everybody present at creation sees it from 1 (R6). Of a natural key he knows, only thread_id is returned and nothing is done. '
    'WS422 with the field as hint; WS403 for a type that he does not create.';

create function app.edit_thread(thread uuid, version integer, stated jsonb) returns app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    t      wedsync.communication_threads := private.lock_thread(thread);
    fields text[];
    shown  text := coalesce(stated ->> 'visibility', t.visibility);
begin
    perform private.require_may(t, 'manage');
    perform private.require_version(t.version, edit_thread.version);
    if t.surprise and shown = 'hosts' then
        raise exception 'a surprise is not for the hosts to see' using errcode = 'WS422', hint = 'visibility';
    end if;
    fields := array(select key from jsonb_each(stated) where value <> to_jsonb(t) -> key order by key);
    if fields = '{}' then
        return null;
    end if;
    update wedsync.communication_threads c
       set subject         = coalesce(stated ->> 'subject', c.subject),
           priority_level  = coalesce(stated ->> 'priority_level', c.priority_level),
           wedding_context = coalesce(stated -> 'wedding_context', c.wedding_context),
           metadata        = coalesce(stated -> 'metadata', c.metadata),
           visibility      = shown,
           hosts_from_seq  = case when shown = 'hosts' then coalesce(c.hosts_from_seq, c.last_seq + 1) end,
           version         = c.version + 1,
           updated_at      = app.now()
     where c.id = thread;
    return private.change(thread, private.append_event(thread, 'thread.updated', null, jsonb_build_object('fields', fields)));
end
$$;
comment on function app.edit_thread(uuid, integer, jsonb) is
    'PATCH /threads/{id}: the stated fields, if the thread has still this version; null if they say nothing new. Hosts see from the seq of the change on (R10).';

create function app.set_thread_status(thread uuid, status text, reason text) returns app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    is_support boolean := (app.context())[3] = 'support';
    t          wedsync.communication_threads;
begin
    if is_support then
        perform from wedsync.weddings w where w.id = (select c.wedding_id from wedsync.communication_threads c where c.id = thread) for share;
        select * into t from wedsync.communication_threads c where c.id = thread for no key update;
        if t.id is null or 'frozen' not in (t.status, set_thread_status.status) and t.id <> all (app.visible_threads()) then
            raise exception 'no such thread' using errcode = 'WS404';
        end if;
    else
        t := private.lock_thread(thread);
    end if;
    if 'frozen' in (t.status, set_thread_status.status) and not is_support and not private.is_planner(t) then
        raise exception 'only a planner of the wedding or the support may do this' using errcode = 'WS403';
    elsif 'frozen' not in (t.status, set_thread_status.status) and not app.may(thread, 'manage') then
        raise exception 'you may not manage this thread' using errcode = 'WS403';
    elsif t.status = set_thread_status.status then
        return null;
    elsif t.status = 'frozen' and set_thread_status.status <> 'active' or t.status = 'archived' and set_thread_status.status = 'closed' then
        raise exception 'the thread is %', t.status using errcode = 'WS409';
    end if;
    update wedsync.communication_threads c set status = set_thread_status.status, status_reason = reason, updated_at = app.now() where c.id = thread;
    return private.change(thread, private.append_event(
        thread, case set_thread_status.status when 'active' then 'thread.reopened' else 'thread.' || set_thread_status.status end, null, '{}'));
end
$$;
comment on function app.set_thread_status(uuid, text, text) is
    'POST /threads/{id}/close, /reopen, /archive, /freeze; null if it has this status already. Freezing, and reopening what is frozen, is for planners '
    'and for the support, which does not see the thread.';

create or replace function app.add_participant(thread uuid, person uuid, role text, history text, from_seq bigint) returns app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    t     wedsync.communication_threads := private.lock_thread(thread);
    added bigint;
    start bigint;
begin
    if add_participant.role = 'owner' then
        perform private.require_owner_or_planner(t);
    end if;
    perform private.require_may(t, case when person = app.user_id() then 'read' else 'invite' end);   -- an implicit host may add himself (R10)
    -- Nobody hands out more than he has: that takes an owner, or a planner.
    if person <> app.user_id()
       and exists (select from unnest(private.permissions(add_participant.role, null)) granted where not app.may(thread, granted)) then
        perform private.require_owner_or_planner(t);
    end if;
    if not private.may_invite(app.user_id(), person, t.wedding_id) then
        raise exception 'nobody at this wedding whom you may add' using errcode = 'WS422', hint = 'user_id';
    end if;
    if exists (select from wedsync.thread_participants p where p.thread_id = thread and p.user_id = person and p.left_at is null) then
        raise exception 'already a participant' using errcode = 'WS409';
    end if;
    start := case history when 'all' then 1 when 'none' then t.last_seq + 1 else from_seq end;
    if start > t.last_seq + 1 then
        raise exception 'beyond the head of the thread' using errcode = 'WS422', hint = 'history.from_seq';
    end if;
    if not exists (select from wedsync.thread_access a where a.user_id = app.user_id() and a.thread_id = thread
                      and a.from_seq <= start and a.to_seq = 9223372036854775807) then
        raise exception 'you cannot grant history that you do not see' using errcode = 'WS403';
    end if;
    insert into wedsync.thread_participants as p (thread_id, user_id, role, added_by, added_at, changed_xid)
    values (thread, person, add_participant.role, app.user_id(), app.now(), pg_current_xact_id()::text::bigint)
    on conflict on constraint thread_participants_pkey do update
       set role = excluded.role, permissions = null, added_by = excluded.added_by, added_at = excluded.added_at, left_at = null,
           version = p.version + 1, changed_xid = excluded.changed_xid;
    delete from wedsync.participation_windows w where w.thread_id = thread and w.user_id = person;
    insert into wedsync.participation_windows (thread_id, user_id, from_seq) values (thread, person, start);
    added := private.append_event(thread, 'participant.added', person, jsonb_build_object('role', add_participant.role));
    return private.change(thread, added);
end
$$;

create or replace function app.remove_participant(thread uuid, person uuid) returns app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    t   wedsync.communication_threads := private.lock_thread(thread);
    was text;
begin
    if person <> app.user_id() and not app.may(thread, 'manage') then
        raise exception 'you may not manage this thread' using errcode = 'WS403';
    end if;
    select p.role into was from wedsync.thread_participants p where p.thread_id = thread and p.user_id = person and p.left_at is null;
    if not found then
        raise exception 'no such participant' using errcode = 'WS404';
    end if;
    if was = 'owner' then
        if person <> app.user_id() then
            perform private.require_owner_or_planner(t);
        end if;
        perform private.require_another_owner(thread, person);
    end if;
    update wedsync.thread_participants p set left_at = app.now(), changed_xid = pg_current_xact_id()::text::bigint
     where p.thread_id = thread and p.user_id = person;
    return private.change(thread, private.append_event(thread, 'participant.removed', person, '{}'));
end
$$;

create function private.require_another_owner(thread uuid, person uuid) returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from wedsync.thread_participants p
                    where p.thread_id = thread and p.user_id <> person and p.role = 'owner' and p.left_at is null) then
        raise exception 'the last owner stays: make somebody else an owner first' using errcode = 'WS409';
    end if;
end
$$;
comment on function private.require_another_owner(uuid, uuid) is 'SQLSTATE WS409 if this person is the only owner of the thread.';

create function private.permissions(role text, stated text[]) returns text[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return coalesce(stated, (select d.permissions from wedsync.role_permissions d where d.role = permissions.role));
end
$$;
comment on function private.permissions(text, text[]) is 'What a participant may do: what is stated for him, else what his role may do.';

create function app.change_participant(thread uuid, person uuid, version integer, role text, permissions text[]) returns app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    t       wedsync.communication_threads := private.lock_thread(thread);
    p       wedsync.thread_participants;
    new     text := change_participant.role;
    granted text[];
begin
    perform private.require_may(t, 'manage');
    select * into p from wedsync.thread_participants c where c.thread_id = thread and c.user_id = person and c.left_at is null;
    if p.user_id is null then
        raise exception 'no such participant' using errcode = 'WS404';
    end if;
    perform private.require_version(p.version, change_participant.version);
    new     := coalesce(new, p.role);
    granted := private.permissions(new, change_participant.permissions);
    if new = 'owner' and change_participant.permissions is not null then
        raise exception 'owners have all permissions' using errcode = 'WS422', hint = 'permissions';
    end if;
    -- Nobody hands out more than he has: that takes an owner, or a planner.
    if 'owner' in (p.role, new) or exists (select from unnest(granted) g where not app.may(thread, g)) then
        perform private.require_owner_or_planner(t);
    end if;
    if p.role = 'owner' and new <> 'owner' then
        perform private.require_another_owner(thread, person);
    end if;
    if (p.role, p.permissions) is not distinct from (new, change_participant.permissions) then
        return null;
    end if;
    update wedsync.thread_participants c
       set role = new, permissions = change_participant.permissions, version = c.version + 1, changed_xid = pg_current_xact_id()::text::bigint
     where c.thread_id = thread and c.user_id = person;
    return private.change(thread, private.append_event(thread, 'participant.role_changed', person,
                                                       jsonb_build_object('role', new, 'permissions', granted)));
end
$$;
comment on function app.change_participant(uuid, uuid, integer, text, text[]) is
    'PATCH /threads/{id}/participants/{user_id}: another role, or null for the same, with these permissions, or null for those of the role. '
    'Null if that is how it is. Only owners and planners make and unmake owners.';

drop function app.participants(uuid);
create function app.participants(thread uuid)
returns table (user_id uuid, role text, permissions text[], version integer, added_by uuid, added_at timestamptz, left_at timestamptz,
               read_seq bigint, delivered_seq bigint, display_name text, organization_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select p.user_id, p.role, coalesce(p.permissions, d.permissions), p.version, p.added_by, p.added_at, p.left_at, p.read_seq, p.delivered_seq,
           u.display_name, m.organization_id
      from wedsync.thread_participants p
      join wedsync.communication_threads t on t.id = p.thread_id
      join wedsync.role_permissions d on d.role = p.role
      join wedsync.users u on u.id = p.user_id
      left join wedsync.wedding_members m on m.wedding_id = t.wedding_id and m.user_id = p.user_id
     where p.thread_id = thread and p.left_at is null and p.thread_id = any (app.visible_threads())
     order by p.added_at, p.user_id
$$;
comment on function app.participants(uuid) is 'The people of a thread the caller sees, with names that are otherwise not his to read.';

create function app.arrange_thread(thread uuid, way text, until timestamptz) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    me      uuid := app.user_id();
    mutable boolean;
begin
    select r.mutable into mutable from wedsync.communication_threads t join wedsync.thread_rules r on r.thread_type = t.thread_type
     where t.id = thread and t.id = any (app.visible_threads());
    if not found then
        raise exception 'no such thread' using errcode = 'WS404';
    end if;
    perform from wedsync.thread_participants p where p.thread_id = thread and p.user_id = me and p.left_at is null for no key update;
    if not found then
        raise exception 'you read along in this thread without taking part' using errcode = 'WS403';
    end if;
    if way <> 'pin' and until is not null and not mutable then
        raise exception 'an emergency cannot be muted' using errcode = 'WS409';
    end if;
    if way <> 'pin' and until <= app.now() then
        raise exception 'a time to come' using errcode = 'WS422', hint = 'until';
    end if;
    update wedsync.thread_participants p
       set muted_until   = case way when 'mute'   then until else p.muted_until end,
           snoozed_until = case way when 'snooze' then until else p.snoozed_until end,
           pinned_at     = case when way <> 'pin' then p.pinned_at when until is not null then coalesce(p.pinned_at, app.now()) end,
           changed_xid   = pg_current_xact_id()::text::bigint
     where p.thread_id = thread and p.user_id = me;
end
$$;
comment on function app.arrange_thread(uuid, text, timestamptz) is
    'PUT and DELETE /threads/{id}/mute, /snooze, /pin: the caller''s own place, without an event (R2). until null takes it back.';

create function app.unread_threads() returns uuid[]
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(p.thread_id), '{}')
      from wedsync.thread_participants p
      join wedsync.communication_threads t on t.id = p.thread_id and t.last_seq > p.read_seq
     where p.user_id = app.user_id() and p.left_at is null
       and exists (select from wedsync.thread_messages m
                     join wedsync.thread_access a on a.user_id = p.user_id and a.thread_id = m.thread_id and m.seq between a.from_seq and a.to_seq
                    where m.thread_id = p.thread_id and m.seq > p.read_seq and m.sender_id <> p.user_id
                      and m.deleted_at is null and m.message_type <> 'system')
$$;
comment on function app.unread_threads() is 'Threads in which app.unread_counts is above zero for the caller.';

-- Asked for a page of threads at once, and not joined under row-level security: there every lookup would look through
-- the array of all that its policy allows.
create function app.places(threads uuid[])
returns table (thread_id uuid, role text, permissions text[], read_seq bigint, delivered_seq bigint, muted_until timestamptz,
               snoozed_until timestamptz, pinned_at timestamptz, marked_unread boolean, changed_xid bigint, windows jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    me uuid := app.user_id();
begin
    return query
        select t.id, p.role,
               array(select act from unnest('{read,post,react,pin,invite,manage}'::text[]) act
                      where act = 'read'
                         or w.open and (act = any (coalesce(p.permissions, d.permissions)) and (act <> 'post' or p.role = any (r.posters))
                                        or act in ('invite', 'manage') and g.role = 'planner')),
               coalesce(p.read_seq, 0), coalesce(p.delivered_seq, 0), p.muted_until, p.snoozed_until, p.pinned_at,
               coalesce(p.marked_unread, false), p.changed_xid, w.windows
          from unnest(threads) asked (id)
          join wedsync.communication_threads t on t.id = asked.id
          join wedsync.thread_rules r on r.thread_type = t.thread_type
          left join wedsync.thread_participants p on p.thread_id = t.id and p.user_id = me and p.left_at is null
          left join wedsync.role_permissions d on d.role = p.role
          left join wedsync.wedding_members g on g.wedding_id = t.wedding_id and g.user_id = me
         cross join lateral (
                select jsonb_agg(jsonb_build_array(lower(span), upper(span) - 1) order by lower(span)) as windows, bool_or(upper_inf(span)) as open
                  from unnest((select range_agg(int8range(a.from_seq, nullif(a.to_seq, 9223372036854775807), '[]'))
                                 from wedsync.thread_access a where a.user_id = me and a.thread_id = t.id)) span) w
         where w.windows is not null;
end
$$;
comment on function app.places(uuid[]) is
    'The caller''s own place in each of these threads that he sees: his participation, what he may do (as private.may says), what he sees of it.';

-- Looks up each of the caller's threads by its key, 2 us for each. Who has very many gets the latest of them faster from
-- communication_threads_activity, walked until the page is full: the break-even is near 600 of 20,000.
create function app.thread_page(asked jsonb, up_to integer) returns uuid[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    me       uuid        := app.user_id();
    wedding  uuid        := asked ->> 'wedding_id';
    kind     text        := asked ->> 'thread_type';
    state    text        := asked ->> 'status';
    priority text        := asked ->> 'priority_level';
    person   uuid        := asked ->> 'participant';
    earliest date        := coalesce(asked ->> 'wedding_from', '-infinity');
    latest   date        := coalesce(asked ->> 'wedding_to', 'infinity');
    by_date  boolean     := asked ->> 'sort' = 'wedding_date';
    after    text        := asked ->> 'after';
    after_id uuid        := asked ->> 'after_id';
    before   timestamptz := case when not by_date then coalesce(after, 'infinity') end;
    unread   uuid[]      := case when (asked ->> 'unread')::boolean then app.unread_threads() end;
    about    uuid[]      := case when asked ->> 'terms' is not null then app.threads_about(asked -> 'terms') end;
    narrowed boolean     := num_nonnulls(wedding, kind, priority, person, unread, about, asked ->> 'wedding_from', asked ->> 'wedding_to') > 0;
begin
    if not by_date and not narrowed and (select count(*) from wedsync.thread_access a where a.user_id = me) > 600 then
        return array(
            select t.id from wedsync.communication_threads t
             where (t.last_activity_at, t.id) < (before, coalesce(after_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
               and (state is null and t.status <> 'archived' or state in ('all', t.status))
               and exists (select from wedsync.thread_access a where a.user_id = me and a.thread_id = t.id offset 0)
             order by t.last_activity_at desc, t.id desc
             limit up_to);
    end if;
    return array(
        select t.id
          from (select distinct a.thread_id from wedsync.thread_access a where a.user_id = me) mine
          join wedsync.communication_threads t on t.id = mine.thread_id
          join wedsync.weddings w on w.id = t.wedding_id
         where (wedding is null or t.wedding_id = wedding)
           and (kind is null or t.thread_type = kind)
           and (state is null and t.status <> 'archived' or state in ('all', t.status))
           and (priority is null or t.priority_level = priority)
           and (person is null or exists (select from wedsync.thread_participants p
                                           where p.thread_id = t.id and p.user_id = person and p.left_at is null offset 0))
           and (unread is null or t.id = any (unread))
           and (about is null or t.id = any (about))
           and w.wedding_date between earliest and latest
           and case when after is null then true
                    when by_date then (w.wedding_date, t.id) > (after::date, after_id)
                    else (t.last_activity_at, t.id) < (before, after_id) end
         order by case when by_date then w.wedding_date end, case when by_date then t.id end, t.last_activity_at desc, t.id desc
         limit up_to);
end
$$;
comment on function app.thread_page(jsonb, integer) is
    'GET /threads: ids of the caller''s threads that answer the filters, in their order. He sees all of them; what they hold is read under row-level security.';

create or replace function private.obstacle(message uuid, person uuid, category text, channel text, address_hash bytea) returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select case
                 when m.deleted_at is not null then 'deleted'
                 when p.left_at is not null or p.user_id is null or not private.sees(person, m.thread_id, m.seq) then 'removed'
                 when p.read_seq >= m.seq then 'read'
                 when obstacle.category = 'ordinary' and greatest(p.muted_until, p.snoozed_until) > app.now() then 'muted'
                 when not private.wants(person, obstacle.category, obstacle.channel) then 'preference'
                 when exists (select from wedsync.suppressions s where s.channel = obstacle.channel and s.address_hash = obstacle.address_hash)
                      then 'suppressed'
               end
          from wedsync.thread_messages m
          left join wedsync.thread_participants p on p.thread_id = m.thread_id and p.user_id = person
         where m.id = obstacle.message);
end
$$;

revoke all on all functions in schema private from public;
revoke all on function
    app.thread_facts(wedsync.communication_threads),
    app.create_thread(uuid, uuid, text, text, text, text, text, boolean, jsonb, jsonb, uuid[], text[]), app.edit_thread(uuid, integer, jsonb),
    app.set_thread_status(uuid, text, text), app.change_participant(uuid, uuid, integer, text, text[]), app.participants(uuid),
    app.arrange_thread(uuid, text, timestamptz), app.unread_threads(), app.places(uuid[]), app.thread_page(jsonb, integer) from public;
grant execute on function
    app.thread_facts(wedsync.communication_threads),
    app.create_thread(uuid, uuid, text, text, text, text, text, boolean, jsonb, jsonb, uuid[], text[]), app.edit_thread(uuid, integer, jsonb),
    app.set_thread_status(uuid, text, text), app.change_participant(uuid, uuid, integer, text, text[]), app.participants(uuid),
    app.arrange_thread(uuid, text, timestamptz), app.unread_threads(), app.places(uuid[]), app.thread_page(jsonb, integer) to wedsync_app;
reset role;
