-- Notifications: what the planner decided, what became of it, the inbox, and who must not be written to (R23, R24).

set role wedsync_owner;

-- Each channel has addresses of its own kind: whoever adds one adds no constraint.
alter table wedsync.contact_points drop constraint contact_points_channel_check,
    add constraint contact_points_channel_check check (channel ~ '^[a-z]{1,20}$');
comment on column wedsync.contact_points.channel is
    'email: address; phone: E.164, for sms; device: push subscription, for push. Of any other channel: its own name.';

create table wedsync.notification_preferences (
    user_id    uuid        not null references wedsync.users on delete cascade,
    category   text        not null check (category in ('ordinary', 'urgent')),
    channel    text        not null check (channel ~ '^[a-z]{1,20}$'),
    enabled    boolean     not null,
    updated_at timestamptz not null,
    primary key (user_id, category, channel)
);
comment on table  wedsync.notification_preferences          is 'Where a person departs from the defaults. The inbox always gets everything, and emergencies ask nobody.';
comment on column wedsync.notification_preferences.category is 'Of messages: urgent, or any lower priority.';

create table wedsync.suppressions (
    channel      text        not null check (channel ~ '^[a-z]{1,20}$'),
    address_hash bytea       not null check (octet_length(address_hash) = 32),
    reason       text        not null check (char_length(reason) between 1 and 100),
    created_at   timestamptz not null,
    primary key (channel, address_hash)
);
comment on table  wedsync.suppressions              is 'Addresses that are not written to again: STOP, bounces, complaints (R24). They outlive the person''s record.';
comment on column wedsync.suppressions.address_hash is 'SHA-256 of the address.';
comment on column wedsync.suppressions.reason       is 'The provider''s code.';

create table wedsync.deliveries (
    id                 uuid        primary key,
    message_id         uuid        not null references wedsync.thread_messages on delete cascade,
    user_id            uuid        not null references wedsync.users on delete cascade,
    channel            text        not null check (channel ~ '^[a-z]{1,20}$'),
    lane               text        not null check (lane in ('ordinary', 'emergency')),
    category           text        not null check (category in ('ordinary', 'urgent', 'emergency')),
    contact_point_id   uuid        references wedsync.contact_points on delete set null,
    address_hash       bytea       not null check (octet_length(address_hash) = 32),
    status             text        not null default 'queued'
                                   check (status in ('queued', 'sending', 'unknown', 'sent', 'delayed', 'failed', 'delivered', 'bounced',
                                                     'complained', 'cancelled', 'suppressed', 'expired')),
    reason             text        check (char_length(reason) between 1 and 100),
    attempt            integer     not null default 0,
    possible_duplicate boolean     not null default false,
    created_at         timestamptz not null,
    kicked_at          timestamptz not null,
    not_before         timestamptz not null,
    expires_at         timestamptz not null,
    claim_token        uuid,
    claimed_at         timestamptz,
    provider           text        check (char_length(provider) between 1 and 50),
    provider_ref       text        check (char_length(provider_ref) between 1 and 200),
    sent_at            timestamptz,
    delivered_at       timestamptz,
    failed_at          timestamptz,
    updated_at         timestamptz not null,
    unique (message_id, channel, address_hash),
    unique (provider, provider_ref)
);
create index deliveries_user on wedsync.deliveries (user_id);
create index deliveries_contact_point on wedsync.deliveries (contact_point_id) where contact_point_id is not null;
create index deliveries_waiting on wedsync.deliveries (kicked_at) where status = 'queued';
create index deliveries_claimed on wedsync.deliveries (claimed_at) where status in ('sending', 'unknown');
comment on table  wedsync.deliveries                    is 'One message to one address by one channel (R23). States only rise; app.claim_deliveries is the only way to sending.';
comment on column wedsync.deliveries.channel            is 'Names the function that sends it; the functions are the list of channels.';
comment on column wedsync.deliveries.id                 is 'Derived from message, channel and address: the provider''s idempotency key.';
comment on column wedsync.deliveries.address_hash       is 'SHA-256 of the address, of the user id in the inbox. The address itself is in contact_points only.';
comment on column wedsync.deliveries.status             is 'Ordered by private.delivery_rank.';
comment on column wedsync.deliveries.reason             is 'Why it was cancelled, or the provider''s code of a failure; never erased by a later event without one.';
comment on column wedsync.deliveries.possible_duplicate is 'An emergency sent again because nobody knows what became of the first: a double alarm beats none.';
comment on column wedsync.deliveries.kicked_at          is 'When its id was last put on a queue.';
comment on column wedsync.deliveries.claim_token        is 'Held by the worker that may record the outcome.';

create table wedsync.delivery_attempts (
    delivery_id uuid        not null references wedsync.deliveries on delete cascade,
    attempt     integer     not null check (attempt >= 1),
    started_at  timestamptz not null,
    ended_at    timestamptz not null,
    outcome     text        not null check (outcome in ('accepted', 'refused', 'later', 'unknown', 'withdrawn', 'lost')),
    code        text        check (char_length(code) between 1 and 100),
    primary key (delivery_id, attempt)
);
comment on table  wedsync.delivery_attempts         is 'What came of each claim. The inbox needs none.';
comment on column wedsync.delivery_attempts.outcome is 'lost: the worker never recorded one.';

create table wedsync.inbox_items (
    id         uuid        primary key,
    user_id    uuid        not null references wedsync.users on delete cascade,
    message_id uuid        not null references wedsync.thread_messages on delete cascade,
    category   text        not null check (category in ('ordinary', 'urgent', 'emergency')),
    created_at timestamptz not null,
    seen_at    timestamptz,
    read_at    timestamptz,
    unique (user_id, message_id)
);
create index inbox_items_message on wedsync.inbox_items (message_id);
create index inbox_items_page on wedsync.inbox_items (user_id, created_at desc, id desc);
comment on table  wedsync.inbox_items         is 'A person''s notifications in the app. They hold no text: that is read with the message, inside his windows.';
comment on column wedsync.inbox_items.id      is 'Id of the delivery that put it there.';
comment on column wedsync.inbox_items.seen_at is 'It was on screen in a list.';
comment on column wedsync.inbox_items.read_at is 'The person opened it.';

do $$
begin
    perform private.protect('wedsync.notification_preferences',
                            'wedsync.suppressions',
                            'wedsync.deliveries',
                            'wedsync.delivery_attempts',
                            'wedsync.inbox_items');
end
$$;

create policy reads on wedsync.inbox_items for select to wedsync_app using (user_id = (select app.user_id()));
create policy marks on wedsync.inbox_items for update to wedsync_app using (user_id = (select app.user_id()));
grant select on wedsync.inbox_items to wedsync_app;
grant update (seen_at, read_at) on wedsync.inbox_items to wedsync_app;

-- Text leaves only for one who may read it: the worker sees what the recipient of its context sees (R12).
create policy worker on wedsync.communication_threads for select to wedsync_worker using (id = any ((select app.visible_threads())::uuid[]));
create policy worker on wedsync.thread_messages for select to wedsync_worker
    using (thread_id = any ((select app.visible_threads())::uuid[]) and private.sees((select app.user_id()), thread_id, seq));
create policy worker on wedsync.thread_events for select to wedsync_worker
    using (thread_id = any ((select app.visible_threads())::uuid[]) and private.sees((select app.user_id()), thread_id, seq)
           and (about_seq is null or private.sees((select app.user_id()), thread_id, about_seq)));
grant select on wedsync.communication_threads, wedsync.thread_messages, wedsync.thread_events to wedsync_worker;
reset role;

set role wedsync_access;
grant execute on function app.visible_threads(), private.sees(uuid, uuid, bigint) to wedsync_worker;

create function app.name_in(thread uuid, person uuid) returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return (select u.display_name from wedsync.users u
              join wedsync.thread_participants p on p.thread_id = thread and p.user_id = u.id and p.left_at is null
             where u.id = person and exists (select from wedsync.thread_access a where a.user_id = app.user_id() and a.thread_id = thread));
end
$$;
comment on function app.name_in(uuid, uuid) is 'The name of a present participant of a thread that the caller sees, or null.';

-- With the rights of its caller: row-level security decides what he reads.
create function app.notification_texts(messages uuid[])
returns table (message_id uuid, thread_id uuid, subject text, message text, message_type text, priority_level text, seq bigint, created_at timestamptz,
               sender_name text)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    return query
        select m.id, m.thread_id, t.subject, m.message, m.message_type, m.priority_level, m.seq, m.created_at, app.name_in(m.thread_id, m.sender_id)
          from wedsync.thread_messages m join wedsync.communication_threads t on t.id = m.thread_id
         where m.id = any (messages) and m.deleted_at is null;
end
$$;
comment on function app.notification_texts(uuid[]) is 'What the recipient of a notification may read of these messages now; what he does not see is not there (R12).';
revoke all on function app.name_in(uuid, uuid), app.notification_texts(uuid[]) from public;
grant execute on function app.name_in(uuid, uuid), app.notification_texts(uuid[]) to wedsync_worker;

create function private.require_worker() returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if (app.context())[3] is distinct from 'worker' then
        raise exception 'only the notification workers may do this' using errcode = 'WS403';
    end if;
end
$$;
comment on function private.require_worker() is 'SQLSTATE WS403 unless the context is that of a worker.';

create function private.delivery_id(message uuid, channel text, address_hash bytea) returns uuid
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select encode(set_byte(set_byte(h, 6, get_byte(h, 6) & 15 | 128), 8, get_byte(h, 8) & 63 | 128), 'hex')::uuid
      from substr(sha256(convert_to(message::text || channel, 'UTF8') || address_hash), 1, 16) h
$$;
comment on function private.delivery_id(uuid, text, bytea) is 'The id of a delivery, from what makes it one (R23): a name-based UUID (RFC 9562, version 8, SHA-256).';

create function private.delivery_rank(status text) returns integer
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
begin
    return case status when 'queued' then 10 when 'sending' then 20 when 'unknown' then 25 when 'sent' then 30 when 'delayed' then 35
                       when 'failed' then 40 when 'delivered' then 50 when 'bounced' then 60 when 'complained' then 70
                       when 'cancelled' then 80 when 'suppressed' then 81 when 'expired' then 82 end;
end
$$;
comment on function private.delivery_rank(text) is
    'Order of the states. A late truth outranks an early guess: delivered beats a failure seen locally, a bounce beats delivered. From 80 on nothing was handed over.';

create function private.advance_delivery(delivery uuid, status text, at timestamptz, provider text, provider_ref text, reason text) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    current text;
    moves   boolean;
begin
    select d.status into strict current from wedsync.deliveries d where d.id = delivery for update;
    moves := private.delivery_rank(advance_delivery.status) > private.delivery_rank(current) and private.delivery_rank(current) < 80;
    update wedsync.deliveries d
       set status       = case when moves then advance_delivery.status else d.status end,
           reason       = case when moves then coalesce(advance_delivery.reason, d.reason) else coalesce(d.reason, advance_delivery.reason) end,
           provider     = coalesce(d.provider, advance_delivery.provider),
           provider_ref = coalesce(d.provider_ref, advance_delivery.provider_ref),
           sent_at      = case when advance_delivery.status in ('sent', 'delivered') then least(d.sent_at, at) else d.sent_at end,
           delivered_at = case when advance_delivery.status = 'delivered' then least(d.delivered_at, at) else d.delivered_at end,
           failed_at    = case when advance_delivery.status in ('failed', 'bounced') then least(d.failed_at, at) else d.failed_at end,
           updated_at   = app.now()
     where d.id = delivery;
    return moves;
end
$$;
comment on function private.advance_delivery(uuid, text, timestamptz, text, text, text) is
    'What is learned of a delivery, in any order and any number of times: the state only rises, times keep the earliest. Whether it moved.';

create function private.wants(person uuid, category text, channel text) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return channel = 'inbox' or category = 'emergency'
        or coalesce((select p.enabled from wedsync.notification_preferences p
                      where p.user_id = person and p.category = wants.category and p.channel = wants.channel),
                    channel = 'push' or category = 'urgent');
end
$$;
comment on function private.wants(uuid, text, text) is 'A person''s preference, else the default: push for everything, e-mail and SMS for what is urgent.';

-- plpgsql, like all that is asked for each delivery: it keeps its plans, a definer function in SQL is planned at every call.
create function private.obstacle(message uuid, person uuid, category text, channel text, address_hash bytea) returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select case
                 when m.deleted_at is not null then 'deleted'
                 when p.left_at is not null or p.user_id is null or not private.sees(person, m.thread_id, m.seq) then 'removed'
                 when p.read_seq >= m.seq then 'read'
                 when obstacle.category = 'ordinary' and p.muted_until > app.now() then 'muted'
                 when not private.wants(person, obstacle.category, obstacle.channel) then 'preference'
                 when exists (select from wedsync.suppressions s where s.channel = obstacle.channel and s.address_hash = obstacle.address_hash)
                      then 'suppressed'
               end
          from wedsync.thread_messages m
          left join wedsync.thread_participants p on p.thread_id = m.thread_id and p.user_id = person
         where m.id = obstacle.message);
end
$$;
comment on function private.obstacle(uuid, uuid, text, text, bytea) is
    'Why a person must not be told of a message in this way, or null. Asked when it is planned and again when it is claimed (R23).';

create function app.plan_deliveries(threads uuid[], seqs bigint[]) returns table (events integer, id uuid, channel text, lane text)
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
                   case when m.priority_level in ('urgent', 'emergency') then m.priority_level else 'ordinary' end as category
              from closed c
              join wedsync.thread_events e on (e.thread_id, e.seq) = (c.thread_id, c.seq) and e.kind = 'message.created'
              join wedsync.thread_messages m on m.id = e.message_id and m.message_type <> 'system'
        ), ways as (
            select t.*, p.user_id, way.*
              from told t
              join wedsync.thread_participants p on p.thread_id = t.thread_id and p.user_id <> t.sender_id and p.left_at is null
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
comment on function app.plan_deliveries(uuid[], bigint[]) is
    'Closes the outbox rows of these events and plans their deliveries, in one statement (R17): who hears of a message, in which way. '
    'How many rows it closed, with each delivery to queue, or with none. An e-mail expires before the provider forgets its idempotency key.';

create function app.undelivered(threads uuid[], seqs bigint[]) returns table (thread_id uuid, seq bigint, user_id uuid)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform private.require_worker();
    return query
        select o.thread_id, o.seq, p.user_id
          from wedsync.outbox o
          join wedsync.thread_participants p on p.thread_id = o.thread_id and p.left_at is null and p.delivered_seq < o.seq
         where (o.thread_id, o.seq) in (select * from unnest(threads, seqs)) and o.xmin = pg_current_xact_id()::xid
           and private.sees(p.user_id, o.thread_id, o.seq)
         order by o.thread_id, o.seq;
end
$$;
comment on function app.undelivered(uuid[], bigint[]) is
    'Of the events that this transaction has planned: who should have been pushed which, and has it stored on no device (R16, R17).';

create type app.claim as (
    id uuid, token uuid, message_id uuid, thread_id uuid, user_id uuid, channel text, lane text, category text, contact_point_id uuid, address text,
    attempt integer, claimed_at timestamptz, possible_duplicate boolean, locale text, time_zone text
);
comment on type app.claim is 'A delivery as the worker that claimed it needs it, with the address.';

create function private.claim(d wedsync.deliveries) returns app.claim
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    claim app.claim;
begin
    select d.id, d.claim_token, d.message_id, m.thread_id, d.user_id, d.channel, d.lane, d.category, d.contact_point_id,
           coalesce(c.address, d.user_id::text), d.attempt, d.claimed_at, d.possible_duplicate, u.locale, u.time_zone
      into strict claim
      from wedsync.thread_messages m
      join wedsync.users u on u.id = d.user_id
      left join wedsync.contact_points c on c.id = d.contact_point_id
     where m.id = d.message_id;
    return claim;
end
$$;
comment on function private.claim(wedsync.deliveries) is 'A claimed delivery with its address; the inbox is addressed by the user id.';

create function private.hand_over(d wedsync.deliveries) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    update wedsync.deliveries c
       set status = 'queued', reason = null, user_id = heir.user_id, contact_point_id = heir.id
      from (select a.id, a.user_id
              from wedsync.thread_messages m
              join wedsync.thread_participants p on p.thread_id = m.thread_id and p.user_id not in (m.sender_id, d.user_id)
              join wedsync.contact_points a on a.user_id = p.user_id and sha256(convert_to(a.address, 'UTF8')) = d.address_hash
             where m.id = d.message_id and private.obstacle(d.message_id, p.user_id, d.category, d.channel, d.address_hash) is null
             order by a.user_id limit 1) heir
     where c.id = d.id;
    return found;
end
$$;
comment on function private.hand_over(wedsync.deliveries) is 'Whether somebody else with the same address still wants a delivery that its first recipient does not: it is his then.';

create function private.objection(d wedsync.deliveries, at timestamptz) returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return case when d.expires_at <= at then 'expired'
                when d.channel <> 'inbox' and d.contact_point_id is null then 'address_gone'
                else private.obstacle(d.message_id, d.user_id, d.category, d.channel, d.address_hash) end;
end
$$;
comment on function private.objection(wedsync.deliveries, timestamptz) is 'Why a queued delivery must not go out now, or null.';

create function private.withheld(why text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
begin
    return case when why in ('expired', 'suppressed') then why else 'cancelled' end;
end
$$;
comment on function private.withheld(text) is 'The state of a delivery that something speaks against.';

-- Whoever takes several deliveries locks them here first, in one order; the next statement sees what others did to them meanwhile.
create function private.lock_queued(asked uuid[]) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform from wedsync.deliveries d where d.id = any (asked) and d.status = 'queued' order by d.id for no key update;
end
$$;
comment on function private.lock_queued(uuid[]) is 'Locks those of these deliveries that are queued, in the order of their ids.';

create function app.claim_deliveries(asked uuid[], token uuid) returns setof app.claim
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    at        timestamptz := app.now();
    refused   wedsync.deliveries[];
    d         wedsync.deliveries;
    inherited boolean;
begin
    perform private.require_worker();
    perform private.lock_queued(asked);
    loop
        with settled as (
            update wedsync.deliveries c
               set (status, reason, attempt, claim_token, claimed_at, updated_at) = (
                   select case when why is null then 'sending' else private.withheld(why) end, coalesce(why, c.reason),
                          c.attempt + (why is null)::integer, case when why is null then claim_deliveries.token end, case when why is null then at end, at
                     from (select private.objection(c, at) as why offset 0) judged)
             where c.id = any (asked) and c.status = 'queued' and c.not_before <= at
            returning c.*
        )
        select array_agg(s) into refused from settled s where s.status = 'cancelled';
        inherited := false;
        foreach d in array coalesce(refused, '{}') loop
            inherited := private.hand_over(d) or inherited;
        end loop;
        exit when not inherited;
    end loop;
    return query
        select claim.* from wedsync.deliveries c cross join lateral private.claim(c) claim
         where c.id = any (asked) and c.claim_token = claim_deliveries.token and c.status = 'sending'
         order by array_position(asked, c.id);
end
$$;
comment on function app.claim_deliveries(uuid[], uuid) is
    'One conditional UPDATE that asks everything again (R23): a row for each of these that the one worker with this token may send now, none for all others. '
    'What has become void is cancelled here, with the reason.';

create function app.fill_inboxes(asked uuid[])
returns table (id uuid, user_id uuid, message_id uuid, category text, created_at timestamptz)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    at timestamptz := app.now();
begin
    perform private.require_worker();
    perform private.lock_queued(asked);
    return query
        with settled as (
            update wedsync.deliveries c
               set (status, reason, attempt, sent_at, delivered_at, updated_at) = (
                   select case when why is null then 'delivered' else private.withheld(why) end, coalesce(why, c.reason),
                          c.attempt + (why is null)::integer, case when why is null then at end, case when why is null then at end, at
                     from (select private.objection(c, at) as why offset 0) judged)
             where c.id = any (asked) and c.channel = 'inbox' and c.status = 'queued' and c.not_before <= at
            returning c.id, c.user_id, c.message_id, c.category, c.status
        )
        insert into wedsync.inbox_items as i (id, user_id, message_id, category, created_at)
        select s.id, s.user_id, s.message_id, s.category, at from settled s where s.status = 'delivered'
        on conflict do nothing
        returning i.id, i.user_id, i.message_id, i.category, i.created_at;
end
$$;
comment on function app.fill_inboxes(uuid[]) is
    'The inbox leaves the database at no point, so claim, item and record are one act: a row for each item that is new. '
    'What has become void is cancelled here, with the reason.';

create function private.note_attempt(d wedsync.deliveries, outcome text, code text) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    insert into wedsync.delivery_attempts as a (delivery_id, attempt, started_at, ended_at, outcome, code)
    values (d.id, d.attempt, d.claimed_at, app.now(), note_attempt.outcome, note_attempt.code)
    on conflict on constraint delivery_attempts_pkey
    do update set ended_at = excluded.ended_at, outcome = excluded.outcome, code = coalesce(excluded.code, a.code);
end
$$;
comment on function private.note_attempt(wedsync.deliveries, text, text) is 'Writes down what came of a claim; a reconciled one is overwritten.';

create function app.record_delivery(delivery uuid, token uuid, outcome text, provider text, provider_ref text, code text, suppress boolean, retry_after float)
returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    d wedsync.deliveries;
begin
    perform private.require_worker();
    select * into d from wedsync.deliveries c where c.id = delivery and c.claim_token = token for update;
    if d.id is null then
        return false;
    end if;
    perform private.note_attempt(d, outcome, code);
    if suppress and d.channel = 'push' then
        delete from wedsync.contact_points c where c.id = d.contact_point_id;
    elsif suppress then
        insert into wedsync.suppressions (channel, address_hash, reason, created_at)
        values (d.channel, d.address_hash, coalesce(code, 'refused'), app.now()) on conflict do nothing;
    end if;
    case outcome
        when 'accepted' then
            return private.advance_delivery(delivery, 'sent', app.now(), provider, provider_ref, null);
        when 'refused' then
            return private.advance_delivery(delivery, 'failed', app.now(), null, null, code);
        when 'unknown' then
            return private.advance_delivery(delivery, 'unknown', app.now(), null, null, code);
        when 'withdrawn' then
            update wedsync.deliveries c set status = 'cancelled', reason = code, updated_at = app.now() where c.id = delivery and c.status = 'sending';
        when 'later' then
            update wedsync.deliveries c
               set status = 'queued', claim_token = null, claimed_at = null, updated_at = app.now(),
                   not_before = app.now() + make_interval(secs => greatest(retry_after, least(2 ^ d.attempt, 900)))
             where c.id = delivery and c.status = 'sending';
    end case;
    return found;
end
$$;
comment on function app.record_delivery(uuid, uuid, text, text, text, text, boolean, float) is
    'What the provider said to the holder of the claim. later, the only way down, is for what certainly was not sent; it waits retry_after seconds '
    'and longer with each attempt. suppress: a device is forgotten, another address is written to no more. Whether the state moved.';

create function app.release_stale_claims(older_than interval) returns table (id uuid, channel text, status text)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    d wedsync.deliveries;
begin
    perform private.require_worker();
    for d in
        select * from wedsync.deliveries c where c.status = 'sending' and c.claimed_at < app.now() - older_than for update skip locked
    loop
        perform private.note_attempt(d, 'lost', null);
        if d.channel = 'sms' then
            perform private.advance_delivery(d.id, 'unknown', app.now(), null, null, 'lost');
        else
            update wedsync.deliveries c set status = 'queued', claim_token = null, claimed_at = null, updated_at = app.now(),
                   not_before = app.now() + make_interval(secs => least(2 ^ d.attempt, 900)) where c.id = d.id;
        end if;
        return query select d.id, d.channel, case d.channel when 'sms' then 'unknown' else 'queued' end;
    end loop;
end
$$;
comment on function app.release_stale_claims(interval) is
    'Claims whose worker died. E-mail and push bear a repetition under their own key; an SMS may have gone out and becomes unknown.';

create function app.kick_deliveries(lost_after interval, up_to integer) returns table (id uuid, channel text, lane text)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    at timestamptz := app.now();
begin
    perform private.require_worker();
    return query
        with due as (
            select d.id from wedsync.deliveries d
             where d.status = 'queued' and d.not_before <= at and (d.kicked_at < d.not_before or d.kicked_at < at - lost_after)
             order by d.lane, d.kicked_at limit up_to for update skip locked
        )
        update wedsync.deliveries d set kicked_at = at from due where d.id = due.id returning d.id, d.channel, d.lane;
end
$$;
comment on function app.kick_deliveries(interval, integer) is 'Queued deliveries whose time has come, or whose place on a queue was lost: to be put there again.';

create function app.unknown_deliveries(older_than interval, up_to integer) returns setof app.claim
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform private.require_worker();
    return query
        select claim.* from wedsync.deliveries d cross join lateral private.claim(d) claim
         where d.status = 'unknown' and d.channel = 'sms' and d.claimed_at < app.now() - older_than and d.expires_at > app.now()
         order by d.lane, d.claimed_at limit up_to;
end
$$;
comment on function app.unknown_deliveries(interval, integer) is 'SMS of which nobody knows whether they went out: to be asked for at the provider, until they would have expired.';

create function app.send_again(delivery uuid, token uuid) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform private.require_worker();
    update wedsync.deliveries d
       set status = 'queued', possible_duplicate = true, claim_token = null, claimed_at = null, not_before = app.now(), updated_at = app.now()
     where d.id = delivery and d.claim_token = token and d.status = 'unknown' and d.lane = 'emergency' and not d.possible_duplicate;
    return found;
end
$$;
comment on function app.send_again(uuid, uuid) is 'Once, and only for an emergency whose SMS the provider does not know: marked as a possible duplicate.';

revoke all on all functions in schema private from public;
revoke all on function
    app.plan_deliveries(uuid[], bigint[]), app.undelivered(uuid[], bigint[]), app.claim_deliveries(uuid[], uuid), app.fill_inboxes(uuid[]),
    app.record_delivery(uuid, uuid, text, text, text, text, boolean, float), app.release_stale_claims(interval),
    app.kick_deliveries(interval, integer), app.unknown_deliveries(interval, integer), app.send_again(uuid, uuid) from public;
grant execute on function
    app.plan_deliveries(uuid[], bigint[]), app.undelivered(uuid[], bigint[]), app.claim_deliveries(uuid[], uuid), app.fill_inboxes(uuid[]),
    app.record_delivery(uuid, uuid, text, text, text, text, boolean, float), app.release_stale_claims(interval),
    app.kick_deliveries(interval, integer), app.unknown_deliveries(interval, integer), app.send_again(uuid, uuid) to wedsync_worker;
reset role;
