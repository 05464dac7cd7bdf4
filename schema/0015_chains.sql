-- The logs of contract and payment threads are chained: whatever is changed in them later without an event is found (C10, R27).
-- link = SHA-256(previous link, seq, kind, at, mac); mac = HMAC-SHA-256(salt, who did what). The salt goes with its content when
-- that is erased: the chain then still holds, and nobody can guess the content from it.

set role wedsync_owner;

create table wedsync.event_links (
    thread_id uuid   not null,
    seq       bigint not null,
    mac       bytea  not null check (octet_length(mac) = 32),
    link      bytea  not null check (octet_length(link) = 32),
    primary key (thread_id, seq),
    foreign key (thread_id, seq) references wedsync.thread_events on delete cascade
);
comment on table  wedsync.event_links      is 'The hash chain of each append-only log, written with its events; never changed.';
comment on column wedsync.event_links.mac  is 'HMAC of actor and content under the event''s salt.';
comment on column wedsync.event_links.link is 'SHA-256 over the link before, seq, kind, time and mac.';

create table wedsync.event_salts (
    thread_id uuid   not null,
    seq       bigint not null,
    salt      bytea  not null check (octet_length(salt) = 32),
    primary key (thread_id, seq),
    foreign key (thread_id, seq) references wedsync.event_links on delete cascade
);
comment on table  wedsync.event_salts      is 'What the content of an event can be checked with; destroyed with the content when it is erased.';
comment on column wedsync.event_salts.salt is '244 random bits, hashed.';

do $$
begin
    perform private.protect('wedsync.event_links',
                            'wedsync.event_salts');
end
$$;
revoke update, delete on wedsync.event_links from wedsync_access;
revoke update on wedsync.event_salts from wedsync_access;
reset role;

set role wedsync_access;

create function private.hmac(key bytea, said bytea) returns bytea
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
declare
    inner_pad bytea := key || decode(repeat('00', 64 - octet_length(key)), 'hex');
    outer_pad bytea := inner_pad;
begin
    for i in 0..63 loop
        outer_pad := set_byte(outer_pad, i, get_byte(inner_pad, i) # 92);
        inner_pad := set_byte(inner_pad, i, get_byte(inner_pad, i) # 54);
    end loop;
    return sha256(outer_pad || sha256(inner_pad || said));
end
$$;
comment on function private.hmac(bytea, bytea) is 'HMAC-SHA-256 (RFC 2104) under a key of at most 64 bytes.';

create function private.content(e wedsync.thread_events, m wedsync.thread_messages) returns bytea
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select convert_to(jsonb_build_array(
               e.actor_id, e.about_seq, e.message_id, e.user_id, e.data,
               case when e.kind = 'message.created' then jsonb_build_array(
                   m.id, m.thread_id, m.seq, m.sender_id, m.parent_message_id, m.message, m.message_html, m.message_type, m.priority_level, m.mentions,
                   m.requires_ack, m.wedding_context, m.metadata, m.payload, m.client_msg_id, encode(m.fingerprint, 'hex'),
                   m.created_at at time zone 'UTC') end)::text, 'UTF8')
$$;
comment on function private.content(wedsync.thread_events, wedsync.thread_messages) is
    'What an event''s mac is made of: who did what, and of a message.created the message as it was sent, in PostgreSQL''s text form of jsonb.';

create function private.link(previous bytea, e wedsync.thread_events, mac bytea) returns bytea
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select sha256(coalesce(previous, sha256(uuid_send(e.thread_id))) || int8send(e.seq) || convert_to(e.kind, 'UTF8') || timestamptz_send(e.at) || mac)
$$;
comment on function private.link(bytea, wedsync.thread_events, bytea) is 'The link of an event; the first one''s previous is SHA-256 of the thread''s id.';

create function private.chain_event(e wedsync.thread_events) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    salt bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
    m    wedsync.thread_messages;
    mac  bytea;
begin
    select * into m from wedsync.thread_messages c where c.id = e.message_id;
    mac := private.hmac(salt, private.content(e, m));
    insert into wedsync.event_links (thread_id, seq, mac, link)
    values (e.thread_id, e.seq, mac, private.link((select l.link from wedsync.event_links l where l.thread_id = e.thread_id and l.seq = e.seq - 1), e, mac));
    insert into wedsync.event_salts (thread_id, seq, salt) values (e.thread_id, e.seq, salt);
end
$$;
comment on function private.chain_event(wedsync.thread_events) is 'Adds an event to its thread''s chain, under the row lock of the thread that gave the event its seq.';

create function private.keep_chain() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (select from wedsync.communication_threads t join wedsync.thread_rules r on r.thread_type = t.thread_type
                where t.id = new.thread_id and r.append_only) then
        perform private.chain_event(new);
    end if;
    return null;
end
$$;
comment on function private.keep_chain() is 'Trigger: chains the events of append-only threads, whoever writes them.';

create function private.chain_lines(thread uuid) returns table (seq bigint, link bytea, state text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select n.seq, l.link,
           case
               when e.seq is null or l.link is null then 'missing'
               when l.link <> private.link(lag(l.link) over (order by n.seq), e, l.mac) then 'changed'
               when (e.kind = 'message.created') <> (m.id is not null) or m.id <> e.message_id then 'changed'
               when s.salt is null and not exists (
                      select from wedsync.thread_events r where r.thread_id = thread and r.about_seq = n.seq and r.kind = 'message.redacted') then 'missing'
               when s.salt is null then 'erased'
               when l.mac <> private.hmac(s.salt, private.content(e, m)) then 'changed'
               when m.edited_at is not null or m.id is not null and (m.retracted_at is null and m.deleted_at is null) = exists (
                      select from wedsync.thread_events r where r.thread_id = thread and r.about_seq = n.seq and r.kind = 'message.deleted') then 'changed'
               else 'intact'
           end
      from generate_series(1, greatest((select t.last_seq from wedsync.communication_threads t where t.id = thread),
                                       (select max(x.seq) from wedsync.thread_events x where x.thread_id = thread),
                                       (select max(x.seq) from wedsync.thread_messages x where x.thread_id = thread))) n (seq)
      left join wedsync.thread_events e on e.thread_id = thread and e.seq = n.seq
      left join wedsync.thread_messages m on m.thread_id = thread and m.seq = n.seq
      left join wedsync.event_links l on l.thread_id = thread and l.seq = n.seq
      left join wedsync.event_salts s on s.thread_id = thread and s.seq = n.seq
     order by n.seq
$$;
comment on function private.chain_lines(uuid) is
    'Each seq of a chained log: intact; erased, where a message.redacted says so; changed or missing, where somebody wrote past the log.';

create function app.verify_thread(thread uuid, at_seq bigint)
returns table (chained boolean, head_seq bigint, broken_at bigint, erased bigint[], seq bigint, link bytea)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    if not thread = any (app.visible_threads()) then
        raise exception 'no such thread' using errcode = 'WS404';
    end if;
    return query
        with lines as materialized (select * from private.chain_lines(thread))
        select r.append_only, t.last_seq, b.broken_at, b.erased, a.seq, a.link
          from wedsync.communication_threads t
          join wedsync.thread_rules r on r.thread_type = t.thread_type
         cross join (select min(l.seq) filter (where l.state in ('changed', 'missing')) as broken_at,
                            coalesce(array_agg(l.seq order by l.seq) filter (where l.state = 'erased' and private.sees(app.user_id(), thread, l.seq)), '{}') as erased
                       from lines l) b
          left join lines a on a.seq = coalesce(at_seq, t.last_seq)
         where t.id = thread;
end
$$;
comment on function app.verify_thread(uuid, bigint) is
    'GET /threads/{id}/verification: the first seq at which the log is not what was written, or none; and the link at a seq, for who kept one.';

create function private.broken_chains() returns table (thread_id uuid, seq bigint, state text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select distinct on (t.id) t.id, l.seq, l.state
      from wedsync.communication_threads t
      join wedsync.thread_rules r on r.thread_type = t.thread_type and r.append_only
     cross join lateral private.chain_lines(t.id) l
     where l.state in ('changed', 'missing')
     order by t.id, l.seq
$$;
comment on function private.broken_chains() is 'Every chained thread whose log is not what was written, and from where on. For operators (docs/operations.md).';

create or replace function app.refuse(verdict text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
begin
    case verdict
        when 'not_a_host' then
            raise exception 'only the couple and planners send emergencies' using errcode = 'WS403';
        when 'unknown_parent' then
            raise exception 'no such message in this thread' using errcode = 'WS422', hint = 'message.parent_message_id';
        when 'unknown_mention' then
            raise exception 'not a participant of this thread' using errcode = 'WS422', hint = 'message.mentions';
        when 'card_number' then
            raise exception 'card numbers are not taken in this thread' using errcode = 'WS422', hint = 'message.message';
        else
            raise exception 'the message was refused' using errcode = 'WS409';
    end case;
end
$$;

create function app.refuse_card_number(thread uuid, field text) returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (select from wedsync.communication_threads t join wedsync.thread_rules r on r.thread_type = t.thread_type
                where t.id = thread and t.id = any (app.visible_threads()) and r.append_only) then
        raise exception 'card numbers are not taken in this thread' using errcode = 'WS422', hint = field;
    end if;
end
$$;
comment on function app.refuse_card_number(uuid, text) is 'Fails the transaction that would store a card number for a contract or payment thread (C10).';

revoke all on all functions in schema private from public;
revoke all on function app.verify_thread(uuid, bigint), app.refuse_card_number(uuid, text) from public;
grant execute on function app.verify_thread(uuid, bigint), app.refuse_card_number(uuid, text) to wedsync_app;
grant execute on function private.keep_chain() to wedsync_owner;

-- What was written before there were chains.
do $$
declare
    e wedsync.thread_events;
begin
    for e in select w.* from wedsync.thread_events w
               join wedsync.communication_threads t on t.id = w.thread_id
               join wedsync.thread_rules r on r.thread_type = t.thread_type and r.append_only
              order by w.thread_id, w.seq loop
        perform private.chain_event(e);
    end loop;
end
$$;
reset role;

set role wedsync_owner;
create trigger keep_chain after insert on wedsync.thread_events for each row execute function private.keep_chain();
reset role;
