-- What is done with messages once they are sent: edit, delete, react, pin, acknowledge; drafts; messages that are sent later.

set role wedsync_owner;

alter table wedsync.thread_messages
    add column payload      jsonb       check (jsonb_typeof(payload) = 'object'),
    add column reactions    jsonb       not null default '{}' check (jsonb_typeof(reactions) = 'object'),
    add column pinned_at    timestamptz,
    add column pinned_by    uuid        references wedsync.users,
    add column acked_at     timestamptz,
    add column retracted_at timestamptz,
    add check (payload is null or message_type in ('location', 'offer')),
    add check ((pinned_at is null) = (pinned_by is null)),
    add check (acked_at is null or requires_ack);
create index thread_messages_pinned on wedsync.thread_messages (thread_id, pinned_at) where pinned_at is not null;
create index thread_messages_pinned_by on wedsync.thread_messages (pinned_by) where pinned_by is not null;
comment on column wedsync.thread_messages.payload      is 'What a location or an offer is, beside its text.';
comment on column wedsync.thread_messages.reactions    is 'Emoji to user ids, the earliest first: the state of wedsync.message_reactions, kept by app.react.';
comment on column wedsync.thread_messages.pinned_at    is 'Since when it is pinned; null if it is not.';
comment on column wedsync.thread_messages.acked_at     is 'When the last required person acknowledged it.';
comment on column wedsync.thread_messages.retracted_at is 'When it was taken back where nothing is deleted: its text stays readable (R27).';

create index thread_messages_unread on wedsync.thread_messages (thread_id, seq) include (sender_id)
    where deleted_at is null and message_type <> 'system';

create table wedsync.message_edits (
    message_id uuid        not null references wedsync.thread_messages on delete cascade,
    number     integer     not null check (number >= 1),
    message    text        not null check (char_length(message) between 1 and 8000),
    mentions   uuid[]      not null,
    edited_by  uuid        not null references wedsync.users,
    edited_at  timestamptz not null,
    primary key (message_id, number)
);
create index message_edits_edited_by on wedsync.message_edits (edited_by);
comment on table  wedsync.message_edits           is 'What a message said before each of its edits; erased with the message.';
comment on column wedsync.message_edits.message   is 'The text until this edit.';
comment on column wedsync.message_edits.edited_at is 'When it gave way to the next.';

create table wedsync.message_reactions (
    message_id uuid        not null references wedsync.thread_messages on delete cascade,
    user_id    uuid        not null references wedsync.users,
    emoji      text        not null check (char_length(emoji) between 1 and 12),
    created_at timestamptz not null,
    primary key (message_id, user_id, emoji)
);
create index message_reactions_user on wedsync.message_reactions (user_id);
comment on table  wedsync.message_reactions       is 'Who reacted with what. Read through thread_messages.reactions.';
comment on column wedsync.message_reactions.emoji is 'One emoji, which may be several code points.';

create table wedsync.pending_reactions (
    message_id uuid        primary key references wedsync.thread_messages on delete cascade,
    actor_id   uuid        not null,
    due_at     timestamptz not null
);
create index pending_reactions_due on wedsync.pending_reactions (due_at);
comment on table  wedsync.pending_reactions        is 'Messages whose reactions changed within 2 s of their last message.reaction: the log gets the next one when it is due (R1).';
comment on column wedsync.pending_reactions.due_at is 'From when on the event may be written, by the next reaction or by the clockwork.';

create table wedsync.message_acks (
    message_id uuid        not null references wedsync.thread_messages on delete cascade,
    user_id    uuid        not null references wedsync.users,
    acked_at   timestamptz,
    primary key (message_id, user_id)
);
create index message_acks_user on wedsync.message_acks (user_id, message_id) where acked_at is null;
comment on table  wedsync.message_acks          is 'Whose acknowledgement a message asks for: its thread''s owners and participants when it was sent, but its sender (C7).';
comment on column wedsync.message_acks.acked_at is 'When he gave it; null while he is waited for.';

create table wedsync.drafts (
    thread_id         uuid        not null references wedsync.communication_threads on delete cascade,
    user_id           uuid        not null references wedsync.users,
    message           text        not null check (char_length(message) between 1 and 8000),
    parent_message_id uuid,
    updated_at        timestamptz not null,
    primary key (thread_id, user_id)
);
create index drafts_user on wedsync.drafts (user_id);
comment on table  wedsync.drafts                   is 'What a person has begun to write in a thread; nobody else''s (R2).';
comment on column wedsync.drafts.parent_message_id is 'The message it will answer; looked at when it is sent.';

create table wedsync.scheduled_messages (
    id           uuid        primary key,
    thread_id    uuid        not null references wedsync.communication_threads on delete cascade,
    author_id    uuid        not null references wedsync.users,
    stated       jsonb       check (jsonb_typeof(stated) = 'object'),
    send_at      timestamptz not null,
    offset_days  integer     check (offset_days between -3660 and 3660),
    wall_time    time,
    status       text        not null default 'waiting' check (status in ('waiting', 'sending', 'sent', 'needs_attention')),
    reason       text        check (char_length(reason) between 1 and 50),
    claimed_at   timestamptz,
    message_id   uuid        references wedsync.thread_messages on delete set null,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    check ((offset_days is null) = (wall_time is null)),
    check ((status = 'sent') = (stated is null)),
    check ((status = 'sending') = (claimed_at is not null)),
    check ((status = 'needs_attention') = (reason is not null))
);
create index scheduled_messages_thread on wedsync.scheduled_messages (thread_id, author_id);
create index scheduled_messages_author on wedsync.scheduled_messages (author_id, send_at);
create index scheduled_messages_message on wedsync.scheduled_messages (message_id) where message_id is not null;
create index scheduled_messages_due on wedsync.scheduled_messages (send_at) where status in ('waiting', 'sending');
comment on table  wedsync.scheduled_messages             is 'Messages to be sent later, as their author and with all checks anew; their client_msg_id is the id here (R18).';
comment on column wedsync.scheduled_messages.stated      is 'What is to be sent, as the client stated it; gone once it is a message.';
comment on column wedsync.scheduled_messages.send_at     is 'When; of a relative one it moves with the wedding''s date and time zone.';
comment on column wedsync.scheduled_messages.offset_days is 'Days from the wedding''s date; null for an absolute time.';
comment on column wedsync.scheduled_messages.wall_time   is 'The time of that day in the wedding''s zone.';
comment on column wedsync.scheduled_messages.reason      is 'Why its author has to decide: nothing was sent.';
comment on column wedsync.scheduled_messages.claimed_at  is 'When the clockwork took it up.';

alter table wedsync.thread_participants add column marked_unread boolean not null default false;
comment on column wedsync.thread_participants.marked_unread is 'Marked as unread by the person himself, whatever his cursor says; reading clears it (R15).';
grant update (marked_unread) on wedsync.thread_participants to wedsync_app;

do $$
begin
    perform private.protect('wedsync.message_edits',
                            'wedsync.message_reactions',
                            'wedsync.pending_reactions',
                            'wedsync.message_acks',
                            'wedsync.drafts',
                            'wedsync.scheduled_messages');
end
$$;

-- The history of a message is for whoever sees the message.
create policy reads  on wedsync.message_edits for select to wedsync_app
    using (exists (select from wedsync.thread_messages m where m.id = message_id));
create policy reads  on wedsync.message_acks for select to wedsync_app using (user_id = (select app.user_id()));
create policy own    on wedsync.drafts to wedsync_app
    using (user_id = (select app.user_id()) and thread_id = any ((select app.visible_threads())::uuid[]));
create policy reads  on wedsync.scheduled_messages for select to wedsync_app using (author_id = (select app.user_id()));
grant select on wedsync.message_edits, wedsync.message_acks, wedsync.drafts, wedsync.scheduled_messages to wedsync_app;
grant insert on wedsync.drafts to wedsync_app;
grant update (message, parent_message_id, updated_at) on wedsync.drafts to wedsync_app;

-- The clockwork sends what is due under a context signed for its author: it may then do what the author may, and no more.
create policy numbers_worker on wedsync.communication_threads for update to wedsync_worker
    using (private.sees((select app.user_id()), id, last_seq));
create policy sends_worker on wedsync.thread_messages for insert to wedsync_worker
    with check (sender_id = (select app.user_id()) and private.sees((select app.user_id()), thread_id, seq));
create policy logs_worker on wedsync.thread_events for insert to wedsync_worker
    with check (actor_id = (select app.user_id()) and kind = 'message.created' and private.sees((select app.user_id()), thread_id, seq));
create policy reads_worker on wedsync.thread_participants for select to wedsync_worker
    using (thread_id = any ((select app.visible_threads())::uuid[]));
create policy reads_worker on wedsync.wedding_members for select to wedsync_worker using (user_id = (select app.user_id()));
grant update (last_seq, last_activity_at, changed_xid) on wedsync.communication_threads to wedsync_worker;
grant insert on wedsync.thread_messages, wedsync.thread_events, wedsync.outbox to wedsync_worker;
grant select on wedsync.thread_participants, wedsync.wedding_members to wedsync_worker;
reset role;

set role wedsync_access;

grant execute on function app.may(uuid, text), app.my_message(uuid, uuid), app.audience(uuid, bigint), app.refuse(text) to wedsync_worker;

create function private.lock_message(asked uuid) returns wedsync.thread_messages
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    m wedsync.thread_messages;
begin
    select * into m from wedsync.thread_messages c where c.id = asked and private.sees(app.user_id(), c.thread_id, c.seq);
    perform from wedsync.communication_threads t where t.id = m.thread_id for no key update;
    select * into m from wedsync.thread_messages c where c.id = asked and private.sees(app.user_id(), c.thread_id, c.seq);
    if m.id is null then
        raise exception 'no such message' using errcode = 'WS404';
    end if;
    return m;
end
$$;
comment on function private.lock_message(uuid) is 'A message as it is once its thread is locked. SQLSTATE WS404 if the caller does not see it.';

create function private.thread_of(m wedsync.thread_messages) returns wedsync.communication_threads
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select t from wedsync.communication_threads t where t.id = m.thread_id $$;
comment on function private.thread_of(wedsync.thread_messages) is 'The thread of a message.';

create function private.rules_of(m wedsync.thread_messages) returns wedsync.thread_rules
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select r from wedsync.communication_threads t join wedsync.thread_rules r on r.thread_type = t.thread_type where t.id = m.thread_id
$$;
comment on function private.rules_of(wedsync.thread_messages) is 'The rules of the message''s thread.';

create function private.require_live(m wedsync.thread_messages, act text) returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform private.require_may(private.thread_of(m), act);
    if m.deleted_at is not null or m.retracted_at is not null then
        raise exception 'the message is deleted' using errcode = 'WS409';
    end if;
end
$$;
comment on function private.require_live(wedsync.thread_messages, text) is
    'WS403 unless the caller may do this in the message''s thread, WS409 if its status forbids it or the message is deleted.';

create function private.log_message(m wedsync.thread_messages, kind text, actor uuid, data jsonb) returns app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    t wedsync.communication_threads;
begin
    update wedsync.communication_threads c
       set last_seq = c.last_seq + 1, last_activity_at = greatest(app.now(), c.last_activity_at), changed_xid = pg_current_xact_id()::text::bigint
     where c.id = m.thread_id
    returning * into strict t;
    insert into wedsync.thread_events (thread_id, seq, kind, at, actor_id, about_seq, message_id, data)
    values (t.id, t.last_seq, log_message.kind, t.last_activity_at, actor, m.seq, m.id, log_message.data);
    insert into wedsync.outbox (thread_id, seq, lane, created_at)
    values (t.id, t.last_seq, case m.priority_level when 'emergency' then 'emergency' else 'ordinary' end, t.last_activity_at);
    return (t.id, app.epoch(), t.last_seq, log_message.kind, t.last_activity_at, actor, null, log_message.data,
            array(select person from unnest(private.audience(t.id, t.last_seq)) person where private.sees(person, t.id, m.seq)))::app.change;
end
$$;
comment on function private.log_message(wedsync.thread_messages, text, uuid, jsonb) is
    'Next seq, event and outbox row of what was done with a message; its audience sees the event and the message (R6).';

create function app.edit_message(asked uuid, message text, message_html text, mentions uuid[]) returns setof app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    m    wedsync.thread_messages := private.lock_message(asked);
    at   timestamptz             := app.now();
    told uuid[]                  := array(select person from unnest(edit_message.mentions) person where person <> all (m.mentions));
begin
    if m.sender_id <> app.user_id() then
        raise exception 'only its author edits a message' using errcode = 'WS403';
    end if;
    perform private.require_live(m, 'post');
    if not (private.rules_of(m)).editable then
        raise exception 'messages of this thread are not edited' using errcode = 'WS409';
    end if;
    if m.created_at <= at - interval '15 minutes' then
        raise exception 'a message is edited within 15 minutes' using errcode = 'WS409';
    end if;
    if exists (select from unnest(told) person where not exists (
           select from wedsync.thread_participants p where p.thread_id = m.thread_id and p.user_id = person and p.left_at is null)) then
        raise exception 'not a participant of this thread' using errcode = 'WS422', hint = 'mentions';
    end if;
    if (m.message, m.mentions) is not distinct from (edit_message.message, coalesce(edit_message.mentions, m.mentions)) then
        return;
    end if;
    if (select count(*) from wedsync.message_edits e where e.message_id = m.id) >= 50 then
        raise exception 'a message is edited at most 50 times' using errcode = 'WS409';
    end if;
    insert into wedsync.message_edits (message_id, number, message, mentions, edited_by, edited_at)
    select m.id, count(*) + 1, m.message, m.mentions, m.sender_id, at from wedsync.message_edits e where e.message_id = m.id;
    update wedsync.thread_messages c
       set message = edit_message.message, message_html = edit_message.message_html,
           mentions = coalesce(edit_message.mentions, c.mentions), edited_at = at
     where c.id = m.id;
    return next private.log_message(m, 'message.edited', m.sender_id, jsonb_build_object('mentioned', told));
end
$$;
comment on function app.edit_message(uuid, text, text, uuid[]) is
    'PATCH /messages/{id}: by its author within 15 minutes; the last edit wins. Mentions null: as they are. No event if nothing changes. '
    'The event names the newly mentioned, the only ones it tells (R23).';

create function app.delete_message(asked uuid) returns setof app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    m     wedsync.thread_messages := private.lock_message(asked);
    t     wedsync.communication_threads := private.thread_of(m);
    rules wedsync.thread_rules := private.rules_of(m);
begin
    if m.sender_id = app.user_id() then
        if not app.may(t.id, 'post') then
            raise exception 'you may not post in this thread' using errcode = 'WS403';
        end if;
    else
        perform private.require_may(t, 'manage');
    end if;
    if t.status in ('archived', 'frozen') then
        raise exception 'the thread is %', t.status using errcode = 'WS409';
    end if;
    if m.deleted_at is not null or m.retracted_at is not null then
        return;
    end if;
    if rules.append_only then
        update wedsync.thread_messages c set retracted_at = app.now(), pinned_at = null, pinned_by = null where c.id = m.id;
    elsif rules.deletable then
        delete from wedsync.message_edits e where e.message_id = m.id;
        delete from wedsync.message_reactions r where r.message_id = m.id;
        delete from wedsync.pending_reactions r where r.message_id = m.id;
        update wedsync.thread_messages c
           set message = '', message_html = '', mentions = '{}', payload = null, wedding_context = '{}', metadata = '{}', reactions = '{}',
               pinned_at = null, pinned_by = null, deleted_at = app.now()
         where c.id = m.id;
    else
        raise exception 'messages of this thread are not deleted' using errcode = 'WS409';
    end if;
    return next private.log_message(m, 'message.deleted', app.user_id(), '{}');
end
$$;
comment on function app.delete_message(uuid) is
    'DELETE /messages/{id}: by its author, or whoever manages the thread. A tombstone, its history and reactions erased; '
    'where the log is append-only a visible retraction that keeps the text (R27).';

create function app.pin_message(asked uuid, pinned boolean) returns setof app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    m wedsync.thread_messages := private.lock_message(asked);
begin
    perform private.require_live(m, 'pin');
    if (m.pinned_at is not null) = pinned then
        return;
    end if;
    if pinned and (select count(*) from wedsync.thread_messages c where c.thread_id = m.thread_id and c.pinned_at is not null) >= 50 then
        raise exception 'a thread has at most 50 pinned messages' using errcode = 'WS409';
    end if;
    update wedsync.thread_messages c
       set pinned_at = case when pinned then app.now() end, pinned_by = case when pinned then app.user_id() end
     where c.id = m.id;
    return next private.log_message(m, 'message.pinned', app.user_id(), jsonb_build_object('pinned', pinned));
end
$$;
comment on function app.pin_message(uuid, boolean) is 'PUT and DELETE /messages/{id}/pin.';

create function private.log_reactions(m wedsync.thread_messages, actor uuid) returns app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    delete from wedsync.pending_reactions p where p.message_id = m.id;
    return private.log_message(m, 'message.reaction', actor, '{}');
end
$$;
comment on function private.log_reactions(wedsync.thread_messages, uuid) is 'The event of a message''s whole reaction state, which none that waits outlives.';

create function app.react(asked uuid, emoji text, present boolean) returns setof app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    m    wedsync.thread_messages := private.lock_message(asked);
    at   timestamptz             := app.now();
    last timestamptz;
begin
    perform private.require_live(m, 'react');
    if present then
        if not m.reactions ? emoji and (select count(*) from jsonb_object_keys(m.reactions)) >= 20 then
            raise exception 'a message has at most 20 different reactions' using errcode = 'WS409';
        end if;
        insert into wedsync.message_reactions (message_id, user_id, emoji, created_at)
        values (m.id, app.user_id(), react.emoji, at) on conflict do nothing;
    else
        delete from wedsync.message_reactions r where r.message_id = m.id and r.user_id = app.user_id() and r.emoji = react.emoji;
    end if;
    if not found then
        return;
    end if;
    update wedsync.thread_messages c
       set reactions = (select coalesce(jsonb_object_agg(one.emoji, one.people), '{}')
                          from (select r.emoji, jsonb_agg(r.user_id order by r.created_at, r.user_id) as people
                                  from wedsync.message_reactions r where r.message_id = m.id group by r.emoji) one)
     where c.id = m.id;
    select max(e.at) into last from wedsync.thread_events e where e.message_id = m.id and e.kind = 'message.reaction';
    if last > at - interval '2 seconds' then
        insert into wedsync.pending_reactions as p (message_id, actor_id, due_at)
        values (m.id, app.user_id(), last + interval '2 seconds')
        on conflict (message_id) do update set actor_id = excluded.actor_id;
        return;
    end if;
    return next private.log_reactions(m, app.user_id());
end
$$;
comment on function app.react(uuid, text, boolean) is
    'PUT and DELETE /messages/{id}/reactions/{emoji}. The state changes at once; the log tells of it at most every 2 s (R1), '
    'what falls between with the next reaction or by app.log_due_reactions.';

create function app.log_due_reactions(up_to integer)
returns table (thread_id uuid, epoch text, seq bigint, kind text, at timestamptz, actor_id uuid, user_id uuid, data jsonb, audience uuid[], message_id uuid)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    due record;
    m   wedsync.thread_messages;
begin
    perform private.require_worker();
    for due in
        select p.message_id, p.actor_id, c.thread_id
          from (select * from wedsync.pending_reactions w where w.due_at <= app.now() order by w.due_at limit up_to) p
          join wedsync.thread_messages c on c.id = p.message_id
         order by c.thread_id
    loop
        perform from wedsync.communication_threads t where t.id = due.thread_id for no key update;
        if exists (select from wedsync.pending_reactions p where p.message_id = due.message_id and p.due_at <= app.now()) then
            select * into m from wedsync.thread_messages c where c.id = due.message_id;
            return query select logged.*, m.id from private.log_reactions(m, due.actor_id) logged;
        end if;
    end loop;
end
$$;
comment on function app.log_due_reactions(integer) is 'For the clockwork: the events of reactions that came too soon after the last (R1).';

create function private.ask_for_acks() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    insert into wedsync.message_acks (message_id, user_id)
    select new.id, p.user_id from wedsync.thread_participants p
     where p.thread_id = new.thread_id and p.user_id <> new.sender_id and p.role <> 'observer' and p.left_at is null;
    return null;
end
$$;
comment on function private.ask_for_acks() is 'Trigger: writes down whose acknowledgement a new message asks for.';

create function private.settle_acks(m wedsync.thread_messages) returns setof app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if m.acked_at is not null or m.deleted_at is not null or m.retracted_at is not null
       or exists (select from wedsync.message_acks a where a.message_id = m.id and a.acked_at is null)
       or not exists (select from wedsync.message_acks a where a.message_id = m.id) then
        return;
    end if;
    update wedsync.thread_messages c set acked_at = app.now() where c.id = m.id;
    return next private.log_message(m, 'message.acked', app.user_id(), '{}');
end
$$;
comment on function private.settle_acks(wedsync.thread_messages) is 'message.acked, once, when nobody is waited for any more (R1). The thread is locked.';

create function app.ack_message(asked uuid) returns setof app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    m wedsync.thread_messages := private.lock_message(asked);
begin
    perform private.require_may(private.thread_of(m), 'read');
    if not m.requires_ack or m.deleted_at is not null or m.retracted_at is not null then
        raise exception 'the message asks for no acknowledgement' using errcode = 'WS409';
    end if;
    update wedsync.message_acks a set acked_at = coalesce(a.acked_at, app.now()) where a.message_id = m.id and a.user_id = app.user_id();
    if not found then
        raise exception 'it is not your acknowledgement that the message asks for' using errcode = 'WS403';
    end if;
    update wedsync.deliveries d set status = 'cancelled', reason = 'acknowledged', updated_at = app.now()
     where d.message_id = m.id and d.user_id = app.user_id() and d.status = 'queued';
    return query select * from private.settle_acks(m);
end
$$;
comment on function app.ack_message(uuid) is
    'POST /messages/{id}/ack: a row, again the same; the log hears of the last one only. Cancels what would still notify him (R16).';

create function private.release_acks() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    m wedsync.thread_messages;
begin
    for m in
        with released as (
            delete from wedsync.message_acks a using wedsync.thread_messages c
             where a.user_id = new.user_id and a.acked_at is null and c.id = a.message_id and c.thread_id = new.thread_id
            returning c.*
        )
        select * from released order by seq
    loop
        perform private.settle_acks(m);
    end loop;
    return null;
end
$$;
comment on function private.release_acks() is 'Trigger: who left a thread is waited for no more.';

create function app.acks(asked uuid) returns table (user_id uuid, acked_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select a.user_id, a.acked_at
      from wedsync.thread_messages m
      join wedsync.message_acks a on a.message_id = m.id
      join wedsync.communication_threads t on t.id = m.thread_id
     where m.id = asked and private.sees(app.user_id(), m.thread_id, m.seq)
       and (m.sender_id = app.user_id() or exists (
            select from wedsync.wedding_members w where w.wedding_id = t.wedding_id and w.user_id = app.user_id() and w.role = 'planner'))
$$;
comment on function app.acks(uuid) is 'For the author of a message, or a planner who sees it (R11): whom it asks for an acknowledgement, and who has given it.';

create function app.withheld(thread uuid, after bigint, upto bigint) returns bigint[]
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(e.seq), '{}') from wedsync.thread_events e
     where e.thread_id = thread and e.seq > after and e.seq <= upto and e.about_seq is not null
       and private.sees(app.user_id(), thread, e.seq) and not private.sees(app.user_id(), thread, e.about_seq)
$$;
comment on function app.withheld(uuid, bigint, bigint) is
    'Events inside the caller''s windows about messages outside them: void for him, and no hole in the log (R6, R8).';

create function app.delete_draft(thread uuid) returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
    delete from wedsync.drafts d where d.thread_id = thread and d.user_id = app.user_id() and d.thread_id = any (app.visible_threads())
$$;
comment on function app.delete_draft(uuid) is 'DELETE /threads/{id}/draft: the caller''s own.';

create function private.wedding_moment(wedding uuid, days integer, wall time) returns timestamptz
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select (w.wedding_date + days + wall) at time zone w.time_zone from wedsync.weddings w where w.id = wedding $$;
comment on function private.wedding_moment(uuid, integer, time) is
    'A wall time some days from a wedding, in its zone. One that the clocks skip is as much later as they skip; of one that comes twice, the second.';

create function app.schedule_message(id uuid, thread uuid, stated jsonb, send_at timestamptz, days integer, wall time)
returns setof wedsync.scheduled_messages
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    t      wedsync.communication_threads;
    moment timestamptz;
begin
    select * into t from wedsync.communication_threads c where c.id = thread and c.id = any (app.visible_threads());
    if t.id is null then
        raise exception 'no such thread' using errcode = 'WS404';
    end if;
    perform private.require_may(t, 'post');
    moment := coalesce(schedule_message.send_at, private.wedding_moment(t.wedding_id, days, wall));
    if moment <= app.now() then
        raise exception 'not in the future' using errcode = 'WS422', hint = case when days is null then 'send_at' else 'relative' end;
    end if;
    perform from wedsync.users u where u.id = app.user_id() for no key update;
    if (select count(*) from wedsync.scheduled_messages s where s.author_id = app.user_id() and s.status <> 'sent') >= 200 then
        raise exception 'too many scheduled messages: delete one first' using errcode = 'WS409';
    end if;
    return query
        insert into wedsync.scheduled_messages (id, thread_id, author_id, stated, send_at, offset_days, wall_time, created_at, updated_at)
        values (schedule_message.id, thread, app.user_id(), schedule_message.stated, moment, days, wall, app.now(), app.now())
        returning *;
end
$$;
comment on function app.schedule_message(uuid, uuid, jsonb, timestamptz, integer, time) is
    'POST /threads/{id}/scheduled-messages: at a time, or relative to the wedding. Whoever may not post now is refused now.';

create function app.delete_scheduled_message(asked uuid) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    s wedsync.scheduled_messages;
begin
    select * into s from wedsync.scheduled_messages c where c.id = asked and c.author_id = app.user_id() for update;
    if s.id is null then
        raise exception 'no such scheduled message' using errcode = 'WS404';
    end if;
    if s.status in ('sending', 'sent') then
        raise exception 'it is sent already' using errcode = 'WS409';
    end if;
    delete from wedsync.scheduled_messages c where c.id = s.id;
end
$$;
comment on function app.delete_scheduled_message(uuid) is 'DELETE /scheduled-messages/{id}: by its author, until it is being sent.';

create function app.claim_scheduled_messages(up_to integer) returns setof wedsync.scheduled_messages
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    at timestamptz := app.now();
begin
    perform private.require_worker();
    return query
        with due as (
            select s.id,
                   case when exists (select from wedsync.thread_messages m
                                      where (m.thread_id, m.sender_id, m.client_msg_id) = (s.thread_id, s.author_id, s.id)) then null
                        when s.send_at < at - interval '1 hour' then 'late'
                        when w.status = 'cancelled' then 'wedding_cancelled'
                        when w.status = 'postponed' and s.offset_days is not null then 'wedding_postponed' end as reason
              from wedsync.scheduled_messages s
              join wedsync.communication_threads t on t.id = s.thread_id
              join wedsync.weddings w on w.id = t.wedding_id
             where s.send_at <= at and (s.status = 'waiting' or s.status = 'sending' and s.claimed_at < at - interval '2 minutes')
             order by s.send_at, s.id limit up_to
               for update of s skip locked
        ), claimed as (
            update wedsync.scheduled_messages s
               set status = case when due.reason is null then 'sending' else 'needs_attention' end, reason = due.reason,
                   claimed_at = case when due.reason is null then at end, updated_at = at
              from due where s.id = due.id
            returning s.*
        )
        select * from claimed order by send_at, id;
end
$$;
comment on function app.claim_scheduled_messages(integer) is
    'For the clockwork: what is due, the earliest first. sending: to be sent, again after 2 minutes without an end, which the client_msg_id makes harmless; '
    'needs_attention: more than 1 h late, or for a wedding that will not be (R18).';

create function app.settle_scheduled_message(asked uuid, reason text) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform private.require_worker();
    update wedsync.scheduled_messages s
       set status = case when settle_scheduled_message.reason is null then 'sent' else 'needs_attention' end,
           stated = case when settle_scheduled_message.reason is not null then s.stated end,
           message_id = (select m.id from wedsync.thread_messages m
                          where m.thread_id = s.thread_id and m.sender_id = s.author_id and m.client_msg_id = s.id),
           reason = settle_scheduled_message.reason, claimed_at = null, updated_at = app.now()
     where s.id = asked and s.status = 'sending';
end
$$;
comment on function app.settle_scheduled_message(uuid, text) is 'For the clockwork: it is a message now, or (with a reason) was refused.';

create function private.move_scheduled_messages() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    update wedsync.scheduled_messages s
       set send_at = moved.moment, updated_at = app.now(),
           status = case when moved.moment <= app.now() then 'needs_attention' else 'waiting' end,
           reason = case when moved.moment <= app.now() then 'moved_into_the_past' end
      from (select c.id, private.wedding_moment(new.id, c.offset_days, c.wall_time) as moment
              from wedsync.scheduled_messages c join wedsync.communication_threads t on t.id = c.thread_id
             where t.wedding_id = new.id and c.offset_days is not null) moved
     where s.id = moved.id
       and (s.status = 'waiting' or s.status = 'needs_attention' and s.reason in ('moved_into_the_past', 'wedding_postponed'));
    return null;
end
$$;
comment on function private.move_scheduled_messages() is 'Trigger: what is scheduled relative to a wedding moves with its date and zone (R18).';

-- As before, but where a message asks for an acknowledgement only that ends its notifications (R16), and who took back a message is not told of it.
create or replace function private.obstacle(message uuid, person uuid, category text, channel text, address_hash bytea) returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select case
                 when m.deleted_at is not null or m.retracted_at is not null then 'deleted'
                 when p.left_at is not null or p.user_id is null or not private.sees(person, m.thread_id, m.seq) then 'removed'
                 when a.acked_at is not null then 'acknowledged'
                 when p.read_seq >= m.seq and a.user_id is null then 'read'
                 when obstacle.category = 'ordinary' and greatest(p.muted_until, p.snoozed_until) > app.now() then 'muted'
                 when not private.wants(person, obstacle.category, obstacle.channel) then 'preference'
                 when exists (select from wedsync.suppressions s where s.channel = obstacle.channel and s.address_hash = obstacle.address_hash)
                      then 'suppressed'
               end
          from wedsync.thread_messages m
          left join wedsync.thread_participants p on p.thread_id = m.thread_id and p.user_id = person
          left join wedsync.message_acks a on m.requires_ack and a.message_id = m.id and a.user_id = person
         where m.id = obstacle.message);
end
$$;

create function app.first_unread(thread uuid) returns bigint
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select min(found.seq)
          from wedsync.thread_participants p
          join wedsync.thread_access a on a.thread_id = p.thread_id and a.user_id = p.user_id and a.to_seq > p.read_seq
         cross join lateral (
               select m.seq from wedsync.thread_messages m
                where m.thread_id = p.thread_id and m.seq >= greatest(a.from_seq, p.read_seq + 1) and m.seq <= a.to_seq
                  and m.sender_id <> p.user_id and m.deleted_at is null and m.message_type <> 'system'
                order by m.seq limit 1) found
         where p.thread_id = thread and p.user_id = app.user_id() and p.left_at is null);
end
$$;
comment on function app.first_unread(uuid) is
    'The first of the messages that app.unread_counts counts, or null. Under a policy the planner does not trust the order of the index: it sorted them all.';

-- As before, but by spans of seq that an index answers: asking the access table for each message took twenty times as long.
create or replace function app.unread_counts(threads uuid[]) returns table (thread_id uuid, unread bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select p.thread_id, coalesce(sum(found.unread), 0)::bigint
      from (select app.user_id() as id offset 0) caller
      join wedsync.thread_participants p on p.user_id = caller.id and p.thread_id = any (threads) and p.left_at is null
      left join lateral (
           select unnest(range_agg(int8range(greatest(a.from_seq, p.read_seq + 1), nullif(a.to_seq, 9223372036854775807), '[]'))) as seqs
             from wedsync.thread_access a
            where a.user_id = caller.id and a.thread_id = p.thread_id and a.to_seq > p.read_seq) span on true
      left join lateral (
           select count(*) as unread from wedsync.thread_messages m
            where m.thread_id = p.thread_id and m.seq >= lower(span.seqs) and m.seq < coalesce(upper(span.seqs), 9223372036854775807)
              and m.sender_id <> caller.id and m.deleted_at is null and m.message_type <> 'system') found on true
     group by p.thread_id
$$;

-- As before, and those that the caller marked himself; by spans of seq, as app.unread_counts.
create or replace function app.unread_threads() returns uuid[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    me uuid := app.user_id();
begin
    return array(
        select p.thread_id
          from wedsync.thread_participants p
         where p.user_id = me and p.left_at is null
           and (p.marked_unread
                or exists (select from wedsync.thread_access a
                            cross join lateral (
                                  select from wedsync.thread_messages m
                                   where m.thread_id = p.thread_id and m.seq >= greatest(a.from_seq, p.read_seq + 1) and m.seq <= a.to_seq
                                     and m.sender_id <> me and m.deleted_at is null and m.message_type <> 'system'
                                   limit 1) found
                            where a.user_id = me and a.thread_id = p.thread_id and a.to_seq > p.read_seq offset 0)));
end
$$;
comment on function app.unread_threads() is 'Threads that are unread to the caller: app.unread_counts is above zero, or he marked them so (R15).';

-- As before, but an edit also tells those whom it newly mentions, unless they were told already (R23).
create or replace function app.plan_deliveries(threads uuid[], seqs bigint[]) returns table (events integer, id uuid, channel text, lane text)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    at timestamptz := app.now();
begin
    perform private.require_worker();
    return query
        with waiting as (
            select o.thread_id, o.seq from wedsync.outbox o
             where (o.thread_id, o.seq) in (select * from unnest(threads, seqs)) and o.planned_at is null
             order by o.thread_id, o.seq for update
        ), closed as (
            update wedsync.outbox o set planned_at = at from waiting w where (o.thread_id, o.seq) = (w.thread_id, w.seq)
            returning o.thread_id, o.seq, o.lane
        ), told as (
            select m.id, m.thread_id, m.sender_id, c.lane,
                   case when m.priority_level in ('urgent', 'emergency') then m.priority_level else 'ordinary' end as category,
                   case e.kind when 'message.edited' then array(select jsonb_array_elements_text(e.data -> 'mentioned'))::uuid[] end as mentioned
              from closed c
              join wedsync.thread_events e on (e.thread_id, e.seq) = (c.thread_id, c.seq) and e.kind in ('message.created', 'message.edited')
              join wedsync.thread_messages m on m.id = e.message_id and m.message_type <> 'system'
        ), ways as (
            select t.*, p.user_id, way.*
              from told t
              join wedsync.thread_participants p on p.thread_id = t.thread_id and p.user_id <> t.sender_id and p.left_at is null
                                                and (t.mentioned is null or p.user_id = any (t.mentioned))
             cross join lateral (
                   select 'inbox' as channel, null::uuid as contact_point_id, sha256(convert_to(p.user_id::text, 'UTF8')) as address_hash
                   union all
                   select case c.channel when 'device' then 'push' when 'phone' then 'sms' else c.channel end, c.id,
                          sha256(convert_to(c.address, 'UTF8'))
                     from wedsync.contact_points c where c.user_id = p.user_id) way
        ), judged as (
            select w.*, private.obstacle(w.id, w.user_id, w.category, w.channel, w.address_hash) as obstacle from ways w
        ), planned as (
            insert into wedsync.deliveries as d (id, message_id, user_id, channel, lane, category, contact_point_id, address_hash, status, reason,
                                                 created_at, kicked_at, not_before, expires_at, updated_at)
            select private.delivery_id(j.id, j.channel, j.address_hash), j.id, j.user_id, j.channel, j.lane, j.category, j.contact_point_id,
                   j.address_hash, coalesce(j.obstacle, 'queued'), j.obstacle, at, at, at,
                   at + case j.channel when 'inbox' then interval '7 days' when 'sms' then interval '4 hours' else interval '23 hours' end, at
              from judged j where coalesce(j.obstacle, 'suppressed') = 'suppressed'
             order by j.user_id
            on conflict do nothing
            returning d.id, d.channel, d.lane, d.status
        )
        select (select count(*)::integer from closed), p.id, p.channel, p.lane
          from (select) always left join planned p on p.status = 'queued'
         order by p.lane, p.channel;
end
$$;

revoke all on all functions in schema private from public;
revoke all on function
    app.edit_message(uuid, text, text, uuid[]), app.delete_message(uuid), app.pin_message(uuid, boolean), app.react(uuid, text, boolean),
    app.log_due_reactions(integer), app.ack_message(uuid), app.acks(uuid), app.withheld(uuid, bigint, bigint), app.delete_draft(uuid), app.first_unread(uuid),
    app.schedule_message(uuid, uuid, jsonb, timestamptz, integer, time), app.delete_scheduled_message(uuid),
    app.claim_scheduled_messages(integer), app.settle_scheduled_message(uuid, text) from public;
grant execute on function
    app.edit_message(uuid, text, text, uuid[]), app.delete_message(uuid), app.pin_message(uuid, boolean), app.react(uuid, text, boolean),
    app.ack_message(uuid), app.acks(uuid), app.withheld(uuid, bigint, bigint), app.delete_draft(uuid), app.first_unread(uuid),
    app.schedule_message(uuid, uuid, jsonb, timestamptz, integer, time), app.delete_scheduled_message(uuid) to wedsync_app;
grant execute on function
    app.log_due_reactions(integer), app.claim_scheduled_messages(integer), app.settle_scheduled_message(uuid, text) to wedsync_worker;
grant execute on function private.ask_for_acks(), private.release_acks(), private.move_scheduled_messages() to wedsync_owner;
reset role;

set role wedsync_owner;
create trigger ask_for_acks after insert on wedsync.thread_messages
    for each row when (new.requires_ack) execute function private.ask_for_acks();
create trigger release_acks after update of left_at on wedsync.thread_participants
    for each row when (old.left_at is null and new.left_at is not null) execute function private.release_acks();
create trigger move_scheduled_messages after update of wedding_date, time_zone on wedsync.weddings
    for each row when (old.wedding_date <> new.wedding_date or old.time_zone <> new.time_zone) execute function private.move_scheduled_messages();
reset role;
