-- The acts that change who sees a thread: create, add, remove. Each locks the wedding, then the thread, and only then checks (R9).

set role wedsync_access;

create function private.may_invite(inviter uuid, invited uuid, wedding uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select exists (select from wedsync.wedding_members i join wedsync.wedding_members g using (wedding_id)
                    where i.wedding_id = wedding and i.user_id = inviter and g.user_id = invited
                      and (i.role in ('couple', 'planner') or g.role in ('couple', 'planner', 'coordinator')
                           or i.organization_id = g.organization_id))
$$;
comment on function private.may_invite(uuid, uuid, uuid) is 'R11: couple and planners invite any member; others the couple, planners, coordinators and colleagues.';

create function private.lock_thread(thread uuid) returns wedsync.communication_threads
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    t wedsync.communication_threads;
begin
    perform from wedsync.weddings w
      where w.id = (select c.wedding_id from wedsync.communication_threads c where c.id = thread and c.id = any (app.visible_threads()))
        for share;
    select * into t from wedsync.communication_threads c where c.id = thread for no key update;
    if t.id is null or t.id <> all (app.visible_threads()) then
        raise exception 'no such thread' using errcode = 'WS404';
    end if;
    return t;
end
$$;
comment on function private.lock_thread(uuid) is 'Locks a thread for a change of access, its wedding first (R9). SQLSTATE WS404 if the caller does not see it.';

create function private.require_owner_or_planner(t wedsync.communication_threads) returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from wedsync.thread_participants p
                    where p.thread_id = t.id and p.user_id = app.user_id() and p.role = 'owner' and p.left_at is null)
       and not exists (select from wedsync.wedding_members m
                        where m.wedding_id = t.wedding_id and m.user_id = app.user_id() and m.role = 'planner') then
        raise exception 'only an owner of the thread or a planner of the wedding may do this' using errcode = 'WS403';
    end if;
end
$$;
comment on function private.require_owner_or_planner(wedsync.communication_threads) is 'SQLSTATE WS403 unless the caller owns the thread or is a planner of its wedding.';

create function app.create_thread(id uuid, wedding_id uuid, subject text, thread_type text, priority_level text, visibility text,
                                  wedding_context jsonb, metadata jsonb, people uuid[], roles text[]) returns app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    creator uuid   := app.user_id();
    xid     bigint := pg_current_xact_id()::text::bigint;
begin
    perform from wedsync.weddings w where w.id = create_thread.wedding_id and w.id = any (app.my_weddings()) for share;
    if not found or create_thread.wedding_id <> all (app.my_weddings()) then
        raise exception 'no such wedding of yours' using errcode = 'WS422', hint = 'wedding_id';
    end if;
    for i in 1..cardinality(people) loop
        if people[i] <> creator and not private.may_invite(creator, people[i], create_thread.wedding_id) then
            raise exception 'nobody at this wedding whom you may add' using errcode = 'WS422', hint = format('participants.%s.user_id', i - 1);
        end if;
    end loop;
    insert into wedsync.communication_threads (id, wedding_id, subject, thread_type, priority_level, visibility, hosts_from_seq, wedding_context,
                                               metadata, created_by, created_at, updated_at, last_activity_at, changed_xid)
    select create_thread.id, create_thread.wedding_id, create_thread.subject, create_thread.thread_type, create_thread.priority_level,
           create_thread.visibility, case create_thread.visibility when 'hosts' then 1 end, create_thread.wedding_context,
           create_thread.metadata, creator, at, at, at, xid
      from app.now() at;
    insert into wedsync.thread_participants (thread_id, user_id, role, added_by, added_at, changed_xid)
    select create_thread.id, person, case person when creator then 'owner' else role end, creator,
           (select t.created_at from wedsync.communication_threads t where t.id = create_thread.id), xid
      from (select creator, 'owner' union select person, role from unnest(people, roles) listed (person, role) where person <> creator) everyone (person, role);
    insert into wedsync.participation_windows (thread_id, user_id, from_seq)
    select p.thread_id, p.user_id, 1 from wedsync.thread_participants p where p.thread_id = create_thread.id;
    return private.change(create_thread.id, private.append_event(create_thread.id, 'thread.created', null, '{}'));
end
$$;
comment on function app.create_thread(uuid, uuid, text, text, text, text, jsonb, jsonb, uuid[], text[]) is
    'POST /threads: the caller becomes its owner; everybody present at creation sees it from 1 (R6). WS422 with the field as hint.';

create function app.add_participant(thread uuid, person uuid, role text, history text, from_seq bigint) returns app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    t     wedsync.communication_threads := private.lock_thread(thread);
    added bigint;
    start bigint;
begin
    if person <> app.user_id() or add_participant.role = 'owner' then   -- an implicit host may add himself (R10)
        perform private.require_owner_or_planner(t);
    end if;
    if t.status in ('archived', 'frozen') then
        raise exception 'the thread is %', t.status using errcode = 'WS409';
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
       set role = excluded.role, added_by = excluded.added_by, added_at = excluded.added_at, left_at = null, changed_xid = excluded.changed_xid;
    delete from wedsync.participation_windows w where w.thread_id = thread and w.user_id = person;
    insert into wedsync.participation_windows (thread_id, user_id, from_seq) values (thread, person, start);
    added := private.append_event(thread, 'participant.added', person, jsonb_build_object('role', add_participant.role));
    return private.change(thread, added);
end
$$;
comment on function app.add_participant(uuid, uuid, text, text, bigint) is
    'POST /threads/{id}/participants: opens one window (R6) for a person the caller may invite (R11), never below the caller''s own.';

create function app.remove_participant(thread uuid, person uuid) returns app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    t   wedsync.communication_threads := private.lock_thread(thread);
    was text;
begin
    if person <> app.user_id() then
        perform private.require_owner_or_planner(t);
    end if;
    select p.role into was from wedsync.thread_participants p where p.thread_id = thread and p.user_id = person and p.left_at is null;
    if not found then
        raise exception 'no such participant' using errcode = 'WS404';
    end if;
    if was = 'owner' and not exists (select from wedsync.thread_participants p
             where p.thread_id = thread and p.user_id <> person and p.role = 'owner' and p.left_at is null) then
        raise exception 'the last owner cannot leave' using errcode = 'WS409';
    end if;
    update wedsync.thread_participants p set left_at = app.now(), changed_xid = pg_current_xact_id()::text::bigint
     where p.thread_id = thread and p.user_id = person;
    return private.change(thread, private.append_event(thread, 'participant.removed', person, '{}'));
end
$$;
comment on function app.remove_participant(uuid, uuid) is 'DELETE /threads/{id}/participants/{user_id}: removes, or leaves; everything of the thread is hidden from him (R6).';

create function app.participants(thread uuid)
returns table (user_id uuid, role text, added_by uuid, added_at timestamptz, left_at timestamptz, read_seq bigint, delivered_seq bigint,
               display_name text, organization_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select p.user_id, p.role, p.added_by, p.added_at, p.left_at, p.read_seq, p.delivered_seq, u.display_name, m.organization_id
      from wedsync.thread_participants p
      join wedsync.communication_threads t on t.id = p.thread_id
      join wedsync.users u on u.id = p.user_id
      left join wedsync.wedding_members m on m.wedding_id = t.wedding_id and m.user_id = p.user_id
     where p.thread_id = thread and p.left_at is null and p.thread_id = any (app.visible_threads())
     order by p.added_at, p.user_id
$$;
comment on function app.participants(uuid) is 'The people of a thread the caller sees, with names that are otherwise not his to read.';

create function app.my_message(thread uuid, sent_as uuid) returns setof wedsync.thread_messages
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    me uuid := app.user_id();
begin
    return query
        select m.* from wedsync.thread_messages m
         where m.thread_id = thread and m.sender_id = me and m.client_msg_id = sent_as
           and exists (select from wedsync.thread_access a where a.user_id = me and a.thread_id = thread);
end
$$;
comment on function app.my_message(uuid, uuid) is 'R13: the caller''s own message by its client_msg_id, also from before his present window.';

create function app.refuse(verdict text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
begin
    case verdict
        when 'not_a_host' then
            raise exception 'only the couple and planners send emergencies' using errcode = 'WS403';
        when 'unknown_parent' then
            raise exception 'no such message in this thread' using errcode = 'WS422', hint = 'message.parent_message_id';
        when 'unknown_mention' then
            raise exception 'not a participant of this thread' using errcode = 'WS422', hint = 'message.mentions';
        else
            raise exception 'the message was refused' using errcode = 'WS409';
    end case;
end
$$;
comment on function app.refuse(text) is 'Fails the transaction for a verdict on a thread''s first message.';

create function app.unread_counts(threads uuid[]) returns table (thread_id uuid, unread bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select p.thread_id, count(m.id)
      from (select app.user_id() as id offset 0) caller
      join wedsync.thread_participants p on p.user_id = caller.id and p.thread_id = any (threads) and p.left_at is null
      left join wedsync.thread_messages m on m.thread_id = p.thread_id and m.seq > p.read_seq and m.sender_id <> caller.id
                and m.deleted_at is null and m.message_type <> 'system'
                and exists (select from wedsync.thread_access a where a.user_id = caller.id and a.thread_id = m.thread_id
                                                                  and m.seq between a.from_seq and a.to_seq)
     group by p.thread_id
$$;
comment on function app.unread_counts(uuid[]) is 'R15: others'' live, non-system messages in the caller''s windows beyond his read cursor; nothing for implicit hosts.';

revoke all on all functions in schema private from public;
revoke all on function
    app.create_thread(uuid, uuid, text, text, text, text, jsonb, jsonb, uuid[], text[]), app.add_participant(uuid, uuid, text, text, bigint),
    app.remove_participant(uuid, uuid), app.participants(uuid), app.my_message(uuid, uuid), app.refuse(text), app.unread_counts(uuid[]) from public;
grant execute on function
    app.create_thread(uuid, uuid, text, text, text, text, jsonb, jsonb, uuid[], text[]), app.add_participant(uuid, uuid, text, text, bigint),
    app.remove_participant(uuid, uuid), app.participants(uuid), app.my_message(uuid, uuid), app.refuse(text), app.unread_counts(uuid[]) to wedsync_app;
reset role;
