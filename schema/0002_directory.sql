-- The directory: people, organizations and weddings, as the platform's back end states them.

set role wedsync_owner;

create table wedsync.organizations (
    id         uuid        primary key,
    name       text        not null check (char_length(name) between 1 and 200),
    kind       text        not null check (kind in ('vendor', 'planner', 'venue', 'couple', 'platform')),
    verified   boolean     not null default false,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
comment on table  wedsync.organizations            is 'A business or party. Membership of one opens nothing by itself (R5).';
comment on column wedsync.organizations.kind       is 'What the organization is on the platform.';
comment on column wedsync.organizations.verified   is 'Only a verified vendor organization joins weddings (W5).';

create table wedsync.users (
    id           uuid        primary key,
    display_name text        not null check (char_length(display_name) between 1 and 200),
    locale       text        not null default 'en' check (char_length(locale) between 2 and 35),
    time_zone    text        not null default 'UTC' check (char_length(time_zone) between 1 and 64),
    created_at   timestamptz not null,
    updated_at   timestamptz not null
);
comment on table  wedsync.users           is 'A person; the id is the sub of his tokens. Addresses are in contact_points.';
comment on column wedsync.users.locale    is 'BCP 47 language tag.';
comment on column wedsync.users.time_zone is 'IANA time zone name; quiet hours and digests follow it.';

create table wedsync.contact_points (
    id          uuid        primary key,
    user_id     uuid        not null references wedsync.users on delete cascade,
    channel     text        not null check (channel in ('email', 'phone', 'device')),
    address     text        not null check (char_length(address) between 1 and 2000),
    source      text        not null check (source in ('directory', 'self')),
    created_at  timestamptz not null,
    unique (user_id, channel, address)
);
comment on table  wedsync.contact_points         is 'Every address of every person, in one place: one place to encrypt, one place to erase.';
comment on column wedsync.contact_points.channel is 'email: address; phone: E.164; device: push subscription.';
comment on column wedsync.contact_points.source  is 'directory: stated by the platform and counted as verified (R24); self: entered by the person.';

create table wedsync.organization_members (
    organization_id uuid        not null references wedsync.organizations on delete cascade,
    user_id         uuid        not null references wedsync.users on delete cascade,
    role            text        not null check (role in ('owner', 'admin', 'member')),
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    primary key (organization_id, user_id)
);
create index organization_members_user on wedsync.organization_members (user_id);
comment on table wedsync.organization_members is 'Who belongs to which organization.';

create table wedsync.weddings (
    id              uuid        primary key,
    organization_id uuid        not null references wedsync.organizations,
    title           text        not null check (char_length(title) between 1 and 200),
    wedding_date    date        not null,
    time_zone       text        not null check (char_length(time_zone) between 1 and 64),
    starts_at       timestamptz,
    ends_at         timestamptz,
    venue           text        check (char_length(venue) between 1 and 500),
    status          text        not null check (status in ('planned', 'postponed', 'cancelled', 'completed')),
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    check (ends_at > starts_at)
);
create index weddings_organization on wedsync.weddings (organization_id);
comment on table  wedsync.weddings                 is 'A wedding: the frame of every thread.';
comment on column wedsync.weddings.organization_id is 'The organization that runs it: labels and reports, opens nothing (R5).';
comment on column wedsync.weddings.wedding_date    is 'The day, in the wedding''s own time zone.';
comment on column wedsync.weddings.time_zone       is 'IANA time zone name of the place.';

create table wedsync.wedding_members (
    wedding_id      uuid        not null references wedsync.weddings on delete cascade,
    user_id         uuid        not null references wedsync.users on delete cascade,
    role            text        not null check (role in ('couple', 'planner', 'vendor', 'coordinator')),
    organization_id uuid        references wedsync.organizations,
    service         text        check (char_length(service) between 1 and 100),
    lead            boolean     not null default false,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    primary key (wedding_id, user_id),
    check (not lead or role in ('planner', 'coordinator')),
    check (role <> 'vendor' or organization_id is not null)
);
create index wedding_members_user on wedsync.wedding_members (user_id);
create index wedding_members_organization on wedsync.wedding_members (organization_id);
comment on table  wedsync.wedding_members                 is 'Who takes part in a wedding, and as what. Without a row here a person is in none of its threads.';
comment on column wedsync.wedding_members.organization_id is 'For whom the person works at this wedding; colleagues share it (R11).';
comment on column wedsync.wedding_members.service         is 'What a vendor does here: flowers, catering.';
comment on column wedsync.wedding_members.lead            is 'Lead planner or coordinator (R11).';

do $$
begin
    perform private.protect('wedsync.organizations',
                            'wedsync.users',
                            'wedsync.contact_points',
                            'wedsync.organization_members',
                            'wedsync.weddings',
                            'wedsync.wedding_members');
end
$$;

reset role;
