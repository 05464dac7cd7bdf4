-- Lists and counts at the size of years: threads that were read to their end cost one look, each page is one planned function.

set role wedsync_access;

create function private.unread_spans(me uuid) returns table (thread_id uuid, takes_part boolean, marked boolean, from_seq bigint, to_seq bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
    return query
        select p.thread_id, p.left_at is null, p.marked_unread, lower(span.seqs), coalesce(upper(span.seqs) - 1, 9223372036854775807)
          from wedsync.thread_participants p
          join wedsync.communication_threads t on t.id = p.thread_id
          left join lateral (
               select unnest(range_agg(int8range(greatest(a.from_seq, p.read_seq + 1), nullif(a.to_seq, 9223372036854775807), '[]'))) as seqs
                 from wedsync.thread_access a
                where a.user_id = me and a.thread_id = p.thread_id and a.to_seq > p.read_seq) span on t.last_seq > p.read_seq
         where p.user_id = me and (t.last_seq > p.read_seq or p.marked_unread);
end
$$;
comment on function private.unread_spans(uuid) is
    'What of each thread a person sees and has not read, as spans that do not overlap; threads read to their end are left out, unless he marked them unread.';

-- As before, with a plan that is kept.
create or replace function app.unread_counts(threads uuid[]) returns table (thread_id uuid, unread bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
    me uuid := app.user_id();
begin
    return query
        select p.thread_id, (
               select coalesce(sum(found.unread), 0)::bigint
                 from unnest((select range_agg(int8range(greatest(a.from_seq, p.read_seq + 1), nullif(a.to_seq, 9223372036854775807), '[]'))
                                from wedsync.thread_access a
                               where a.user_id = me and a.thread_id = p.thread_id and a.to_seq > p.read_seq)) span (seqs)
                cross join lateral (
                      select count(*) as unread from wedsync.thread_messages m
                       where m.thread_id = p.thread_id and m.seq >= lower(span.seqs) and m.seq < coalesce(upper(span.seqs), 9223372036854775807)
                         and m.sender_id <> me and m.deleted_at is null and m.message_type <> 'system') found)
          from unnest(threads) asked (id)
          join wedsync.thread_participants p on p.thread_id = asked.id and p.user_id = me and p.left_at is null;
end
$$;

-- As before, by private.unread_spans.
create or replace function app.unread_threads() returns uuid[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
as $$
declare
    me uuid := app.user_id();
begin
    return array(
        select distinct u.thread_id from private.unread_spans(me) u
         where u.takes_part
           and (u.marked or exists (select from wedsync.thread_messages m
                                     where m.thread_id = u.thread_id and m.seq >= u.from_seq and m.seq <= u.to_seq
                                       and m.sender_id <> me and m.deleted_at is null and m.message_type <> 'system' offset 0)));
end
$$;

create function app.waiting() returns table (messages bigint, threads bigint, acknowledgements bigint, scheduled bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    me uuid := app.user_id();
begin
    return query
        with unread as (
            select u.thread_id, u.marked, (
                   select count(*) from wedsync.thread_messages m
                    where m.thread_id = u.thread_id and m.seq >= u.from_seq and m.seq <= u.to_seq
                      and m.sender_id <> me and m.deleted_at is null and m.message_type <> 'system') as messages
              from private.unread_spans(me) u where u.takes_part
        )
        select (select coalesce(sum(u.messages), 0)::bigint from unread u),
               (select count(distinct u.thread_id) from unread u where u.marked or u.messages > 0),
               (select count(*) from wedsync.message_acks a join wedsync.thread_messages m on m.id = a.message_id
                 where a.user_id = me and a.acked_at is null and m.deleted_at is null and m.retracted_at is null
                   and private.sees(me, m.thread_id, m.seq)),
               (select count(*) from wedsync.scheduled_messages s where s.author_id = me and s.status = 'needs_attention');
end
$$;
comment on function app.waiting() is 'GET /me/unread: what waits for the caller, in all his threads (R15).';

-- As before, with the sender and the reader looked up by their key.
create or replace function app.inbox_page(before timestamptz, before_id uuid, preview integer, up_to integer)
returns table (id uuid, category text, created_at timestamptz, seen_at timestamptz, read_at timestamptz, message_id uuid, thread_id uuid, seq bigint,
               sender_id uuid, message text, subject text, sender_name text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
    me uuid := app.user_id();
begin
    return query
        select i.id, i.category, i.created_at, i.seen_at,
               coalesce(i.read_at, (select i.created_at from wedsync.thread_participants p
                                     where p.thread_id = i.thread_id and p.user_id = me and p.read_seq >= i.seq)),
               m.id, i.thread_id, i.seq, m.sender_id, left(m.message, preview), t.subject,
               (select n.display_name from wedsync.thread_participants s join wedsync.users n on n.id = s.user_id
                 where s.thread_id = i.thread_id and s.user_id = m.sender_id and s.left_at is null)
          from wedsync.inbox_items i
          join wedsync.thread_messages m on m.id = i.message_id and m.deleted_at is null
          join wedsync.communication_threads t on t.id = i.thread_id
         where i.user_id = me
           and (i.created_at, i.id) < (coalesce(before, 'infinity'), coalesce(before_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
           and exists (select from wedsync.thread_access a
                        where a.user_id = me and a.thread_id = i.thread_id and i.seq between a.from_seq and a.to_seq offset 0)
         order by i.created_at desc, i.id desc
         limit up_to;
end
$$;

-- As before, by private.unread_spans.
create or replace function app.inbox_counts() returns table (unread_count bigint, unseen_count bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    me uuid := app.user_id();
begin
    return query
        select count(*), count(*) filter (where i.seen_at is null)
          from private.unread_spans(me) u
         cross join lateral (
               select array(select m.seq from wedsync.thread_messages m
                             where m.thread_id = u.thread_id and m.seq between u.from_seq and u.to_seq and m.deleted_at is not null) as seqs
               offset 0) deleted
         cross join lateral (
               select n.seen_at from wedsync.inbox_items n
                where n.user_id = me and n.thread_id = u.thread_id and n.read_at is null and n.seq between u.from_seq and u.to_seq
                  and n.seq <> all (deleted.seqs) offset 0) i;
end
$$;

create function app.threads(ids uuid[])
returns table (id uuid, organization_id uuid, wedding_id uuid, natural_key text, subject text, thread_type text, status text, status_reason text,
               priority_level text, visibility text, surprise boolean, wedding_context jsonb, metadata jsonb, version integer, created_by uuid,
               created_at timestamptz, updated_at timestamptz, last_seq bigint, epoch text, last_activity_at timestamptz, wedding_date date,
               unread_count bigint, role text, permissions text[], read_seq bigint, delivered_seq bigint, muted_until timestamptz,
               snoozed_until timestamptz, pinned_at timestamptz, marked_unread boolean, windows jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
    epoch text := app.epoch();
begin
    return query
        select t.id, w.organization_id, t.wedding_id, t.natural_key, t.subject, t.thread_type, t.status, t.status_reason, t.priority_level,
               t.visibility, t.surprise, t.wedding_context, t.metadata, t.version, t.created_by, t.created_at, t.updated_at, t.last_seq,
               epoch, t.last_activity_at, w.wedding_date, coalesce(u.unread, 0), me.role, me.permissions, me.read_seq, me.delivered_seq,
               me.muted_until, me.snoozed_until, me.pinned_at, me.marked_unread, me.windows
          from app.places(ids) me
          join wedsync.communication_threads t on t.id = me.thread_id
          join wedsync.weddings w on w.id = t.wedding_id
          left join app.unread_counts(ids) u on u.thread_id = t.id
         order by array_position(ids, t.id);
end
$$;
comment on function app.threads(uuid[]) is 'These threads, in this order, as the caller reads them; those that he does not see (app.places) are left out.';

create function private.answers(me uuid, thread uuid, words tsquery) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return exists (select from wedsync.thread_words w where w.thread_id = thread and w.words @@ answers.words)
        or exists (select from private.message_words w
                    where w.thread_id = thread and w.words @@ answers.words
                      and exists (select from wedsync.thread_access a
                                   where a.user_id = me and a.thread_id = thread and w.seq between a.from_seq and a.to_seq));
end
$$;
comment on function private.answers(uuid, uuid, tsquery) is 'Whether the subject of a thread, or a message of it that this person sees, answers a query.';

-- As before, but what threads say is looked at in their order, until the page is full.
create or replace function app.thread_page(asked jsonb, up_to integer) returns uuid[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
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
    words    tsquery     := case when asked ->> 'terms' is not null then
                                private.asked(asked -> 'terms', (select private.language(u.locale) from wedsync.users u where u.id = me)) end;
    unread   uuid[]      := case when (asked ->> 'unread')::boolean then app.unread_threads() end;
    narrowed boolean     := num_nonnulls(wedding, kind, priority, person, unread, asked ->> 'wedding_from', asked ->> 'wedding_to') > 0;
    walk     refcursor;
    thread   uuid;
    page     uuid[]      := '{}';
begin
    if not by_date and not narrowed and (select count(*) from wedsync.thread_access a where a.user_id = me) > 600 then
        open walk for
            select t.id from wedsync.communication_threads t
             where (t.last_activity_at, t.id) < (before, coalesce(after_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
               and (state is null and t.status <> 'archived' or state in ('all', t.status))
               and exists (select from wedsync.thread_access a where a.user_id = me and a.thread_id = t.id offset 0)
             order by t.last_activity_at desc, t.id desc;
    else
        open walk for
            select t.id
              from (select distinct id from unnest(coalesce(unread, app.visible_threads())) mine (id)) mine
              join wedsync.communication_threads t on t.id = mine.id
              join wedsync.weddings w on w.id = t.wedding_id
             where (wedding is null or t.wedding_id = wedding)
               and (kind is null or t.thread_type = kind)
               and (state is null and t.status <> 'archived' or state in ('all', t.status))
               and (priority is null or t.priority_level = priority)
               and (person is null or exists (select from wedsync.thread_participants p
                                               where p.thread_id = t.id and p.user_id = person and p.left_at is null offset 0))
               and w.wedding_date between earliest and latest
               and case when after is null then true
                        when by_date then (w.wedding_date, t.id) > (after::date, after_id)
                        else (t.last_activity_at, t.id) < (before, after_id) end
             order by case when by_date then w.wedding_date end, case when by_date then t.id end, t.last_activity_at desc, t.id desc;
    end if;
    loop
        fetch walk into thread;
        exit when not found;
        if words is null or private.answers(me, thread, words) then
            page := page || thread;
            exit when cardinality(page) = up_to;
        end if;
    end loop;
    close walk;
    return page;
end
$$;
drop function app.threads_about(jsonb);

revoke all on all functions in schema private from public;
revoke all on function app.waiting(), app.threads(uuid[]) from public;
grant execute on function app.waiting(), app.threads(uuid[]) to wedsync_app;
reset role;
