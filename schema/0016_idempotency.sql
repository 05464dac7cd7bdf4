-- Requests under an Idempotency-Key: what a repetition is answered with, without acting again (R28).

set role wedsync_owner;

create table wedsync.idempotency_keys (
    user_id     uuid        not null,
    key         text        not null check (key ~ '^[!-~]{1,255}$'),
    route       text        not null check (char_length(route) between 1 and 200),
    fingerprint bytea       not null check (octet_length(fingerprint) = 32),
    status      smallint    not null check (status between 200 and 299),
    resource    uuid,
    claimed_xid bigint      not null,
    claimed_at  timestamptz not null,
    primary key (user_id, key)
);
create index idempotency_keys_age on wedsync.idempotency_keys (claimed_at);
comment on table  wedsync.idempotency_keys             is 'A key is written in the transaction of its act: both are there, or neither. Answers are not kept, they are rendered anew for whoever may still read them (R28).';
comment on column wedsync.idempotency_keys.user_id     is 'Who sent the key. No reference: also a caller whom the directory does not know may send one.';
comment on column wedsync.idempotency_keys.fingerprint is 'SHA-256 of method, path and body: another request under the same key is a mistake of the client.';
comment on column wedsync.idempotency_keys.status      is 'Of the first answer.';
comment on column wedsync.idempotency_keys.resource    is 'What the act made or found, where the request does not name it.';
comment on column wedsync.idempotency_keys.claimed_xid is 'The transaction of the act: app.keep_answer finds its row by it.';

do $$
begin
    perform private.protect('wedsync.idempotency_keys');
end
$$;
reset role;

set role wedsync_access;

create function app.claim_key(key text, route text, fingerprint bytea, status integer) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    known wedsync.idempotency_keys;
begin
    if app.user_id() is null then
        raise exception 'no context' using errcode = '28000';
    end if;
    -- Held until the act is committed or undone: whoever gets it sees what became of the one before.
    if not pg_try_advisory_xact_lock(hashtextextended(app.user_id() || ' ' || claim_key.key, 28)) then
        raise exception 'a request under this Idempotency-Key is being worked on' using errcode = 'WS409';
    end if;
    select * into known from wedsync.idempotency_keys k where k.user_id = app.user_id() and k.key = claim_key.key;
    if known.user_id is null then
        insert into wedsync.idempotency_keys (user_id, key, route, fingerprint, status, claimed_xid, claimed_at)
        values (app.user_id(), claim_key.key, claim_key.route, claim_key.fingerprint, claim_key.status,
                pg_current_xact_id()::text::bigint, app.now());
    elsif known.fingerprint <> claim_key.fingerprint then
        raise exception 'this key belongs to another request' using errcode = 'WS422', hint = 'Idempotency-Key';
    else
        raise exception 'answered before' using errcode = 'WS208', detail = known.status::text, hint = coalesce(known.resource::text, '');
    end if;
end
$$;
comment on function app.claim_key(text, text, bytea, integer) is
    'First statement of an act under a key. SQLSTATE WS208 with the status and the resource of the first answer if the act is done, '
    'WS409 while it is being done, WS422 if the key belongs to another request: in each case nothing is done again.';

create function app.keep_answer(resource uuid, status integer default null) returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
    update wedsync.idempotency_keys k
       set resource = keep_answer.resource, status = coalesce(keep_answer.status, k.status)
     where k.user_id = app.user_id() and k.claimed_xid = pg_current_xact_id()::text::bigint
$$;
comment on function app.keep_answer(uuid, integer) is
    'Called by an act that makes or finds something, with its id: a repetition shows that. Does nothing unless a key was claimed in this transaction.';

create function app.forget_keys(older_than interval, up_to integer) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    forgotten bigint;
begin
    perform private.require_worker();
    delete from wedsync.idempotency_keys k
     using (select o.user_id, o.key from wedsync.idempotency_keys o
             where o.claimed_at < app.now() - older_than order by o.claimed_at limit up_to for update skip locked) old
     where k.user_id = old.user_id and k.key = old.key;
    get diagnostics forgotten = row_count;
    return forgotten;
end
$$;
comment on function app.forget_keys(interval, integer) is 'Deletes keys whose time has passed, the oldest first; how many.';

revoke all on function app.claim_key(text, text, bytea, integer), app.keep_answer(uuid, integer), app.forget_keys(interval, integer) from public;
grant execute on function app.claim_key(text, text, bytea, integer), app.keep_answer(uuid, integer) to wedsync_app;
grant execute on function app.forget_keys(interval, integer) to wedsync_worker;
reset role;
