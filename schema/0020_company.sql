-- Who is told how far a person has read, and who hears that he writes or is here (R2, T7).

set role wedsync_owner;

alter table wedsync.thread_participants add column receipt_at timestamptz;
comment on column wedsync.thread_participants.receipt_at is 'When others were last told of his cursors: at most once a second (R2).';
grant update (receipt_at) on wedsync.thread_participants to wedsync_app;
reset role;

set role wedsync_access;

create function app.company(thread uuid) returns uuid[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    -- thread_participants_pkey; a large thread costs no more than a small one
    if (select count(*) from (select from wedsync.thread_participants p where p.thread_id = thread and p.left_at is null limit 21) few) > 20 then
        return '{}';
    end if;
    return (select private.audience(t.id, t.last_seq + 1) from wedsync.communication_threads t
             where t.id = thread and private.sees(app.user_id(), t.id, t.last_seq + 1));
end
$$;
comment on function app.company(uuid) is
    'The participants who see what comes next in a thread of at most twenty, the caller among them if he is one: whom hints about people go to. '
    'Nobody of a larger thread; null unless the caller sees what comes next himself.';

create function app.receipt_audience(thread uuid, after_seq bigint, up_to bigint) returns uuid[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    people uuid[] := app.company(thread);
begin
    if people = '{}' then
        -- thread_messages (thread_id, seq); the newest hundred are enough
        people := array(select distinct m.sender_id from wedsync.thread_messages m
                         where m.thread_id = thread and m.seq > greatest(after_seq, up_to - 100) and m.seq <= up_to
                           and private.sees(app.user_id(), thread, m.seq)
                           and exists (select from wedsync.thread_access a
                                        where a.user_id = m.sender_id and a.thread_id = thread and a.source = 'participant')
                           and private.sees(m.sender_id, thread, (select t.last_seq + 1 from wedsync.communication_threads t where t.id = thread))
                         limit 20);
    end if;
    return coalesce(array_remove(people, app.user_id()), '{}');
end
$$;
comment on function app.receipt_audience(uuid, bigint, bigint) is
    'Who is told that the caller''s cursor went from after_seq to up_to: the others in a thread of at most twenty people, '
    'else those who wrote what he has now got or read, and are still pushed to (R2, R10).';

revoke all on function app.company(uuid), app.receipt_audience(uuid, bigint, bigint) from public;
grant execute on function app.company(uuid), app.receipt_audience(uuid, bigint, bigint) to wedsync_app;
reset role;
