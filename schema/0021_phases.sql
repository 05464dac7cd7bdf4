-- The phase of a wedding, and who has nothing left here.

set role wedsync_access;

-- Part of the wedding's row only: nothing is looked up, whoever sees the row may ask.
create function app.wedding_phase(w wedsync.weddings) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    here    timestamptz := app.now();
    begins  timestamptz := w.wedding_date::timestamp at time zone w.time_zone;
    ends    timestamptz := (w.wedding_date + 1 + time '04:00') at time zone w.time_zone;
    -- Hours far from the date were stated for another one.
    opens   timestamptz := greatest(begins - interval '1 day', least(begins, w.starts_at - interval '6 hours'));
    closes  timestamptz := least(ends + interval '3 days', greatest(ends, w.ends_at + interval '3 hours'));
begin
    return case
        when w.status = 'cancelled' or here >= closes + interval '14 days' then 'closed'
        when w.status = 'completed' or here >= closes                      then 'wrap_up'
        when w.status = 'postponed' or here < opens - interval '7 days'    then 'planning'
        when here < opens                                                  then 'final_week'
        else 'day_of'
    end;
end
$$;
comment on function app.wedding_phase(wedsync.weddings) is
    'planning, final_week, day_of, wrap_up or closed, from date, time zone, hours and status (W1). The day begins at midnight or 6 h before it starts, a day before at most, and ends at 4 or 3 h after it ends, three days later at most.';

create function app.has_nothing_left(person uuid) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform private.require_service();
    return not exists (select from wedsync.organization_members m where m.user_id = person)
       and not exists (select from wedsync.wedding_members m where m.user_id = person)
       and not exists (select from wedsync.thread_access a where a.user_id = person);
end
$$;
comment on function app.has_nothing_left(uuid) is 'Whether a person belongs to no organization and no wedding and sees no thread: his sockets are ended.';

revoke all on function app.wedding_phase(wedsync.weddings), app.has_nothing_left(uuid) from public;
grant execute on function app.wedding_phase(wedsync.weddings), app.has_nothing_left(uuid) to wedsync_app;
reset role;
