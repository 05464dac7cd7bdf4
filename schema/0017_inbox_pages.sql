-- The inbox at the size of years: a page is a walk along one index, and counting looks at what is unread only.

set role wedsync_owner;

alter table wedsync.inbox_items
    add column thread_id uuid,
    add column seq       bigint;
comment on column wedsync.inbox_items.thread_id is 'Of the message: what was read in its thread is told from what was not without looking at messages.';
update wedsync.inbox_items i set thread_id = m.thread_id, seq = m.seq from wedsync.thread_messages m where m.id = i.message_id;
alter table wedsync.inbox_items
    alter column thread_id set not null,
    alter column seq set not null;
drop index wedsync.inbox_items_unread;
create index inbox_items_unread on wedsync.inbox_items (user_id, thread_id, seq) include (seen_at) where read_at is null;
-- Few and small: to leave deleted messages out of a count without reading every message that is in it.
create index thread_messages_deleted on wedsync.thread_messages (thread_id, seq) where deleted_at is not null;
reset role;

set role wedsync_access;

create function private.place_inbox_item() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    select m.thread_id, m.seq into new.thread_id, new.seq from wedsync.thread_messages m where m.id = new.message_id;
    return new;
end
$$;
comment on function private.place_inbox_item() is 'Trigger: an item knows where its message stands.';

create function app.inbox_page(before timestamptz, before_id uuid, preview integer, up_to integer)
returns table (id uuid, category text, created_at timestamptz, seen_at timestamptz, read_at timestamptz, message_id uuid, thread_id uuid, seq bigint,
               sender_id uuid, message text, subject text, sender_name text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
    me uuid := app.user_id();
begin
    return query
        select i.id, i.category, i.created_at, i.seen_at, coalesce(i.read_at, case when p.read_seq >= i.seq then i.created_at end),
               m.id, i.thread_id, i.seq, m.sender_id, left(m.message, preview), t.subject, n.display_name
          from wedsync.inbox_items i
          join wedsync.thread_messages m on m.id = i.message_id and m.deleted_at is null
          join wedsync.communication_threads t on t.id = i.thread_id
          left join wedsync.thread_participants p on p.thread_id = i.thread_id and p.user_id = me
          left join wedsync.thread_participants s on s.thread_id = i.thread_id and s.user_id = m.sender_id and s.left_at is null
          left join wedsync.users n on n.id = s.user_id
         where i.user_id = me
           and (i.created_at, i.id) < (coalesce(before, 'infinity'), coalesce(before_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
           and exists (select from wedsync.thread_access a
                        where a.user_id = me and a.thread_id = i.thread_id and i.seq between a.from_seq and a.to_seq offset 0)
         order by i.created_at desc, i.id desc
         limit up_to;
end
$$;
comment on function app.inbox_page(timestamptz, uuid, integer, integer) is
    'GET /notifications: the caller''s items about messages in his windows, the newest first; read here what was read in its thread.';

create function app.inbox_counts() returns table (unread_count bigint, unseen_count bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_custom_plan set enable_seqscan = off
as $$
declare
    me uuid := app.user_id();
begin
    return query
        with mine as materialized (
            select a.thread_id, greatest(a.from_seq, p.read_seq + 1) as from_seq, a.to_seq
              from wedsync.thread_access a left join wedsync.thread_participants p on p.thread_id = a.thread_id and p.user_id = me
             where a.user_id = me
        )
        select count(*), count(*) filter (where i.seen_at is null)
          from (select distinct u.thread_id, u.seq, u.seen_at     -- a host who takes part has two intervals
                  from mine cross join lateral (
                       select n.thread_id, n.seq, n.seen_at from wedsync.inbox_items n
                        where n.user_id = me and n.thread_id = mine.thread_id and n.read_at is null
                          and n.seq between mine.from_seq and mine.to_seq offset 0) u) i
         where not exists (select from wedsync.thread_messages m
                            where m.thread_id = i.thread_id and m.seq = i.seq and m.deleted_at is not null offset 0);
end
$$;
comment on function app.inbox_counts() is 'How much of the caller''s inbox he has not read, and not seen; what app.inbox_page shows as read does not count.';

revoke all on all functions in schema private from public;
revoke all on function app.inbox_page(timestamptz, uuid, integer, integer), app.inbox_counts() from public;
grant execute on function app.inbox_page(timestamptz, uuid, integer, integer), app.inbox_counts() to wedsync_app;
grant execute on function private.place_inbox_item() to wedsync_owner;
reset role;

set role wedsync_owner;
create trigger place_inbox_item before insert on wedsync.inbox_items for each row execute function private.place_inbox_item();
reset role;
