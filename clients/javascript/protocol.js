/**
 * The rules of `wedsync.v1` without a network: what this device has of each thread, and what a frame makes of it.
 *
 * Everything here is synchronous and touches nothing. A frame goes in; out come `writes`, which belong into the
 * store in one transaction, and `news`, which the application hears once they are stored. The cursor therefore
 * is never ahead of what is stored, and an event is told at most once, in order (docs/realtime.md).
 */

/** @typedef {{id: string, thread_id: string, seq: number, sender_id: string, message: string, client_msg_id: string,
 *    [field: string]: unknown}} Message */
/** @typedef {{seq: number, kind: string, to_seq?: number, at?: string, actor_id?: string, message?: Message,
 *    message_id?: string, truncated?: boolean, participant?: {user_id: string, role?: string},
 *    [field: string]: unknown}} ThreadEvent `void` stands for seq..to_seq outside the reader's windows */
/** @typedef {{type: string, re?: string | null, [field: string]: any}} Frame */
/** @typedef {{data: Message[], next_cursor: string | null, head_seq: number, epoch: string}} Page */

/**
 * What is kept of a thread.
 * @typedef {Object} Thread
 * @property {string} thread_id
 * @property {string} epoch
 * @property {number} seq everything up to here is applied
 * @property {number} head the highest seq heard of in this epoch
 * @property {number} from messages with a smaller seq are not loaded
 * @property {string | null} stale why it must be loaded anew before anything is applied, or null
 * @property {string} at when its newest applied event happened
 * @property {any} me the person's own place in it, as the last `synced` had it
 */

/** @typedef {["put", string, string | number | [string, number], unknown] | ["delete", string, string | number]
 *    | ["drop", string]} Write put and delete name a collection and a key; drop forgets a thread's messages */
/** @typedef {{type: string, [field: string]: any}} News */
/** @typedef {{writes: Write[], news: News[]}} Outcome */
/** @typedef {{since: string | null, epoch: string | null, threads: Thread[]}} Saved */

export const SUBPROTOCOL = "wedsync.v1";
export const FRAME_BYTES = 28_000;
const CURSORS = 200; // of one sync frame
const EVENTS = 300; // per thread in its answer
const BUFFERED = 1_000; // events waiting behind a gap; beyond it the next sync brings them

/**
 * What has arrived and cannot be applied yet; lost with the process, found again by sync.
 * @typedef {Object} Pending
 * @property {number} generation how often the thread became stale: tells an answer that was overtaken
 * @property {number} signs how often we heard of it: it is not missing if we did while we asked
 * @property {Map<number, ThreadEvent>} waiting events behind a gap, by seq
 * @property {string} epoch theirs
 * @property {Map<number, Message> | null} older what events changed of an older page that is on its way
 */

/** @param {ThreadEvent} event */
const lastOf = (event) => event.to_seq ?? event.seq;

export class Replica {
  /** @type {Map<string, Thread>} */
  threads = new Map();
  /** @type {Map<string, Pending>} */
  #pending = new Map();
  /** @type {Set<string>} */
  #behind = new Set();
  /** @type {{id: string, done: boolean} | null} */
  #sync = null;
  #hinted = false;
  /** How often any cursor has moved: tells a sync that helped from one that did not. */
  progress = 0;

  /** @param {Saved} saved @param {string} userId who this is: his own joining makes a thread load anew (R6) */
  constructor(saved, userId) {
    this.userId = userId;
    this.since = saved.since;
    this.epoch = saved.epoch;
    for (const thread of saved.threads) this.#add(thread);
  }

  /** Whether something is known to be missing that a sync would bring. */
  get incomplete() {
    return this.#hinted || this.#behind.size > 0;
  }

  get syncing() {
    return this.#sync !== null && !this.#sync.done;
  }

  /** Threads to load over REST, the newest first, with what to hand back to `loaded` or `missing`. */
  stale() {
    const found = [...this.threads.values()].filter((thread) => thread.stale);
    found.sort((a, b) => (a.at < b.at ? 1 : -1));
    return found.map((thread) => {
      const { generation, signs } = this.#of(thread);
      return { thread_id: thread.thread_id, generation, signs };
    });
  }

  /**
   * The next `sync` frame. It names what is behind; a first one also the newest threads, so that what they
   * missed comes in the same answer.
   * @param {string} id @param {boolean} first
   */
  sync(id, first) {
    const ready = [...this.threads.values()].filter((thread) => !thread.stale);
    const behind = ready.filter((thread) => this.#behind.has(thread.thread_id));
    const others = first ? ready.filter((thread) => !this.#behind.has(thread.thread_id)) : [];
    others.sort((a, b) => (a.at < b.at ? 1 : -1));
    /** @type {Record<string, {epoch: string, seq: number}>} */
    const cursors = {};
    for (const { thread_id, epoch, seq } of [...behind, ...others].slice(0, CURSORS)) cursors[thread_id] = { epoch, seq };
    this.#sync = { id, done: false };
    this.#hinted = false;
    return { action: "sync", id, ...(this.since && { since: this.since }), cursors, limit: EVENTS };
  }

  /** The token was refused: the next sync asks for everything. */
  forgetToken() {
    this.since = null;
    this.syncEnded();
  }

  /** Its answer did not end: the token of the last one stays. */
  syncEnded() {
    this.#sync = null;
    this.#hinted = true;
  }

  /** @param {Frame} frame @returns {Outcome} */
  take(frame) {
    /** @type {Outcome} */
    const out = { writes: [], news: [] };
    if (frame.type === "events") this.#events(frame, out);
    else if (frame.type === "access") this.#revoked(frame.thread_id, out);
    else if (frame.re && frame.re === this.#sync?.id) {
      if (frame.type === "synced") this.#synced(frame, out);
      if (frame.type === "resync_required") this.#resync(frame, out);
    }
    return out;
  }

  /**
   * The newest page of a stale thread: what we have of it from now on.
   * @param {string} threadId @param {number} generation of `stale`; an overtaken one changes nothing @param {Page} page
   */
  loaded(threadId, generation, page) {
    /** @type {Outcome} */
    const out = { writes: [], news: [] };
    const thread = this.threads.get(threadId);
    if (!thread?.stale || this.#of(thread).generation !== generation) return out;
    const reason = thread.stale;
    thread.head = thread.epoch === page.epoch ? Math.max(thread.head, page.head_seq) : page.head_seq;
    Object.assign(thread, { epoch: page.epoch, seq: page.head_seq, stale: null, from: firstOf(page) });
    this.progress += 1;
    out.writes.push(["drop", threadId], ...page.data.map((message) => put(message)));
    out.news.push({ type: "reset", thread_id: threadId, reason, messages: page.data, me: thread.me });
    this.#drain(thread, out);
    this.#keep(thread, out);
    return out;
  }

  /** A stale thread is not there for us. @param {string} threadId @param {number} signs of `stale` @returns {Outcome} */
  missing(threadId, signs) {
    const thread = this.threads.get(threadId);
    if (!thread?.stale || this.#of(thread).signs !== signs) return { writes: [], news: [] };
    const told = thread.stale === "new" || thread.stale === "revoked";
    this.threads.delete(threadId);
    this.#pending.delete(threadId);
    this.#behind.delete(threadId);
    return {
      writes: [["drop", threadId], ["delete", "threads", threadId]],
      news: told ? [] : [{ type: "gone", thread_id: threadId }],
    };
  }

  /** An older page is on its way: remembers what events change of it meanwhile. @param {string} threadId */
  expectOlder(threadId) {
    const thread = this.threads.get(threadId);
    if (thread) this.#of(thread).older = new Map();
  }

  /** @param {string} threadId @param {Page} page messages before what is loaded */
  older(threadId, page) {
    /** @type {Outcome} */
    const out = { writes: [], news: [] };
    const thread = this.threads.get(threadId);
    const changed = thread && this.#of(thread).older;
    if (!thread || !changed || thread.epoch !== page.epoch) return out;
    const messages = page.data.filter(({ seq }) => seq < thread.from);
    out.writes.push(...messages.map((message) => put(changed.get(message.seq) ?? message)));
    thread.from = firstOf(page);
    this.#of(thread).older = null;
    this.#keep(thread, out);
    return out;
  }

  /** Our own message got this seq: if its event does not come, a sync will fetch it. @param {string} threadId @param {string} epoch @param {number} seq */
  heard(threadId, epoch, seq) {
    const thread = this.threads.get(threadId);
    if (!thread || thread.epoch !== epoch) this.#hinted = true;
    else this.#hear(thread, seq);
  }

  /** @param {Frame} frame @param {Outcome} out */
  #events(frame, out) {
    const thread = this.threads.get(frame.thread_id) ?? this.#discover(frame.thread_id, frame.epoch, out);
    const pending = this.#of(thread);
    pending.signs += 1;
    if (frame.epoch !== thread.epoch && !thread.stale) {
      this.#hinted = true; // from before or after a restore: what the next sync says counts
      return;
    }
    if (pending.epoch !== frame.epoch) {
      pending.waiting.clear();
      pending.epoch = frame.epoch;
    }
    for (const event of /** @type {ThreadEvent[]} */ (frame.events)) pending.waiting.set(event.seq, event);
    if (!thread.stale) this.#drain(thread, out);
    if (pending.waiting.size > BUFFERED) pending.waiting.clear();
    if (frame.epoch === thread.epoch) this.#hear(thread, Math.max(frame.head_seq, frame.to_seq));
    if (out.writes.length) this.#keep(thread, out);
  }

  /** @param {Thread} thread @param {Outcome} out */
  #drain(thread, out) {
    const { waiting, epoch } = this.#of(thread);
    if (epoch !== thread.epoch) waiting.clear();
    for (const [seq, event] of waiting) if (lastOf(event) <= thread.seq) waiting.delete(seq);
    while (waiting.size && !thread.stale) {
      const next = thread.seq + 1;
      // A span may begin in what we have: the windows of its reader were not those of its beginning.
      const event = waiting.get(next) ?? [...waiting.values()].find((each) => each.seq < next && lastOf(each) >= next);
      if (!event) break;
      waiting.delete(event.seq);
      this.#apply(thread, event, out);
    }
    this.#judge(thread);
  }

  /** @param {Thread} thread @param {ThreadEvent} event @param {Outcome} out */
  #apply(thread, event, out) {
    thread.seq = lastOf(event);
    this.progress += 1;
    if (event.kind === "void") {
      out.writes.push(["put", "threads", thread.thread_id, thread]);
      return;
    }
    thread.at = event.at ?? thread.at;
    if (event.message) {
      if (event.message.seq >= thread.from) out.writes.push(put(event.message));
      else this.#of(thread).older?.set(event.message.seq, event.message);
    }
    out.writes.push(["put", "threads", thread.thread_id, thread]);
    out.news.push({ type: "event", thread_id: thread.thread_id, event });
    if (event.kind === "participant.added" && event.participant?.user_id === this.userId) {
      this.#spoil(thread, "joined", out);
      out.writes.push(["drop", thread.thread_id]);
    }
  }

  /** @param {Frame} frame @param {Outcome} out */
  #synced(frame, out) {
    const listed = new Set(frame.threads.map((/** @type {{thread_id: string}} */ each) => each.thread_id));
    for (const id of frame.gone) if (!listed.has(id)) this.#revoked(id, out);
    for (const { thread_id, epoch, head_seq, me } of frame.threads) {
      this.#meet(epoch, out);
      const thread = this.threads.get(thread_id) ?? this.#discover(thread_id, epoch, out);
      this.#of(thread).signs += 1;
      thread.me = me;
      if (thread.epoch === epoch) this.#hear(thread, head_seq);
      this.#keep(thread, out);
      out.news.push({ type: "thread", thread_id, me, head_seq });
    }
    if (frame.more || !this.#sync) return;
    this.#sync.done = true;
    this.since = frame.since;
    out.writes.push(["put", "meta", "since", frame.since]);
    out.news.push({ type: "synced", inbox_head: frame.inbox_head });
    for (const thread of this.threads.values()) this.#judge(thread);
  }

  /** @param {Frame} frame @param {Outcome} out */
  #resync(frame, out) {
    this.#meet(frame.epoch, out);
    const thread = this.threads.get(frame.thread_id);
    if (!thread || thread.stale) return;
    thread.head = 0;
    this.#spoil(thread, frame.reason, out);
  }

  /** The epoch of the database, as an answer to our own question says it. @param {string} epoch @param {Outcome} out */
  #meet(epoch, out) {
    if (epoch === this.epoch) return;
    const restored = this.epoch !== null;
    this.epoch = epoch;
    out.writes.push(["put", "meta", "epoch", epoch]);
    if (restored) out.news.push({ type: "epoch", epoch });
    for (const thread of this.threads.values()) this.#judge(thread);
  }

  /** Hidden at once; whether it is lost for good the next load says: frames may overtake each other. @param {string} threadId @param {Outcome} out */
  #revoked(threadId, out) {
    const thread = this.threads.get(threadId);
    if (!thread) return;
    if (thread.stale !== "new" && thread.stale !== "revoked") out.news.push({ type: "gone", thread_id: threadId });
    this.#spoil(thread, "revoked", out);
    out.writes.push(["drop", threadId]);
  }

  /** @param {string} threadId @param {string} epoch @param {Outcome} out */
  #discover(threadId, epoch, out) {
    const thread = this.#add({
      thread_id: threadId, epoch, seq: 0, head: 0, from: 1, stale: "new", at: "", me: null,
    });
    this.#keep(thread, out);
    return thread;
  }

  /** @param {Thread} thread @param {string} reason @param {Outcome} out */
  #spoil(thread, reason, out) {
    const pending = this.#of(thread);
    thread.stale = reason;
    pending.generation += 1;
    pending.older = null;
    this.#behind.delete(thread.thread_id);
    this.#keep(thread, out);
  }

  /** @param {Thread} thread @param {number} head */
  #hear(thread, head) {
    thread.head = Math.max(thread.head, head);
    this.#judge(thread);
  }

  /** @param {Thread} thread */
  #judge(thread) {
    const restored = this.epoch !== null && thread.epoch !== this.epoch;
    const missing = thread.head > thread.seq || this.#of(thread).waiting.size > 0;
    if (!thread.stale && (restored || missing)) this.#behind.add(thread.thread_id);
    else this.#behind.delete(thread.thread_id);
  }

  /** @param {Thread} thread */
  #add(thread) {
    this.threads.set(thread.thread_id, thread);
    this.#pending.set(thread.thread_id, { generation: 0, signs: 0, waiting: new Map(), epoch: thread.epoch, older: null });
    this.#judge(thread);
    return thread;
  }

  /** @param {Thread} thread */
  #of(thread) {
    return /** @type {Pending} */ (this.#pending.get(thread.thread_id));
  }

  /** @param {Thread} thread @param {Outcome} out */
  #keep(thread, out) {
    out.writes.push(["put", "threads", thread.thread_id, thread]);
  }
}

/** @param {Message} message @returns {Write} */
const put = (message) => ["put", "messages", [message.thread_id, message.seq], message];

/** @param {Page} page */
const firstOf = (page) => (page.next_cursor === null ? 1 : (page.data[0]?.seq ?? 1));
