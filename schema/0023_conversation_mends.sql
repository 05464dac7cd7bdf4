-- Conversations, mended: drafts for those who post, the final sigma, what is said of a retracted message.

set role wedsync_access;

-- As before, and the two small sigmas are one letter.
create or replace function private.fold(said text) returns text
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
begin
    return left(regexp_replace(
               replace(replace(replace(replace(translate(lower(normalize(
                   regexp_replace(normalize(said, NFKD), '[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670]', '', 'g'),
               NFC)), 'øłđħŧıς', 'oldhtiσ'), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'),
           '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+', ' ', 'g'), 20000);
end
$$;

-- What was written before.
update wedsync.message_words w
   set words = case when pg_column_size(f.words) <= 2400 then f.words end, long_words = case when pg_column_size(f.words) > 2400 then f.words end
  from wedsync.thread_messages m
 cross join lateral (select private.words(m.message, private.languages(m.thread_id, m.sender_id)) as words offset 0) f
 where w.thread_id = m.thread_id and w.seq = m.seq and m.message like '%ς%';
update wedsync.thread_words w
   set words = private.words(t.subject, array[private.language(u.locale)])
  from wedsync.communication_threads t join wedsync.users u on u.id = t.created_by
 where w.thread_id = t.id and t.subject like '%ς%';

create or replace function private.require_live(m wedsync.thread_messages, act text) returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform private.require_may(private.thread_of(m), act);
    if m.deleted_at is not null or m.retracted_at is not null then
        raise exception 'the message is %', case when m.deleted_at is null then 'retracted' else 'deleted' end using errcode = 'WS409';
    end if;
end
$$;
comment on function private.require_live(wedsync.thread_messages, text) is
    'WS403 unless the caller may do this in the message''s thread, WS409 if its status forbids it or the message is deleted or retracted.';

create function app.put_draft(thread uuid, message text, parent_message_id uuid) returns setof wedsync.drafts
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if not thread = any (app.visible_threads()) then
        raise exception 'no such thread' using errcode = 'WS404';
    end if;
    if not app.may(thread, 'post') then
        raise exception 'you may read this thread, not post in it' using errcode = 'WS403';
    end if;
    return query
        insert into wedsync.drafts as d (thread_id, user_id, message, parent_message_id, updated_at)
        values (thread, app.user_id(), put_draft.message, put_draft.parent_message_id, app.now())
        on conflict (thread_id, user_id) do update
           set message = excluded.message, parent_message_id = excluded.parent_message_id, updated_at = excluded.updated_at
        returning d.*;
end
$$;
comment on function app.put_draft(uuid, text, uuid) is
    'PUT /threads/{id}/draft: for whoever may post there, also while the thread takes no messages: it may be opened again.';

revoke all on function app.put_draft(uuid, text, uuid) from public;
grant execute on function app.put_draft(uuid, text, uuid) to wedsync_app;
reset role;

set role wedsync_owner;
-- Who may keep a draft is the function's to say.
revoke insert, update on wedsync.drafts from wedsync_app;
drop policy own on wedsync.drafts;
create policy reads on wedsync.drafts for select to wedsync_app
    using (user_id = (select app.user_id()) and thread_id = any ((select app.visible_threads())::uuid[]));
reset role;
