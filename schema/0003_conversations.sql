-- Threads, who is in them, and their log.

set role wedsync_owner;

create table wedsync.communication_threads (
    id               uuid        primary key,
    wedding_id       uuid        not null references wedsync.weddings,
    subject          text        not null check (char_length(subject) between 1 and 200),
    thread_type      text        not null check (thread_type in ('general', 'vendor_coordination', 'timeline', 'guest_logistics',
                                                                 'payment', 'contract', 'emergency', 'announcement')),
    status           text        not null default 'active' check (status in ('active', 'closed', 'archived', 'frozen')),
    priority_level   text        not null check (priority_level in ('low', 'normal', 'high', 'urgent')),
    visibility       text        not null check (visibility in ('participants', 'hosts')),
    hosts_from_seq   bigint      check (hosts_from_seq >= 1),
    wedding_context  jsonb       not null default '{}' check (jsonb_typeof(wedding_context) = 'object'),
    metadata         jsonb       not null default '{}' check (jsonb_typeof(metadata) = 'object'),
    created_by       uuid        not null references wedsync.users,
    created_at       timestamptz not null,
    updated_at       timestamptz not null,
    last_seq         bigint      not null default 0 check (last_seq >= 0),
    last_activity_at timestamptz not null,
    changed_xid      bigint      not null,
    check ((visibility = 'hosts') = (hosts_from_seq is not null))
);
create index communication_threads_wedding on wedsync.communication_threads (wedding_id);
create index communication_threads_created_by on wedsync.communication_threads (created_by);
create index communication_threads_activity on wedsync.communication_threads (last_activity_at desc, id desc);
comment on table  wedsync.communication_threads                  is 'A conversation of people at one wedding.';
comment on column wedsync.communication_threads.visibility       is 'hosts: the wedding''s couple and planners read along from hosts_from_seq on (R10).';
comment on column wedsync.communication_threads.hosts_from_seq   is 'First seq that implicit hosts see; null unless visibility is hosts.';
comment on column wedsync.communication_threads.wedding_context  is 'Free facts of the wedding that the thread is about; a JSON object.';
comment on column wedsync.communication_threads.metadata         is 'Free facts of the client application; a JSON object.';
comment on column wedsync.communication_threads.last_seq         is 'Head of the log. Raised under the row lock, in the transaction of the event: gapless and commit-ordered (R3).';
comment on column wedsync.communication_threads.last_activity_at is 'Time of the event at last_seq; never decreases.';
comment on column wedsync.communication_threads.changed_xid      is 'Transaction id of the last change; compared with the snapshot in a since token (R19).';

create table wedsync.thread_participants (
    thread_id     uuid        not null references wedsync.communication_threads on delete cascade,
    user_id       uuid        not null references wedsync.users,
    role          text        not null check (role in ('owner', 'participant', 'observer')),
    added_by      uuid        not null references wedsync.users,
    added_at      timestamptz not null,
    left_at       timestamptz,
    read_seq      bigint      not null default 0 check (read_seq >= 0),
    delivered_seq bigint      not null default 0,
    muted_until   timestamptz,
    changed_xid   bigint      not null,
    primary key (thread_id, user_id),
    check (delivered_seq >= read_seq)
);
create index thread_participants_user on wedsync.thread_participants (user_id, changed_xid);
create index thread_participants_added_by on wedsync.thread_participants (added_by);
comment on table  wedsync.thread_participants               is 'Who is, or was, in a thread.';
comment on column wedsync.thread_participants.left_at       is 'Set when he left or was removed: from then on he sees nothing of the thread (R6).';
comment on column wedsync.thread_participants.read_seq      is 'Highest seq the person has seen; only rises (R2).';
comment on column wedsync.thread_participants.delivered_seq is 'Highest seq stored on a device of the person; only rises; read implies delivered (R15).';
comment on column wedsync.thread_participants.muted_until   is 'No notifications before this time.';
comment on column wedsync.thread_participants.changed_xid   is 'Transaction id of the last change (R19).';

create table wedsync.participation_windows (
    thread_id uuid   not null,
    user_id   uuid   not null,
    from_seq  bigint not null check (from_seq >= 1),
    to_seq    bigint,
    primary key (thread_id, user_id, from_seq),
    foreign key (thread_id, user_id) references wedsync.thread_participants on delete cascade,
    check (to_seq >= from_seq)
);
comment on table  wedsync.participation_windows          is 'The parts of a thread that a participant sees: intervals of seq (R6).';
comment on column wedsync.participation_windows.from_seq is 'First seq of the interval.';
comment on column wedsync.participation_windows.to_seq   is 'Last seq; null while the interval is open.';

create table wedsync.thread_messages (
    id                uuid        primary key,
    thread_id         uuid        not null references wedsync.communication_threads on delete cascade,
    seq               bigint      not null check (seq >= 1),
    sender_id         uuid        not null references wedsync.users,
    parent_message_id uuid,
    message           text        not null check (char_length(message) <= 8000),
    message_html      text        not null,
    message_type      text        not null check (message_type in ('text', 'system', 'image', 'file', 'location', 'offer')),
    priority_level    text        not null check (priority_level in ('low', 'normal', 'high', 'urgent', 'emergency')),
    mentions          uuid[]      not null default '{}',
    requires_ack      boolean     not null default false,
    wedding_context   jsonb       not null default '{}' check (jsonb_typeof(wedding_context) = 'object'),
    metadata          jsonb       not null default '{}' check (jsonb_typeof(metadata) = 'object'),
    client_msg_id     uuid        not null,
    fingerprint       bytea       not null check (octet_length(fingerprint) = 32),
    created_at        timestamptz not null,
    edited_at         timestamptz,
    deleted_at        timestamptz,
    unique (thread_id, seq),
    unique (thread_id, sender_id, client_msg_id),
    unique (thread_id, id),
    foreign key (thread_id, parent_message_id) references wedsync.thread_messages (thread_id, id),
    check (char_length(message) >= 1 or deleted_at is not null)
);
create index thread_messages_sender on wedsync.thread_messages (sender_id);
create index thread_messages_parent on wedsync.thread_messages (thread_id, parent_message_id) where parent_message_id is not null;
comment on table  wedsync.thread_messages                   is 'What people wrote. Each message stands at the seq of its message.created.';
comment on column wedsync.thread_messages.parent_message_id is 'The message this one answers, in the same thread.';
comment on column wedsync.thread_messages.message           is 'As typed: NFC, without control and bidi-override characters; empty once deleted.';
comment on column wedsync.thread_messages.message_html      is 'Safe HTML made once from message.';
comment on column wedsync.thread_messages.mentions          is 'Ids of the participants it names.';
comment on column wedsync.thread_messages.requires_ack      is 'Somebody has to acknowledge it explicitly (C7).';
comment on column wedsync.thread_messages.client_msg_id     is 'The sender''s own id for it: unique for ever per thread and sender (R13).';
comment on column wedsync.thread_messages.fingerprint       is 'SHA-256 of what was asked: tells a repetition from a reuse of client_msg_id.';

create table wedsync.thread_events (
    thread_id  uuid        not null references wedsync.communication_threads on delete cascade,
    seq        bigint      not null check (seq >= 1),
    kind       text        not null check (kind in ('thread.created', 'participant.added', 'participant.removed', 'message.created')),
    at         timestamptz not null,
    actor_id   uuid        not null,
    about_seq  bigint      check (about_seq < seq),
    message_id uuid        references wedsync.thread_messages,
    user_id    uuid        references wedsync.users,
    data       jsonb       not null default '{}' check (jsonb_typeof(data) = 'object'),
    primary key (thread_id, seq),
    check ((kind like 'message.%') = (message_id is not null)),
    check ((kind like 'participant.%') = (user_id is not null))
);
create index thread_events_message on wedsync.thread_events (message_id) where message_id is not null;
create index thread_events_user on wedsync.thread_events (user_id) where user_id is not null;
comment on table  wedsync.thread_events            is 'The log: every change of a thread is one event, numbered without gaps (R1, R3). Everything else reads it.';
comment on column wedsync.thread_events.actor_id   is 'Who did it: a user, or the service that spoke for the platform.';
comment on column wedsync.thread_events.about_seq  is 'Seq of the message it is about; both must lie in a reader''s window (R6).';
comment on column wedsync.thread_events.message_id is 'The message of a message.* event.';
comment on column wedsync.thread_events.user_id    is 'The person of a participant.* event.';
comment on column wedsync.thread_events.data       is 'Ids and role names only, never text (R3).';

create table wedsync.outbox (
    thread_id  uuid        not null,
    seq        bigint      not null,
    lane       text        not null check (lane in ('ordinary', 'emergency')),
    created_at timestamptz not null,
    planned_at timestamptz,
    primary key (thread_id, seq),
    foreign key (thread_id, seq) references wedsync.thread_events on delete cascade
);
create index outbox_waiting on wedsync.outbox (created_at) where planned_at is null;
comment on table  wedsync.outbox            is 'One row per event, written with it: what the notification planner has still to look at (R17).';
comment on column wedsync.outbox.lane       is 'Which queue carries it: emergencies have one of their own.';
comment on column wedsync.outbox.planned_at is 'When the planner was done with it; null while it waits.';

do $$
begin
    perform private.protect('wedsync.communication_threads',
                            'wedsync.thread_participants',
                            'wedsync.participation_windows',
                            'wedsync.thread_messages',
                            'wedsync.thread_events',
                            'wedsync.outbox');
end
$$;

create policy worker on wedsync.outbox to wedsync_worker using (true) with check (true);
grant select on wedsync.outbox to wedsync_worker;
grant update (planned_at) on wedsync.outbox to wedsync_worker;

reset role;
