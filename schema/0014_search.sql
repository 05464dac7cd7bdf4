-- Search: what people wrote, as words without accents, in a table of its own that nobody but these functions reads.
-- Triggers keep it, so that no way of deleting a text can forget it. No extension: unaccent is three built-in functions.

set role wedsync_owner;

-- A search reads the words of what the caller sees, thread by thread, from the primary key alone: it costs what he sees, not what
-- there is. An inverted index (GIN) was slower for every kind of person but those few with 10,000s of messages, and costs each send.
create table wedsync.message_words (
    thread_id  uuid        not null,
    seq        bigint      not null,
    at         timestamptz not null,
    sender_id  uuid        not null,
    words      tsvector,
    long_words tsvector,
    primary key (thread_id, seq) include (at, sender_id, words),
    foreign key (thread_id, seq) references wedsync.thread_messages (thread_id, seq) on delete cascade,
    check (num_nonnulls(words, long_words) = 1)
) with (autovacuum_vacuum_insert_scale_factor = 0.02);    -- an index alone answers for pages that a vacuum has seen
create index message_words_long on wedsync.message_words (thread_id) where long_words is not null;
comment on table  wedsync.message_words            is 'The words of messages that can be found. A deleted, retracted or redacted message has no row.';
comment on column wedsync.message_words.at         is 'created_at of the message: results come newest first.';
comment on column wedsync.message_words.words      is 'As typed without accents, and their stems in the languages of the thread''s people at that time.';
comment on column wedsync.message_words.long_words is 'The same for those few messages whose words do not fit into an index entry.';

create table wedsync.thread_words (
    thread_id uuid     primary key references wedsync.communication_threads on delete cascade,
    words     tsvector not null
);
comment on table  wedsync.thread_words       is 'The words of threads'' subjects. Apart from the threads, whose rows every message rewrites.';
comment on column wedsync.thread_words.words is 'As message_words.words.';

do $$
begin
    perform private.protect('wedsync.message_words',
                            'wedsync.thread_words');
end
$$;
reset role;

set role wedsync_access;

-- Decomposed, without combining marks (Latin, Greek, Cyrillic; Hebrew and Arabic points), composed again: Indic vowel signs
-- and Hangul stay whole. What is no letter or digit becomes a space, so that "a/b", "x@y" and "e-mail" are words, not tokens.
create function private.fold(said text) returns text
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
begin
    return left(regexp_replace(
               replace(replace(replace(replace(translate(lower(normalize(
                   regexp_replace(normalize(said, NFKD), '[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670]', '', 'g'),
               NFC)), 'øłđħŧı', 'oldhti'), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'),
           '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+', ' ', 'g'), 20000);
end
$$;
comment on function private.fold(text) is 'Text as search compares it: lower case, accents folded, words parted by spaces; at most 20,000 characters.';

create function private.language(locale text) returns regconfig
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
begin
    return case lower(split_part(replace(locale, '_', '-'), '-', 1))
        when 'ar' then 'arabic'     when 'ca' then 'catalan'    when 'da' then 'danish'    when 'de' then 'german'     when 'el' then 'greek'
        when 'en' then 'english'    when 'es' then 'spanish'    when 'eu' then 'basque'    when 'fi' then 'finnish'    when 'fr' then 'french'
        when 'ga' then 'irish'      when 'hi' then 'hindi'      when 'hu' then 'hungarian' when 'hy' then 'armenian'   when 'id' then 'indonesian'
        when 'it' then 'italian'    when 'lt' then 'lithuanian' when 'nb' then 'norwegian' when 'ne' then 'nepali'     when 'nl' then 'dutch'
        when 'nn' then 'norwegian'  when 'no' then 'norwegian'  when 'pt' then 'portuguese' when 'ro' then 'romanian'  when 'ru' then 'russian'
        when 'sr' then 'serbian'    when 'sv' then 'swedish'    when 'ta' then 'tamil'     when 'tr' then 'turkish'    when 'yi' then 'yiddish'
        else 'simple' end::regconfig;
end
$$;
comment on function private.language(text) is 'The text search configuration of a BCP 47 tag; simple, which knows no stems, for a language without one.';

create function private.languages(thread uuid, writer uuid) returns regconfig[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    return array(
        select language
          from (select private.language(u.locale) as language, u.id = writer as own
                  from wedsync.thread_participants p join wedsync.users u on u.id = p.user_id
                 where p.thread_id = thread and p.left_at is null) spoken
         where language <> 'simple'::regconfig
         group by language
         order by bool_or(own) desc, language::oid
         limit 3);
end
$$;
comment on function private.languages(uuid, uuid) is 'The languages a text is stemmed in: those of the thread''s people, the writer''s first; three bound its cost.';

create function private.words(said text, languages regconfig[]) returns tsvector
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
declare
    folded   text     := private.fold(said);
    words    tsvector := to_tsvector('simple', folded);
    language regconfig;
begin
    foreach language in array languages loop
        words := words || to_tsvector(language, folded);
    end loop;
    return words;
end
$$;
comment on function private.words(text, regconfig[]) is 'The words of a text as they are, then its stems in each language, each with positions, for phrases.';

create function private.keep_message_words() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    words tsvector;
    fits  boolean;
begin
    if tg_op = 'UPDATE' then
        delete from wedsync.message_words w where w.thread_id = new.thread_id and w.seq = new.seq;
    end if;
    if new.deleted_at is null and new.retracted_at is null and new.message <> '' then
        words := private.words(new.message, private.languages(new.thread_id, new.sender_id));
        fits := pg_column_size(words) <= 2400;      -- of the 2704 bytes that an index entry may have
        insert into wedsync.message_words (thread_id, seq, at, sender_id, words, long_words)
        values (new.thread_id, new.seq, new.created_at, new.sender_id, case when fits then words end, case when not fits then words end);
    end if;
    return null;
end
$$;
comment on function private.keep_message_words() is 'Trigger: a message can be found from its commit on, as it is now, and not at all once deleted, retracted or redacted.';

create function private.keep_thread_words() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    insert into wedsync.thread_words (thread_id, words)
    values (new.id, private.words(new.subject, array(select private.language(u.locale) from wedsync.users u where u.id = new.created_by)))
    on conflict on constraint thread_words_pkey do update set words = excluded.words;
    return null;
end
$$;
comment on function private.keep_thread_words() is 'Trigger: a thread can be found by its subject, in the language of who created it.';

create function private.phrase(text, language regconfig, beginning boolean) returns tsquery
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select case when beginning and folded <> ''
                then to_tsquery('simple', '''' || replace(folded, ' ', ''' <-> ''') || ''':*')
                else phraseto_tsquery('simple', folded) end
        || phraseto_tsquery(language, folded)
      from btrim(private.fold($1)) folded
$$;
comment on function private.phrase(text, regconfig, boolean) is
    'Finds the words next to each other, as they are or by their stems; "beginning": the last one is still being typed.';

create function private.asked(terms jsonb, language regconfig) returns tsquery
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    alternative jsonb;
    term        jsonb;
    phrase      tsquery;
    wanted      tsquery;
    unwanted    tsquery;
    asked       tsquery := '';
begin
    for alternative in select jsonb_array_elements(terms) loop
        wanted := '';
        unwanted := '';
        for term in select jsonb_array_elements(alternative) loop
            phrase := private.phrase(term ->> 'text', language, (term ->> 'beginning')::boolean);
            if (term ->> 'negated')::boolean then
                unwanted := unwanted || phrase;
            else
                wanted := wanted && phrase;
            end if;
        end loop;
        if numnode(wanted) > 0 then     -- what only excludes would find everything
            asked := asked || (wanted && !! unwanted);
        end if;
    end loop;
    return asked;
end
$$;
comment on function private.asked(jsonb, regconfig) is
    'The query of [[{text, negated, beginning}, ...], ...]: alternatives of terms that must all hold.';

create function private.marks(texts text[], terms jsonb, language regconfig) returns text[]
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    words   text    := (select string_agg(distinct word, ' ') from unnest(texts) said cross join unnest(string_to_array(private.fold(said), ' ')) word);
    wanted  tsquery := private.asked((select jsonb_agg(jsonb_build_array(term))
                                        from jsonb_array_elements(terms) alternative cross join jsonb_array_elements(alternative) term
                                       where not (term ->> 'negated')::boolean), language);
    bracket text    := 'HighlightAll=true, StartSel="' || chr(2) || '", StopSel="' || chr(3) || '"';
begin
    return array(
        select distinct marked[1]
          from unnest(array['simple'::regconfig, language]) reading
         cross join ts_headline(reading, words, wanted, bracket) shown
         cross join regexp_matches(shown, chr(2) || '([^' || chr(3) || ']*)' || chr(3), 'g') marked);
end
$$;
comment on function private.marks(text[], jsonb, regconfig) is 'Which folded words of these texts the query asks for: what to highlight.';

create view private.message_words with (security_invoker = true) as
    select thread_id, seq, at, sender_id, words from wedsync.message_words where words is not null
    union all
    select thread_id, seq, at, sender_id, long_words from wedsync.message_words where long_words is not null;
comment on view private.message_words is 'The words of every message: the short ones from the primary key alone, the long ones from message_words_long.';

-- Both functions plan anew each time: the threads' number decides the plan, but never for reading a table from end to end.
create function app.search(terms jsonb, kinds text[], in_wedding uuid, in_thread uuid, of_type text, by uuid, since timestamptz, until timestamptz,
                           before timestamptz, before_thread uuid, before_seq bigint, size integer)
returns table (kind text, at timestamptz, thread_id uuid, seq bigint, wedding_id uuid, subject text, thread_type text,
               message_id uuid, sender_id uuid, said text, marks text[])
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_custom_plan set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    me       uuid      := app.user_id();
    language regconfig := (select private.language(u.locale) from wedsync.users u where u.id = me);
    asked    tsquery   := private.asked(terms, language);
    threads  uuid[]    := array(select t.id from wedsync.communication_threads t
                                 where t.id = any (app.visible_threads()) and (in_wedding is null or t.wedding_id = in_wedding)
                                   and (in_thread is null or t.id = in_thread) and (of_type is null or t.thread_type = of_type));
begin
    return query
        with hits as materialized (
            (select 'message' as kind, w.at, w.thread_id, w.seq
               from private.message_words w
              where 'message' = any (kinds) and w.thread_id = any (threads) and w.words @@ asked
                and (by is null or w.sender_id = by) and (since is null or w.at >= since) and (until is null or w.at < until)
                and (before is null or (w.at, w.thread_id, w.seq) < (before, before_thread, before_seq))
                and exists (select from wedsync.thread_access a
                             where a.user_id = me and a.thread_id = w.thread_id and w.seq between a.from_seq and a.to_seq)
              order by w.at desc, w.thread_id desc, w.seq desc
              limit size)
            union all
            (select 'thread', t.created_at, t.id, 0
               from wedsync.thread_words w join wedsync.communication_threads t on t.id = w.thread_id
              where 'thread' = any (kinds) and w.thread_id = any (threads) and w.words @@ asked
                and (by is null or t.created_by = by) and (since is null or t.created_at >= since) and (until is null or t.created_at < until)
                and (before is null or (t.created_at, t.id, 0) < (before, before_thread, before_seq))
              order by t.created_at desc, t.id desc
              limit size)
            order by 2 desc, 3 desc, 4 desc
            limit size
        ), shown as materialized (
            select h.kind, h.at, h.thread_id, h.seq, t.wedding_id, t.subject, t.thread_type, m.id, coalesce(m.sender_id, t.created_by) as sender_id,
                   coalesce(m.message, t.subject) as said
              from hits h
              join wedsync.communication_threads t on t.id = h.thread_id
              left join wedsync.thread_messages m on m.thread_id = h.thread_id and m.seq = h.seq
        ), marked as materialized (
            select private.marks(array(select said from shown), terms, language) as words
        )
        select shown.*, marked.words from shown cross join marked order by 2 desc, 3 desc, 4 desc;
end
$$;
comment on function app.search(jsonb, text[], uuid, uuid, text, uuid, timestamptz, timestamptz, timestamptz, uuid, bigint, integer) is
    'GET /search: messages inside the caller''s windows (R7) and threads that he sees, newest first.';

create function app.threads_about(terms jsonb) returns uuid[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_custom_plan set enable_seqscan = off
as $$
declare
    me      uuid    := app.user_id();
    asked   tsquery := private.asked(terms, (select private.language(u.locale) from wedsync.users u where u.id = me));
    threads uuid[]  := app.visible_threads();
begin
    return array(
        select w.thread_id from wedsync.thread_words w where w.thread_id = any (threads) and w.words @@ asked
        union
        select w.thread_id from private.message_words w
         where w.thread_id = any (threads) and w.words @@ asked
           and exists (select from wedsync.thread_access a
                        where a.user_id = me and a.thread_id = w.thread_id and w.seq between a.from_seq and a.to_seq));
end
$$;
comment on function app.threads_about(jsonb) is 'q of GET /threads: threads that the caller sees whose subject, or a message in his windows, answers the query.';

revoke all on all functions in schema private from public;
revoke all on function
    app.search(jsonb, text[], uuid, uuid, text, uuid, timestamptz, timestamptz, timestamptz, uuid, bigint, integer), app.threads_about(jsonb) from public;
grant execute on function
    app.search(jsonb, text[], uuid, uuid, text, uuid, timestamptz, timestamptz, timestamptz, uuid, bigint, integer), app.threads_about(jsonb) to wedsync_app;
grant execute on function private.keep_message_words(), private.keep_thread_words() to wedsync_owner;

-- What was written before search existed.
insert into wedsync.message_words (thread_id, seq, at, sender_id, words, long_words)
select m.thread_id, m.seq, m.created_at, m.sender_id, case when pg_column_size(w.words) <= 2400 then w.words end,
       case when pg_column_size(w.words) > 2400 then w.words end
  from wedsync.thread_messages m cross join lateral (select private.words(m.message, private.languages(m.thread_id, m.sender_id)) as words offset 0) w
 where m.deleted_at is null and m.retracted_at is null and m.message <> '';
insert into wedsync.thread_words (thread_id, words)
select t.id, private.words(t.subject, array[private.language(u.locale)])
  from wedsync.communication_threads t join wedsync.users u on u.id = t.created_by;
reset role;

set role wedsync_owner;
create trigger keep_message_words after insert or update of message, deleted_at, retracted_at on wedsync.thread_messages
    for each row execute function private.keep_message_words();
create trigger keep_thread_words after insert or update of subject on wedsync.communication_threads
    for each row execute function private.keep_thread_words();
reset role;
