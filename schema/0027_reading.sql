-- Reading a thread reads its notifications, so that what is unread is what an index holds; a person's threads without reading everybody's.

set role wedsync_access;

create function private.read_inbox_items() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    update wedsync.inbox_items i set read_at = app.now(), seen_at = coalesce(i.seen_at, app.now())
     where i.id = any (array(
               select u.id from wedsync.inbox_items u
                where u.user_id = new.user_id and u.thread_id = new.thread_id and u.seq <= new.read_seq and u.read_at is null
                order by u.thread_id, u.seq for no key update));
    return null;
end
$$;
comment on function private.read_inbox_items() is
    'Trigger: what is read in its thread is read in the inbox. Whoever marks several items locks them by thread and seq: a person has several devices.';

-- As before; who has read so far already has nothing to open.
create or replace function private.place_inbox_item() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    select m.thread_id, m.seq into new.thread_id, new.seq from wedsync.thread_messages m where m.id = new.message_id;
    if exists (select from wedsync.thread_participants p where p.thread_id = new.thread_id and p.user_id = new.user_id and p.read_seq >= new.seq) then
        new.read_at := app.now();
        new.seen_at := app.now();
    end if;
    return new;
end
$$;
comment on function private.place_inbox_item() is 'Trigger: an item knows where its message stands, and whether that is read.';

-- As before; the answer says what the item is born with.
drop function app.fill_inboxes(uuid[]);
create function app.fill_inboxes(asked uuid[])
returns table (id uuid, user_id uuid, message_id uuid, category text, created_at timestamptz, seen_at timestamptz, read_at timestamptz)
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
        returning i.id, i.user_id, i.message_id, i.category, i.created_at, i.seen_at, i.read_at;
end
$$;
comment on function app.fill_inboxes(uuid[]) is
    'The inbox leaves the database at no point, so claim, item and record are one act: a row for each item that is new. '
    'What has become void is cancelled here, with the reason.';

-- As before, from the unread items instead of the unread threads. An item that came while its thread was read still counts as read.
create or replace function app.inbox_counts() returns table (unread_count bigint, unseen_count bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    me uuid := app.user_id();
begin
    return query
        with unread as materialized (
            select i.thread_id, array_agg(i.seq) as seqs, array_agg(i.seen_at is null) as unseen
              from wedsync.inbox_items i where i.user_id = me and i.read_at is null group by i.thread_id
        ), visible as materialized (
            select u.seqs, u.unseen,
                   (select range_agg(int8range(greatest(a.from_seq, r.read_seq + 1), nullif(a.to_seq, 9223372036854775807), '[]'))
                      from wedsync.thread_access a where a.user_id = me and a.thread_id = u.thread_id and a.to_seq > r.read_seq) as spans,
                   array(select m.seq from wedsync.thread_messages m where m.thread_id = u.thread_id and m.deleted_at is not null) as deleted
              from unread u
             cross join lateral (
                   select coalesce(max(p.read_seq), 0) as read_seq from wedsync.thread_participants p
                    where p.thread_id = u.thread_id and p.user_id = me offset 0) r
        )
        select count(*), count(*) filter (where i.unseen)
          from visible v cross join unnest(v.seqs, v.unseen) i (seq, unseen)
         where v.spans @> i.seq and i.seq <> all (v.deleted);
end
$$;

create function app.changed_threads(since bigint) returns setof wedsync.communication_threads
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    me   uuid   := app.user_id();
    mine uuid[] := app.visible_threads();
begin
    if since is not null then
        mine := array(
            select t.id from wedsync.communication_threads t where t.id = any (mine) and t.changed_xid >= since
             union
            select a.thread_id from wedsync.thread_access a where a.user_id = me and a.changed_xid >= since
             union
            select p.thread_id from wedsync.thread_participants p where p.user_id = me and p.changed_xid >= since and p.thread_id = any (mine));
    end if;
    return query select t.* from wedsync.communication_threads t where t.id = any (mine);
end
$$;
comment on function app.changed_threads(bigint) is
    'The caller''s threads, or those of which the thread, his place or his access changed since a transaction id (R19).';

-- Asked by every list, sync and act: planning it took twice as long as running it.
alter function app.places(uuid[])
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off;

revoke all on all functions in schema private from public;
revoke all on function app.changed_threads(bigint), app.fill_inboxes(uuid[]) from public;
grant execute on function app.changed_threads(bigint) to wedsync_app;
grant execute on function app.fill_inboxes(uuid[]) to wedsync_worker;
grant execute on function private.read_inbox_items() to wedsync_owner;
update wedsync.inbox_items i set read_at = i.created_at, seen_at = coalesce(i.seen_at, i.created_at)
  from wedsync.thread_participants p
 where i.read_at is null and p.thread_id = i.thread_id and p.user_id = i.user_id and p.read_seq >= i.seq;
reset role;

set role wedsync_owner;
comment on column wedsync.inbox_items.read_at is 'The person opened it, or read its message in the thread.';
create trigger read_inbox_items after update of read_seq on wedsync.thread_participants
    for each row when (new.read_seq > old.read_seq) execute function private.read_inbox_items();
reset role;
