-- step: people
create temp table firm as
select id, kind, row_number() over (partition by kind = 'planner' order by i) as n
  from (select i, md5('organization' || i)::uuid as id, case when i % 5 = 0 then 'planner' when i % 20 = 1 then 'venue' else 'vendor' end as kind
          from generate_series(1, {organizations}) i) listed;
insert into wedsync.organizations (id, name, kind, verified, created_at, updated_at)
select id, initcap(kind) || ' ' || n, kind, true, now(), now() from firm;

create temp table person as
select md5('staff' || f.kind || f.n || '/' || k)::uuid as id, f.id as firm_id, f.kind = 'planner' as plans, f.n, k from firm f cross join generate_series(1, 3) k
union all
select md5('couple' || w || '/' || k)::uuid, null, null, w, k from generate_series(1, {weddings}) w cross join generate_series(1, 2) k;
insert into wedsync.users (id, display_name, locale, time_zone, created_at, updated_at)
select id, 'Person ' || substr(id::text, 1, 8), (array['en', 'en-GB', 'en-US', 'de', 'fr'])[1 + abs(hashtext(id::text)) % 5], 'UTC', now(), now() from person;
insert into wedsync.organization_members (organization_id, user_id, role, created_at, updated_at)
select firm_id, id, case k when 1 then 'owner' else 'member' end, now(), now() from person where firm_id is not null;

-- A few planners and vendors have most of the weddings.
create temp table wedding as
select w, md5('wedding' || w)::uuid as id, 1 + floor((select count(*) from firm where kind = 'planner') * power(random(), 2))::int as planner,
       current_date + floor(random() * 900 - 450)::int as day
  from generate_series(1, {weddings}) w;
insert into wedsync.weddings (id, organization_id, title, wedding_date, time_zone, status, created_at, updated_at)
select w.id, f.id, 'Wedding ' || w.w, w.day, 'UTC', 'planned', now(), now() from wedding w join firm f on f.kind = 'planner' and f.n = w.planner;
create temp table member as
select w.id as wedding_id, w.w, p.id as user_id, 'couple' as role, null::uuid as firm_id, p.k from wedding w join person p on p.firm_id is null and p.n = w.w
union all
select w.id, w.w, p.id, 'planner', p.firm_id, p.k from wedding w join person p on p.plans and p.n = w.planner and p.k <= 2
union all
select distinct on (d.id, p.firm_id) d.id, d.w, p.id, 'vendor', p.firm_id, p.k
  from (select w.id, w.w, 1 + floor((select count(*) from firm where kind <> 'planner') * power(random(), 1.7))::int as n, 1 + floor(3 * random() * random())::int as k
          from wedding w cross join generate_series(1, 8) draw) d
  join person p on not p.plans and p.firm_id is not null and p.n = d.n and p.k = d.k;
insert into wedsync.wedding_members (wedding_id, user_id, role, organization_id, service, lead, created_at, updated_at)
select wedding_id, user_id, role, firm_id, null, role = 'planner' and k = 1, now(), now() from member;

-- step: threads
create temp table thread as
select t.t, md5('thread' || t.t)::uuid as id, w.id as wedding_id, lead.user_id as creator, now() - random() * interval '400 days' as started,
       interval '1 day' * (5 + 200 * random()) as span, exp(1.2 * sqrt(-2 * ln(1 - random())) * cos(6.283185 * random())) as weight,
       case when random() < 0.15 then 'hosts' else 'participants' end as visibility,
       (array['general', 'vendor_coordination', 'timeline', 'guest_logistics', case when random() < 0.1 then 'payment' else 'general' end,
             case when random() < 0.1 then 'contract' else 'general' end])[1 + floor(6 * random())::int] as thread_type
  from (select t, 1 + floor({weddings} * power(random(), 1.3))::int as w from generate_series(1, {threads}) t) t
  join wedding w on w.w = t.w
  join member lead on lead.wedding_id = w.id and lead.role = 'planner' and lead.k = 1;
alter table thread add column messages integer;
update thread set messages = greatest(1, round(weight * {messages} / (select sum(weight) from thread)));
insert into wedsync.communication_threads (id, wedding_id, subject, thread_type, status, priority_level, visibility, hosts_from_seq, created_by,
                                           created_at, updated_at, last_seq, last_activity_at, changed_xid)
select t.id, t.wedding_id, left(s.said, 60), t.thread_type, case when random() < 0.2 then 'closed' else 'active' end, 'normal', t.visibility,
       case t.visibility when 'hosts' then 1 end, t.creator, t.started, t.started, t.messages + 1, t.started + t.span, pg_current_xact_id()::text::bigint
  from thread t join sentence s on s.n = 1 + t.t % 40000;

create temp table participant as
select t.id as thread_id, t.t, m.user_id, row_number() over (partition by t.id order by m.user_id = t.creator desc, random()) as n,
       m.user_id = t.creator as owns, t.messages, t.started
  from thread t join member m on m.wedding_id = t.wedding_id
 where m.user_id = t.creator or random() < case m.role when 'couple' then 0.7 when 'planner' then 0.5 else 0.25 end;
analyze participant;
create temp table thread_people as select thread_id, array_agg(user_id order by n) as people from participant group by thread_id;
insert into wedsync.thread_participants (thread_id, user_id, role, added_by, added_at, read_seq, delivered_seq, changed_xid)
select p.thread_id, p.user_id, case when p.owns then 'owner' else 'participant' end, tp.people[1], p.started, r.read, r.read, pg_current_xact_id()::text::bigint
  from participant p join thread_people tp using (thread_id)
 cross join lateral (select greatest(0, p.messages + 1 - case when random() < 0.7 then 0 else floor(random() * random() * 100)::int end) as read) r;
insert into wedsync.participation_windows (thread_id, user_id, from_seq)
select thread_id, user_id, case when owns or random() < 0.9 then 1 else 1 + messages / 2 end from participant;

-- step: messages
create temp table said as
select t.id as thread_id, k + 1 as seq, 1 + floor(random() * 40000)::int as n, tp.people[1 + floor(random() * cardinality(tp.people))::int] as sender_id,
       t.started + t.span * (k::float / t.messages) as at
  from thread t join thread_people tp on tp.thread_id = t.id cross join generate_series(1, t.messages) k
 order by at;
insert into wedsync.thread_messages (id, thread_id, seq, sender_id, message, message_html, message_type, priority_level, client_msg_id, fingerprint, created_at)
select (lpad(to_hex((extract(epoch from m.at) * 1000)::bigint), 12, '0') || '7' || substr(md5(m.thread_id::text || m.seq), 1, 19))::uuid,
       m.thread_id, m.seq, m.sender_id, s.said, s.said, 'text', 'normal', gen_random_uuid(), decode(repeat('00', 32), 'hex'), m.at
  from said m join sentence s on s.n = m.n order by m.at;
insert into wedsync.thread_events (thread_id, seq, kind, at, actor_id, message_id)
select id, 1, 'thread.created', started, creator, null from thread
union all
(select thread_id, seq, 'message.created', created_at, sender_id, id from wedsync.thread_messages order by created_at);
insert into wedsync.outbox (thread_id, seq, lane, created_at, planned_at) select thread_id, seq, 'ordinary', at, at from wedsync.thread_events;

-- step: words
-- Each sentence once per language instead of each message: together they are private.words of the message.
create temp table spoken as
with speaks as (
    select p.thread_id, p.user_id, private.language(u.locale) as language from participant p join wedsync.users u on u.id = p.user_id
)
select s.thread_id, s.user_id, (array_agg(l.language order by l.language = s.language desc, l.language::oid))[1:3] as languages
  from speaks s join (select distinct thread_id, language from speaks) l using (thread_id)
 group by s.thread_id, s.user_id;
create temp table sentence_words as
select s.n, l.language, case when l.language = 'simple'::regconfig then private.words(s.said, '{{}}') else to_tsvector(l.language, private.fold(s.said)) end as words
  from sentence s cross join (select distinct unnest(languages) as language from spoken union select 'simple'::regconfig) l;
create unique index on sentence_words (n, language);
analyze spoken, sentence_words;
insert into wedsync.message_words (thread_id, seq, at, sender_id, words, long_words)
select m.thread_id, m.seq, m.at, m.sender_id, case when pg_column_size(w.words) <= 2400 then w.words end, case when pg_column_size(w.words) > 2400 then w.words end
  from said m
  join spoken p on p.thread_id = m.thread_id and p.user_id = m.sender_id
  join sentence_words s on s.n = m.n and s.language = 'simple'::regconfig
  left join sentence_words a on a.n = m.n and a.language = p.languages[1]
  left join sentence_words b on b.n = m.n and b.language = p.languages[2]
  left join sentence_words c on c.n = m.n and c.language = p.languages[3]
 cross join lateral (select s.words || coalesce(a.words, '') || coalesce(b.words, '') || coalesce(c.words, '') as words offset 0) w
 order by m.at;
insert into wedsync.thread_words (thread_id, words)
select t.id, private.words(t.subject, array[private.language(u.locale)]) from wedsync.communication_threads t join wedsync.users u on u.id = t.created_by;

-- step: notifications
insert into wedsync.deliveries (id, message_id, user_id, channel, lane, category, address_hash, status, created_at, kicked_at, not_before, expires_at, sent_at, updated_at)
select gen_random_uuid(), m.id, p.user_id, 'inbox', 'ordinary', 'ordinary', sha256(convert_to(p.user_id::text, 'UTF8')), 'sent',
       m.created_at, m.created_at, m.created_at, m.created_at + interval '7 days', m.created_at, m.created_at
  from wedsync.thread_messages m join wedsync.thread_participants p on p.thread_id = m.thread_id and p.user_id <> m.sender_id
  join wedsync.participation_windows w on w.thread_id = p.thread_id and w.user_id = p.user_id and m.seq >= w.from_seq
 where m.created_at > now() - interval '30 days';
set enable_nestloop = off; -- nothing is analyzed yet
insert into wedsync.inbox_items (id, user_id, message_id, thread_id, seq, category, created_at, seen_at, read_at)
select d.id, d.user_id, d.message_id, d.thread_id, d.seq, 'ordinary', d.created_at,
       case when p.read_seq >= d.seq or random() < 0.8 then d.created_at end, case when p.read_seq >= d.seq then d.created_at end
  from (select d.id, d.user_id, d.message_id, d.created_at, m.thread_id, m.seq
          from wedsync.deliveries d join wedsync.thread_messages m on m.id = d.message_id offset 0) d
  join wedsync.thread_participants p on p.thread_id = d.thread_id and p.user_id = d.user_id order by d.created_at;
reset enable_nestloop;

-- step: access
analyze wedsync.communication_threads, wedsync.thread_participants, wedsync.participation_windows, wedsync.wedding_members;
insert into wedsync.thread_access (user_id, thread_id, source, from_seq, to_seq, changed_xid)
select user_id, thread_id, source, from_seq, to_seq, pg_current_xact_id()::text::bigint from private.computed_access order by user_id, thread_id;

-- step: chains
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
