-- A message that lies on a device has reached nobody: only reading or acknowledging ends the watch (R16).

set role wedsync_access;

-- As before, without asking devices.
create or replace function app.unreached_recipients(up_to integer) returns table (message_id uuid, user_id uuid, category text)
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
                          or private.obstacle(w.message_id, w.user_id, w.category, w.channel, w.address_hash) is not null then true
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
    'Recipients of what is urgent who have not read it and for whom every channel has failed, or there is none. Each is named once.';
reset role;

set role wedsync_owner;
comment on column wedsync.deliveries.reached is
    'Of the inbox and for what is urgent: whether the person read it or a provider took it for him, on whatever channel; null: nobody knows yet.';
reset role;
