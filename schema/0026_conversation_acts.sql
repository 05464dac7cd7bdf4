-- More acts: a scheduled message is edited, a thread handed over in one step, a long log verified part by part.

set role wedsync_access;

create function app.edit_scheduled_message(asked uuid, changed jsonb, card_field text, send_at timestamptz, days integer, wall time)
returns setof wedsync.scheduled_messages
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    s      wedsync.scheduled_messages;
    t      wedsync.communication_threads;
    timed  boolean := num_nonnulls(edit_scheduled_message.send_at, days) > 0;
    moment timestamptz;
begin
    select * into s from wedsync.scheduled_messages c where c.id = asked and c.author_id = app.user_id() for update;
    if s.id is null then
        raise exception 'no such scheduled message' using errcode = 'WS404';
    end if;
    select * into t from wedsync.communication_threads c where c.id = s.thread_id;
    perform private.require_may(t, 'post');
    if s.status in ('sending', 'sent') then
        raise exception 'it is sent already' using errcode = 'WS409';
    end if;
    if card_field is not null then
        perform app.refuse_card_number(t.id, card_field);
    end if;
    moment := case when timed then coalesce(edit_scheduled_message.send_at, private.wedding_moment(t.wedding_id, days, wall)) else s.send_at end;
    if moment <= app.now() then
        raise exception 'not in the future' using errcode = 'WS422', hint = case when days is null then 'send_at' else 'relative' end;
    end if;
    return query
        update wedsync.scheduled_messages c
           set stated = s.stated || changed, send_at = moment, status = 'waiting', reason = null, updated_at = app.now(),
               offset_days = case when timed then days else s.offset_days end, wall_time = case when timed then wall else s.wall_time end
         where c.id = s.id
        returning c.*;
end
$$;
comment on function app.edit_scheduled_message(uuid, jsonb, text, timestamptz, integer, time) is
    'PATCH /scheduled-messages/{id}: other content, another time (null: the same), by its author until it is being sent; one that needed attention waits again.';

create function app.hand_over(thread uuid, person uuid, version integer) returns setof app.change
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    t    wedsync.communication_threads := private.lock_thread(thread);
    mine wedsync.thread_participants;
begin
    perform private.require_may(t, 'manage');
    select * into mine from wedsync.thread_participants c where c.thread_id = thread and c.user_id = app.user_id() and c.left_at is null;
    if mine.role is distinct from 'owner' then
        raise exception 'only an owner hands a thread over' using errcode = 'WS403';
    end if;
    if person = mine.user_id then
        raise exception 'it is handed over to somebody else' using errcode = 'WS422', hint = 'hand_over';
    end if;
    return query
        select c.* from app.change_participant(thread, person, hand_over.version, 'owner', null) c where c.seq is not null
         union all
        select c.* from app.change_participant(thread, mine.user_id, mine.version, 'participant', null) c;
end
$$;
comment on function app.hand_over(uuid, uuid, integer) is
    'PATCH /threads/{id}/participants/{user_id} with hand_over: the other one is an owner and the caller a participant from then on, or nothing has happened.';

drop function app.verify_thread(uuid, bigint);
drop function private.chain_lines(uuid);

-- As before, from after one seq to another.
create function private.chain_lines(thread uuid, after bigint default 0, up_to bigint default 9223372036854775807)
returns table (seq bigint, link bytea, state text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select n.seq, l.link,
           case
               when e.seq is null or l.link is null then 'missing'
               when l.link <> private.link(case when n.seq = after + 1 then b.link else lag(l.link) over (order by n.seq) end, e, l.mac) then 'changed'
               when (e.kind = 'message.created') <> (m.id is not null) or m.id <> e.message_id then 'changed'
               when s.salt is null and not exists (
                      select from wedsync.thread_events r where r.thread_id = thread and r.about_seq = n.seq and r.kind = 'message.redacted') then 'missing'
               when s.salt is null then 'erased'
               when l.mac <> private.hmac(s.salt, private.content(e, m)) then 'changed'
               when m.edited_at is not null or m.id is not null and (m.retracted_at is null and m.deleted_at is null) = exists (
                      select from wedsync.thread_events r where r.thread_id = thread and r.about_seq = n.seq and r.kind = 'message.deleted') then 'changed'
               else 'intact'
           end
      from generate_series(after + 1,
                           least(up_to, greatest((select t.last_seq from wedsync.communication_threads t where t.id = thread),
                                                 (select max(x.seq) from wedsync.thread_events x where x.thread_id = thread),
                                                 (select max(x.seq) from wedsync.thread_messages x where x.thread_id = thread)))) n (seq)
      left join wedsync.event_links b on b.thread_id = thread and b.seq = after
      left join wedsync.thread_events e on e.thread_id = thread and e.seq = n.seq
      left join wedsync.thread_messages m on m.thread_id = thread and m.seq = n.seq
      left join wedsync.event_links l on l.thread_id = thread and l.seq = n.seq
      left join wedsync.event_salts s on s.thread_id = thread and s.seq = n.seq
     order by n.seq
$$;
comment on function private.chain_lines(uuid, bigint, bigint) is
    'Each of these seqs of a chained log: intact; erased, where a message.redacted says so; changed or missing, where somebody wrote past the log. '
    'The link at "after" is taken as it stands.';

create function app.verify_thread(thread uuid, at_seq bigint, after bigint, up_to integer)
returns table (chained boolean, head_seq bigint, broken_at bigint, erased bigint[], checked_to bigint, seq bigint, link bytea)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    if not thread = any (app.visible_threads()) then
        raise exception 'no such thread' using errcode = 'WS404';
    end if;
    return query
        with lines as materialized (select * from private.chain_lines(thread, after, after + up_to))
        select r.append_only, t.last_seq, b.broken_at, b.erased, coalesce(b.checked_to, after), a.seq, l.link
          from wedsync.communication_threads t
          join wedsync.thread_rules r on r.thread_type = t.thread_type
         cross join (select min(l.seq) filter (where l.state in ('changed', 'missing')) as broken_at, max(l.seq) as checked_to,
                            coalesce(array_agg(l.seq order by l.seq) filter (where l.state = 'erased' and private.sees(app.user_id(), thread, l.seq)), '{}') as erased
                       from lines l) b
          left join lateral (select coalesce(at_seq, t.last_seq) as seq) a on a.seq <= t.last_seq
          left join wedsync.event_links l on l.thread_id = t.id and l.seq = a.seq
         where t.id = thread;
end
$$;
comment on function app.verify_thread(uuid, bigint, bigint, integer) is
    'GET /threads/{id}/verification: the first seq at which a part of the log is not what was written, or none; and the link at a seq, for who kept one.';

revoke all on all functions in schema private from public;
revoke all on function app.edit_scheduled_message(uuid, jsonb, text, timestamptz, integer, time), app.hand_over(uuid, uuid, integer),
    app.verify_thread(uuid, bigint, bigint, integer) from public;
grant execute on function app.edit_scheduled_message(uuid, jsonb, text, timestamptz, integer, time), app.hand_over(uuid, uuid, integer),
    app.verify_thread(uuid, bigint, bigint, integer) to wedsync_app;
reset role;
