-- What may be done where and by whom: the rules of thread types and roles, as rows; the kinds of events a log knows.

set role wedsync_owner;

create table wedsync.thread_rules (
    thread_type  text    primary key,
    creators     text[]  not null check (creators <@ '{member,couple,planner,vendor,coordinator}' and creators <> '{}'),
    posters      text[]  not null check (posters <@ '{owner,participant,observer}' and posters <> '{}'),
    editable     boolean not null,
    deletable    boolean not null,
    append_only  boolean not null,
    requires_ack boolean not null,
    mutable      boolean not null,
    check (not append_only or not (editable or deletable))
);
comment on table  wedsync.thread_rules              is 'The rules of each thread type; docs/api.md shows the same table. Changed by migrations only.';
comment on column wedsync.thread_rules.creators     is 'Roles at the wedding that create such a thread; member: any.';
comment on column wedsync.thread_rules.posters      is 'Roles in the thread that post, given the permission.';
comment on column wedsync.thread_rules.editable     is 'Authors edit their messages.';
comment on column wedsync.thread_rules.deletable    is 'Authors delete their messages; a tombstone stays.';
comment on column wedsync.thread_rules.append_only  is 'Nothing is edited or deleted; DELETE is a visible retraction, and the log is hash-chained (R27).';
comment on column wedsync.thread_rules.requires_ack is 'Every message asks for an acknowledgement, whatever its sender states.';
comment on column wedsync.thread_rules.mutable      is 'People may mute and snooze it.';

insert into wedsync.thread_rules (thread_type, creators, posters, editable, deletable, append_only, requires_ack, mutable) values
    ('general',             '{member}',                     '{owner,participant}', true,  true,  false, false, true),
    ('vendor_coordination', '{member}',                     '{owner,participant}', true,  true,  false, false, true),
    ('timeline',            '{couple,planner,coordinator}', '{owner,participant}', false, true,  false, true,  true),
    ('guest_logistics',     '{member}',                     '{owner,participant}', true,  true,  false, false, true),
    ('payment',             '{couple,planner,vendor}',      '{owner,participant}', false, false, true,  false, true),
    ('contract',            '{couple,planner,vendor}',      '{owner,participant}', false, false, true,  false, true),
    ('emergency',           '{member}',                     '{owner,participant}', false, false, false, false, false),
    ('announcement',        '{couple,planner,coordinator}', '{owner}',             true,  true,  false, false, true);

create table wedsync.role_permissions (
    role        text   primary key,
    permissions text[] not null
);
comment on table  wedsync.role_permissions             is 'What each role in a thread may do, unless a participant''s own permissions say otherwise.';
comment on column wedsync.role_permissions.permissions is 'Of read, post, react, pin, invite, manage.';

insert into wedsync.role_permissions (role, permissions) values
    ('owner',       '{read,post,react,pin,invite,manage}'),
    ('participant', '{read,post,react,pin}'),
    ('observer',    '{read}');

do $$
begin
    perform private.protect('wedsync.thread_rules',
                            'wedsync.role_permissions');
end
$$;
create policy reads on wedsync.thread_rules     for select to wedsync_app, wedsync_worker using (true);
create policy reads on wedsync.role_permissions for select to wedsync_app, wedsync_worker using (true);
grant select on wedsync.thread_rules, wedsync.role_permissions to wedsync_app, wedsync_worker;

alter table wedsync.communication_threads drop constraint communication_threads_thread_type_check,
    add foreign key (thread_type) references wedsync.thread_rules;
create index communication_threads_type on wedsync.communication_threads (thread_type);

alter table wedsync.thread_participants
    add column permissions text[] check (permissions <@ '{read,post,react,pin,invite,manage}' and permissions @> '{read}'),
    drop constraint thread_participants_role_check,
    add foreign key (role) references wedsync.role_permissions,
    add check (role <> 'owner' or permissions is null);
create index thread_participants_role on wedsync.thread_participants (role);
comment on column wedsync.thread_participants.permissions is 'Instead of those of the role; null: those of the role. Owners have them all.';

alter table wedsync.thread_events drop constraint thread_events_kind_check,
    add constraint thread_events_kind_check
        check (kind in ('thread.created', 'thread.updated', 'thread.closed', 'thread.reopened', 'thread.archived', 'thread.frozen',
                        'participant.added', 'participant.removed', 'participant.role_changed',
                        'message.created', 'message.edited', 'message.deleted', 'message.redacted',
                        'message.acked', 'message.reaction', 'message.pinned')),
    add check ((kind like 'message.%' and kind <> 'message.created') = (about_seq is not null));
reset role;

set role wedsync_access;

-- plpgsql: it keeps its plan, a definer function in SQL is planned at every call.
create function private.may(person uuid, thread uuid, act text) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return coalesce((
        select case act when 'read' then true
                        when 'post' then p.role = any (r.posters) and act = any (coalesce(p.permissions, d.permissions))
                        else act = any (coalesce(p.permissions, d.permissions))
               end
               or act in ('invite', 'manage') and exists (select from wedsync.wedding_members m
                                                           where m.wedding_id = t.wedding_id and m.user_id = person and m.role = 'planner')
          from wedsync.communication_threads t
          join wedsync.thread_rules r on r.thread_type = t.thread_type
          left join wedsync.thread_participants p on p.thread_id = t.id and p.user_id = person and p.left_at is null
          left join wedsync.role_permissions d on d.role = p.role
         where t.id = thread
           and exists (select from wedsync.thread_access a
                        where a.user_id = person and a.thread_id = t.id and (act = 'read' or a.to_seq = 9223372036854775807))), false);
end
$$;
comment on function private.may(uuid, uuid, text) is
    'Whether a person may read, post, react, pin, invite or manage in a thread: by role or own permissions, within the rules of its type. '
    'A planner who sees it invites and manages (R11). Only reading needs no open window. Status is another question: private.require_may.';

create function app.may(thread uuid, act text) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return private.may(app.user_id(), thread, act);
end
$$;
comment on function app.may(uuid, text) is 'private.may of the caller.';

create function private.require_may(t wedsync.communication_threads, act text) returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if not app.may(t.id, act) then
        raise exception 'you may not % in this thread', act using errcode = 'WS403';
    end if;
    if t.status in ('archived', 'frozen') or t.status = 'closed' and act = 'post' then
        raise exception 'the thread is %', t.status using errcode = 'WS409';
    end if;
end
$$;
comment on function private.require_may(wedsync.communication_threads, text) is
    'WS403 unless the caller may do this in a thread he sees, WS409 if its status forbids it: a closed thread takes no messages, an archived or frozen one nothing.';

revoke all on all functions in schema private from public;
revoke all on function app.may(uuid, text) from public;
grant execute on function app.may(uuid, text) to wedsync_app;
reset role;
