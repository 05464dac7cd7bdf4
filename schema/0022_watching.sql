-- Pushing to many (R7, R17), planning in portions, and watching over what is urgent until somebody has seen it (R16).

set role wedsync_owner;
alter table wedsync.deliveries add column reached boolean;
create index deliveries_watched on wedsync.deliveries (created_at) where channel = 'inbox' and category <> 'ordinary' and reached is null;
comment on column wedsync.deliveries.reached is
    'Of the inbox and for what is urgent: whether the person has it on a device or a provider took it for him, on whatever channel; null: nobody knows yet.';
reset role;

set role wedsync_access;
-- What was given up long ago rings no alarm now.
update wedsync.deliveries set reached = true where channel = 'inbox' and category <> 'ordinary' and created_at < now() - interval '1 day';

create function app.push_audience(thread uuid, seqs bigint[], people uuid[]) returns table (seq bigint, user_id uuid)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform private.require_worker();
    return query
        select distinct e.seq, a.user_id
          from wedsync.thread_events e
          join wedsync.thread_access a on a.thread_id = e.thread_id and a.source = 'participant' and a.user_id = any (people)
         where e.thread_id = thread and e.seq = any (seqs) and private.sees(a.user_id, e.thread_id, e.seq)
           and (e.about_seq is null or private.sees(a.user_id, e.thread_id, e.about_seq));
end
$$;
comment on function app.push_audience(uuid, bigint[], uuid[]) is
    'Which of these events are pushed to which of these people now: to participants who see them (R6, R7); implicit hosts get no push (R10).';

-- As before, but no more at once than so many recipients, and with what the planner needs to withhold.
create function app.plan_deliveries(threads uuid[], seqs bigint[], recipients integer)
returns table (events integer, left_over integer, id uuid, channel text, lane text, category text, thread_id uuid, user_id uuid)
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
        ), crowds as (
            select p.thread_id, count(*) as people from wedsync.thread_participants p
             where p.thread_id in (select w.thread_id from waiting w) and p.left_at is null
             group by p.thread_id
        ), portion as (
            select w.thread_id, w.seq, sum(coalesce(c.people, 0)) over (order by w.thread_id, w.seq) - coalesce(c.people, 0) as before
              from waiting w left join crowds c on c.thread_id = w.thread_id
        ), closed as (
            update wedsync.outbox o set planned_at = at from portion w
             where (o.thread_id, o.seq) = (w.thread_id, w.seq) and w.before < recipients
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
            returning d.id, d.channel, d.lane, d.status, d.category, d.message_id, d.user_id
        )
        select (select count(*)::integer from closed), (select count(*)::integer from waiting) - (select count(*)::integer from closed),
               p.id, p.channel, p.lane, p.category, m.thread_id, p.user_id
          from (select) always
          left join planned p on p.status = 'queued'
          left join wedsync.thread_messages m on m.id = p.message_id
         order by p.lane, p.channel;
end
$$;
comment on function app.plan_deliveries(uuid[], bigint[], integer) is
    'Closes the outbox rows of these events and plans their deliveries, in one statement (R17): who hears of a message, in which way. '
    'How many rows it closed and how many it left, in the order of the log, because there were enough recipients without them (one event is always taken), '
    'with each delivery to queue, or with none. An e-mail expires before the provider forgets its idempotency key.';

create or replace function app.plan_deliveries(threads uuid[], seqs bigint[]) returns table (events integer, id uuid, channel text, lane text)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return query select p.events, p.id, p.channel, p.lane from app.plan_deliveries(threads, seqs, 2147483647) p;
end
$$;
comment on function app.plan_deliveries(uuid[], bigint[]) is 'For planners of the version before, while a deployment replaces them: everything at once.';

create function app.withhold_deliveries(asked uuid[], seconds integer) returns table (id uuid)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform private.require_worker();
    perform private.lock_queued(asked);
    return query
        update wedsync.deliveries d set not_before = d.created_at + make_interval(secs => seconds), updated_at = app.now()
         where d.id = any (asked) and d.status = 'queued' and d.channel <> 'inbox'
           and not exists (select from wedsync.thread_messages m
                             join wedsync.thread_participants p on p.thread_id = m.thread_id and p.left_at is null and p.user_id <> m.sender_id
                             join wedsync.contact_points c on c.user_id = p.user_id
                            where m.id = d.message_id and p.user_id <> d.user_id and sha256(convert_to(c.address, 'UTF8')) = d.address_hash)
        returning d.id;
end
$$;
comment on function app.withhold_deliveries(uuid[], integer) is
    'These wait so many seconds from their planning on, because their recipients are looking (R16), unless somebody else is told at the same address. '
    'Reading cancels them: the claim asks for it.';

create function app.unkick_deliveries(asked uuid[]) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform private.require_worker();
    perform private.lock_queued(asked);
    update wedsync.deliveries d set kicked_at = d.not_before - interval '1 microsecond' where d.id = any (asked) and d.status = 'queued';
end
$$;
comment on function app.unkick_deliveries(uuid[]) is 'No queue took these: app.kick_deliveries finds them as soon as they are due, not only once they count as lost.';

create function app.unreached_recipients(up_to integer) returns table (message_id uuid, user_id uuid, category text)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    at timestamptz := app.now();
begin
    perform private.require_worker();
    return query
        with watched as (
            select d.* from wedsync.deliveries d
             where d.channel = 'inbox' and d.category <> 'ordinary' and d.reached is null
               and d.created_at <= at - case d.category when 'emergency' then interval '10 seconds' else interval '60 seconds' end
             order by d.created_at limit up_to for update skip locked
        ), told as (
            select w.id, x.status in ('sent', 'delayed', 'delivered', 'complained') as taken, x.status in ('queued', 'sending', 'unknown') as open
              from watched w
              join wedsync.deliveries x on x.message_id = w.message_id and x.channel <> 'inbox'
                   and (x.user_id = w.user_id
                        or x.address_hash in (select sha256(convert_to(c.address, 'UTF8')) from wedsync.contact_points c where c.user_id = w.user_id))
        ), judged as (
            select w.id,
                   case when coalesce(bool_or(t.taken), false)
                          or private.obstacle(w.message_id, w.user_id, w.category, w.channel, w.address_hash) is not null
                          or exists (select from wedsync.thread_messages m
                                       join wedsync.thread_participants p on p.thread_id = m.thread_id and p.user_id = w.user_id
                                      where m.id = w.message_id and p.delivered_seq >= m.seq) then true
                        when not coalesce(bool_or(t.open), false) then false end as reached
              from watched w left join told t on t.id = w.id
             group by w.id, w.message_id, w.user_id, w.category, w.channel, w.address_hash
        ), settled as (
            update wedsync.deliveries d set reached = j.reached from judged j where d.id = j.id and j.reached is not null
            returning d.message_id, d.user_id, d.category, d.reached
        )
        select s.message_id, s.user_id, s.category from settled s where not s.reached;
end
$$;
comment on function app.unreached_recipients(integer) is
    'Recipients of what is urgent who have it on no device and for whom every channel has failed, or there is none. Each is named once.';

revoke all on function
    app.push_audience(uuid, bigint[], uuid[]), app.plan_deliveries(uuid[], bigint[], integer), app.withhold_deliveries(uuid[], integer),
    app.unkick_deliveries(uuid[]), app.unreached_recipients(integer) from public;
grant execute on function
    app.push_audience(uuid, bigint[], uuid[]), app.plan_deliveries(uuid[], bigint[], integer), app.withhold_deliveries(uuid[], integer),
    app.unkick_deliveries(uuid[]), app.unreached_recipients(integer), app.thread_facts(wedsync.communication_threads) to wedsync_worker;
reset role;
