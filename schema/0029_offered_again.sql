-- Only where a restore may have lost something are messages told quietly (R4): any other epoch in a message means nothing.

set role wedsync_access;

alter table private.cluster add column changed_at timestamptz;
comment on column private.cluster.changed_at is 'When the epoch changed last; null: it never did.';

create function private.note_epoch() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    new.changed_at := app.now();
    return new;
end
$$;
comment on function private.note_epoch() is 'Trigger: when the epoch changed.';
create trigger note_epoch before update of epoch on private.cluster for each row execute function private.note_epoch();

create function app.is_offered_again(stated text) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return exists (select from private.cluster c where c.epoch <> stated and c.changed_at > app.now() - interval '7 days');
end
$$;
comment on function app.is_offered_again(text) is
    'Whether a message that an answer of this epoch acknowledged may be lost by a restore: its people were told then, and clients offer it again for 7 days.';

revoke all on all functions in schema private from public;
revoke all on function app.is_offered_again(text) from public;
grant execute on function app.is_offered_again(text) to wedsync_app, wedsync_worker;
reset role;
