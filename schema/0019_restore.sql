-- A database that is brought back to an earlier moment (R4): what must hold after that is journalled outside of it, what was sent
-- meanwhile is not sent again, and nobody is answered before both are seen to.

set role wedsync_owner;

create table wedsync.journal (
    id          uuid        primary key default gen_random_uuid(),
    kind        text        not null check (kind in ('participant_removed', 'wedding_member_removed', 'wedding_member_demoted',
                                                     'organization_member_removed', 'thread_narrowed')),
    subject     jsonb       not null check (jsonb_typeof(subject) = 'object'),
    at          timestamptz not null,
    written_at  timestamptz,
    changed_xid bigint      not null default pg_current_xact_id()::text::bigint
);
create index journal_unwritten on wedsync.journal (at) where written_at is null;
create index journal_changed on wedsync.journal (changed_xid);
comment on table  wedsync.journal             is 'Losses of access, one row each, for the journal outside of this database: a restore to an earlier moment must not give back what was taken. '
                                                 'A row that is here tells that a restore has not lost the act itself.';
comment on column wedsync.journal.kind        is 'What happened; private.act_again does it once more.';
comment on column wedsync.journal.subject     is 'To whom and where: ids, and for a demotion what he is now. Never text.';
comment on column wedsync.journal.written_at  is 'When the clockwork knew it to be outside; null until then.';
comment on column wedsync.journal.changed_xid is 'Transaction id of the act: what it has to write after its commit.';

alter table wedsync.thread_messages add column quiet boolean not null default false;
comment on column wedsync.thread_messages.quiet is 'Told by the inbox alone, because its people may have been told before the database was restored (R4).';

do $$
begin
    perform private.protect('wedsync.journal');
end
$$;
reset role;

set role wedsync_access;

create function private.keep_journal() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    insert into wedsync.journal (kind, subject, at)
    select tg_argv[0], jsonb_object_agg(key, value), app.now()
      from jsonb_each(to_jsonb(coalesce(new, old))) where key = any (tg_argv[1:]);
    return null;
end
$$;
comment on function private.keep_journal() is 'Trigger: journals a loss of access; its arguments are the kind and the columns that name whose.';

create function app.journalled_here() returns table (id uuid, kind text, subject jsonb, at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return query
        select j.id, j.kind, j.subject, j.at from wedsync.journal j
         where j.changed_xid = pg_current_xact_id_if_assigned()::text::bigint order by j.at, j.id;
end
$$;
comment on function app.journalled_here() is 'What this transaction has to write to the journal outside once it is committed.';

create function app.unwritten_journal(up_to integer) returns table (id uuid, kind text, subject jsonb, at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform private.require_worker();
    return query
        select j.id, j.kind, j.subject, j.at from wedsync.journal j where j.written_at is null order by j.at limit up_to;
end
$$;
comment on function app.unwritten_journal(integer) is 'What may not have reached the journal outside: its writer may have died after the commit.';

create function app.journal_written(ids uuid[]) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform private.require_worker();
    update wedsync.journal j set written_at = app.now() where j.id = any (ids);
    delete from wedsync.journal j where j.written_at < app.now() - interval '60 days';
end
$$;
comment on function app.journal_written(uuid[]) is 'These are in the journal outside. That forgets after 35 days: what is twice as old is forgotten here.';

create function private.remove_again(thread uuid, person uuid) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform from wedsync.weddings w where w.id = (select t.wedding_id from wedsync.communication_threads t where t.id = thread) for share;
    perform from wedsync.communication_threads t where t.id = thread for no key update;
    update wedsync.thread_participants p set left_at = app.now(), changed_xid = pg_current_xact_id()::text::bigint
     where p.thread_id = thread and p.user_id = person and p.left_at is null;
    if found then
        perform private.append_event(thread, 'participant.removed', person, '{}');
    end if;
end
$$;
comment on function private.remove_again(uuid, uuid) is 'Removes a participant after a restore, with its event, if he is one again.';

create function private.narrow_again(thread uuid) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    update wedsync.communication_threads t
       set visibility = 'participants', hosts_from_seq = null, version = t.version + 1, updated_at = app.now()
     where t.id = thread and t.visibility = 'hosts';
    if found then
        perform private.append_event(thread, 'thread.updated', null, '{"fields": ["visibility"]}');
    end if;
end
$$;
comment on function private.narrow_again(uuid) is 'Takes a thread from the eyes of its hosts after a restore, with its event, if they see it again.';

create function private.demote_again(wedding uuid, person uuid, become jsonb) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    employer uuid := become ->> 'organization_id';
begin
    if not exists (select from wedsync.wedding_members m where m.wedding_id = wedding and m.user_id = person and m.role in ('couple', 'planner')) then
        return;
    end if;
    if employer is not null and not exists (select from wedsync.organizations o where o.id = employer) then
        perform private.leave_wedding(wedding, person);
        return;
    end if;
    update wedsync.wedding_members m
       set role = become ->> 'role', organization_id = employer, service = become ->> 'service', lead = (become ->> 'lead')::boolean,
           updated_at = app.now()
     where m.wedding_id = wedding and m.user_id = person;
end
$$;
comment on function private.demote_again(uuid, uuid, jsonb) is
    'Makes a host after a restore what he was made; where that is somebody of an organization which the restore has lost, he leaves until he is put again.';

create function private.act_again(kind text, subject jsonb) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    person  uuid := subject ->> 'user_id';
    wedding uuid := subject ->> 'wedding_id';
begin
    case kind
        when 'participant_removed' then
            perform private.remove_again((subject ->> 'thread_id')::uuid, person);
        when 'wedding_member_removed' then
            perform private.leave_wedding(wedding, person);
        when 'wedding_member_demoted' then
            perform private.demote_again(wedding, person, subject);
        when 'organization_member_removed' then
            delete from wedsync.organization_members m where m.organization_id = (subject ->> 'organization_id')::uuid and m.user_id = person;
        when 'thread_narrowed' then
            perform private.narrow_again((subject ->> 'id')::uuid);
    end case;
end
$$;
comment on function private.act_again(text, jsonb) is 'Does once more what the journal says was done, where the restored database has it undone; elsewhere nothing.';

create function private.reapply_journal(entries jsonb) returns integer
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    entry wedsync.journal;
    again integer := 0;
begin
    for entry in
        select e.* from jsonb_populate_recordset(null::wedsync.journal, entries) e
         where not exists (select from wedsync.journal j where j.id = e.id) order by e.at, e.id
    loop
        perform private.act_again(entry.kind, entry.subject);
        insert into wedsync.journal (id, kind, subject, at, written_at) values (entry.id, entry.kind, entry.subject, entry.at, app.now());
        again := again + 1;
    end loop;
    return again;
end
$$;
comment on function private.reapply_journal(jsonb) is 'Acts on what the journal outside knows and this database does not, in its order; how many entries.';

create function private.settle_deliveries() returns integer
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    settled integer;
begin
    update wedsync.deliveries d
       set (status, claim_token, claimed_at, attempt) = (
               select case d.channel when 'sms' then 'unknown' else 'cancelled' end, coalesce(d.claim_token, gen_random_uuid()),
                      coalesce(d.claimed_at, d.created_at), greatest(d.attempt, 1)),
           reason = 'restored', updated_at = app.now()
     where private.delivery_rank(d.status) < private.delivery_rank('unknown') and d.channel not in ('inbox', 'email');
    get diagnostics settled = row_count;
    update wedsync.thread_messages m set quiet = true
      from wedsync.outbox o
      join wedsync.thread_events e on (e.thread_id, e.seq) = (o.thread_id, o.seq) and e.kind in ('message.created', 'message.edited')
     where o.planned_at is null and m.id = e.message_id;
    update wedsync.scheduled_messages s
       set status = 'needs_attention', reason = 'restored', claimed_at = null, updated_at = app.now()
     where s.status in ('waiting', 'sending') and s.send_at <= app.now();
    return settled;
end
$$;
comment on function private.settle_deliveries() is
    'What may have gone out after the moment that was restored does not go out again: an SMS becomes unknown, and its provider is asked; other channels are '
    'cancelled, but the inbox, which is in this database, and e-mail, which its provider sends once; what was not planned is told by the inbox alone; '
    'the author of a scheduled message is asked. How many deliveries.';

create function private.release_restored(cluster text, entries jsonb) returns table (epoch text, reapplied integer, settled integer)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    current text := coalesce(nullif(cluster, ''), private.cluster_identity());
    known   text;
begin
    select c.identity into known from private.cluster c for update;   -- of two at once the second finds it released
    if known is not distinct from current then
        raise exception 'the database was not restored: it is on the cluster that its epoch belongs to' using errcode = 'WS409';
    end if;
    reapplied := private.reapply_journal(entries);
    settled := private.settle_deliveries();
    update private.cluster c set epoch = substr(replace(gen_random_uuid()::text, '-', ''), 1, 8), identity = current returning c.epoch into epoch;
    return next;
end
$$;
comment on function private.release_restored(text, jsonb) is
    'Called by the migrate function when the database was brought back (R4): journal, deliveries, and a new epoch bound to this cluster, all or nothing. '
    'SQLSTATE WS409 on the cluster that the epoch belongs to. Its events are acts of the context that it is called in.';

-- As before, but a quiet message is told by the inbox alone.
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
                 when m.quiet and obstacle.channel <> 'inbox' then 'restored'
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

revoke all on function
    private.keep_journal(), private.remove_again(uuid, uuid), private.narrow_again(uuid), private.demote_again(uuid, uuid, jsonb), private.act_again(text, jsonb),
    private.reapply_journal(jsonb), private.settle_deliveries(), private.release_restored(text, jsonb),
    app.journalled_here(), app.unwritten_journal(integer), app.journal_written(uuid[]) from public;
grant execute on function private.keep_journal() to wedsync_owner;
grant execute on function app.journalled_here() to wedsync_app;
grant execute on function app.unwritten_journal(integer), app.journal_written(uuid[]) to wedsync_worker;
reset role;

set role wedsync_owner;
create trigger keep_journal after update of left_at on wedsync.thread_participants
    for each row when (old.left_at is null and new.left_at is not null)
    execute function private.keep_journal('participant_removed', 'thread_id', 'user_id');
create trigger keep_journal after delete on wedsync.wedding_members
    for each row execute function private.keep_journal('wedding_member_removed', 'wedding_id', 'user_id');
create trigger keep_journal_of_role after update of role on wedsync.wedding_members
    for each row when (old.role in ('couple', 'planner') and new.role not in ('couple', 'planner'))
    execute function private.keep_journal('wedding_member_demoted', 'wedding_id', 'user_id', 'role', 'organization_id', 'service', 'lead');
create trigger keep_journal after delete on wedsync.organization_members
    for each row execute function private.keep_journal('organization_member_removed', 'organization_id', 'user_id');
create trigger keep_journal after update of visibility on wedsync.communication_threads
    for each row when (old.visibility = 'hosts' and new.visibility = 'participants')
    execute function private.keep_journal('thread_narrowed', 'id');
reset role;
