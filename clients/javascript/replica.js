/**
 * What this device has of everything, and what a frame makes of it: the rules of `wedsync.v1` without a network.
 * Synchronous, and touches nothing.
 */

import { MAX_CURSORS, MAX_EVENTS, nothing } from "./protocol.js";
import { ThreadLog } from "./thread-log.js";
/** @typedef {import("./protocol.js").Frame} Frame */
/** @typedef {import("./protocol.js").Outcome} Outcome */
/** @typedef {import("./protocol.js").Page} Page */
/** @typedef {import("./protocol.js").Thread} Thread */
/** @typedef {{since: string | null, epoch: string | null, threads: Thread[]}} Saved */

export class Replica {
  /** @type {Map<string, ThreadLog>} */
  #logs = new Map();
  /** @type {Set<ThreadLog>} */
  #behind = new Set();
  /** @type {{id: string, done: boolean, parts: Set<number>, last: Frame | null} | null} */
  #sync = null;
  #hinted = false;
  #userId;

  /** @param {Saved} saved @param {string} userId who this is */
  constructor(saved, userId) {
    this.#userId = userId;
    this.since = saved.since;
    this.epoch = saved.epoch;
    for (const thread of saved.threads) this.#add(thread);
  }

  /** @returns {Thread[]} */
  get threads() {
    return [...this.#logs.values()].map(({ record }) => record);
  }

  /** @param {string} threadId @returns {Thread | undefined} */
  thread(threadId) {
    return this.#logs.get(threadId)?.record;
  }

  /** Whether something is known to be missing that a sync would bring. */
  get incomplete() {
    return this.#hinted || this.#behind.size > 0;
  }

  get syncing() {
    return this.#sync !== null && !this.#sync.done;
  }

  /** How often any cursor has moved: tells a sync that helped from one that did not. */
  get progress() {
    return [...this.#logs.values()].reduce((sum, log) => sum + log.progress, 0);
  }

  /** Threads to load over REST, the newest first, with what to hand back to `loaded` or `missing`. */
  stale() {
    const found = [...this.#logs.values()].filter(({ record }) => record.stale).sort(newestFirst);
    return found.map(({ record, generation, signs }) => ({ thread_id: record.thread_id, generation, signs }));
  }

  /**
   * The next `sync` frame. It names what is behind; a first one also the newest threads, so that what they
   * missed comes in the same answer.
   * @param {string} id @param {boolean} first
   */
  sync(id, first) {
    const others = first ? [...this.#logs.values()].filter((log) => !log.record.stale && !this.#behind.has(log)) : [];
    const named = [...this.#behind, ...others.sort(newestFirst)].slice(0, MAX_CURSORS);
    const cursors = Object.fromEntries(named.map(({ record: { thread_id, epoch, seq } }) => [thread_id, { epoch, seq }]));
    this.#sync = { id, done: false, parts: new Set(), last: null };
    this.#hinted = false;
    return { action: "sync", id, ...(this.since && { since: this.since }), cursors, limit: MAX_EVENTS };
  }

  /** Its answer did not end: the token of the last one stays. */
  syncEnded() {
    this.#sync = null;
    this.#hinted = true;
  }

  /** The token was refused: the next sync asks for everything. */
  forgetToken() {
    this.since = null;
    this.syncEnded();
  }

  /** @param {Frame} frame @returns {Outcome} */
  take(frame) {
    const out = nothing();
    if (frame.type === "events") this.#events(frame, out);
    else if (frame.type === "access") this.#revoked(frame.thread_id, out);
    else if (frame.re && frame.re === this.#sync?.id) {
      if (frame.type === "synced") this.#synced(frame, out);
      if (frame.type === "resync_required") this.#resync(frame, out);
    }
    return out;
  }

  /** The newest page of a stale thread; an overtaken one changes nothing. @param {string} threadId @param {number} generation @param {Page} page */
  loaded(threadId, generation, page) {
    const out = nothing();
    const log = this.#logs.get(threadId);
    if (!log?.record.stale || log.generation !== generation) return out;
    log.load(page, out);
    this.#judge(log);
    return out;
  }

  /** A stale thread is not there for us, unless we heard of it since. @param {string} threadId @param {number} signs @returns {Outcome} */
  missing(threadId, signs) {
    const log = this.#logs.get(threadId);
    if (!log?.record.stale || log.signs !== signs) return nothing();
    this.#logs.delete(threadId);
    this.#behind.delete(log);
    return {
      writes: [["drop", threadId], ["delete", "threads", threadId]],
      news: isHidden(log) ? [] : [{ type: "gone", thread_id: threadId }],
    };
  }

  /** An older page is on its way. @param {string} threadId */
  expectOlder(threadId) {
    this.#logs.get(threadId)?.expectOlder();
  }

  /** @param {string} threadId @param {Page} page messages before what is loaded */
  older(threadId, page) {
    const out = nothing();
    this.#logs.get(threadId)?.loadOlder(page, out);
    return out;
  }

  /** Our own message got this seq: if its event does not come, a sync will fetch it. @param {string} threadId @param {string} epoch @param {number} seq */
  heard(threadId, epoch, seq) {
    const log = this.#logs.get(threadId);
    if (log?.record.epoch !== epoch) {
      this.#hinted = true;
      return;
    }
    log.hear(seq);
    this.#judge(log);
  }

  /** @param {Frame} frame @param {Outcome} out */
  #events(frame, out) {
    const at = frame.events.at(-1)?.at ?? ""; // what happens now is loaded first
    const log = this.#logs.get(frame.thread_id) ?? this.#discover(frame.thread_id, frame.epoch, at, out);
    // From before or after a restore: what the next sync says counts.
    if (!log.push(frame, out)) this.#hinted = true;
    this.#judge(log);
  }

  /** @param {Frame} frame @param {Outcome} out */
  #synced(frame, out) {
    const listed = new Set(frame.threads.map((/** @type {{thread_id: string}} */ each) => each.thread_id));
    for (const id of frame.gone) if (!listed.has(id)) this.#revoked(id, out);
    for (const { thread_id, epoch, head_seq, me } of frame.threads) {
      this.#meet(epoch, out);
      const log = this.#logs.get(thread_id) ?? this.#discover(thread_id, epoch, "", out);
      log.signs += 1;
      log.record.me = me;
      if (log.record.epoch === epoch) log.hear(head_seq);
      log.keep(out);
      this.#judge(log);
      out.news.push({ type: "thread", thread_id, me, head_seq });
    }
    const last = this.#whole(frame);
    if (!last) return;
    this.since = last.since;
    out.writes.push(["put", "meta", "since", last.since]);
    out.news.push({ type: "synced", inbox_head: last.inbox_head });
  }

  /** The last part of the answer, once none before it is missing. @param {Frame} frame @returns {Frame | null} */
  #whole(frame) {
    const sync = this.#sync;
    if (!sync || sync.done) return null;
    sync.parts.add(frame.part);
    if (!frame.more) sync.last = frame;
    sync.done = sync.last !== null && sync.parts.size === sync.last.part;
    return sync.done ? sync.last : null;
  }

  /** @param {Frame} frame @param {Outcome} out */
  #resync(frame, out) {
    this.#meet(frame.epoch, out);
    const log = this.#logs.get(frame.thread_id);
    if (!log || log.record.stale) return;
    log.record.head = 0;
    log.spoil(frame.reason, false, out);
    this.#judge(log);
  }

  /** The epoch of the database, as an answer to our own question says it. @param {string} epoch @param {Outcome} out */
  #meet(epoch, out) {
    if (epoch === this.epoch) return;
    if (this.epoch !== null) out.news.push({ type: "epoch", epoch });
    this.epoch = epoch;
    out.writes.push(["put", "meta", "epoch", epoch]);
    for (const log of this.#logs.values()) this.#judge(log);
  }

  /** Hidden at once; whether it is lost for good the next load says, for frames overtake each other. @param {string} threadId @param {Outcome} out */
  #revoked(threadId, out) {
    const log = this.#logs.get(threadId);
    if (!log) return;
    if (!isHidden(log)) out.news.push({ type: "gone", thread_id: threadId });
    log.spoil("revoked", true, out);
    this.#judge(log);
  }

  /** @param {string} threadId @param {string} epoch @param {string} at @param {Outcome} out */
  #discover(threadId, epoch, at, out) {
    const log = this.#add({ thread_id: threadId, epoch, seq: 0, head: 0, from: 1, stale: "new", at, me: null });
    log.keep(out);
    return log;
  }

  /** @param {Thread} thread */
  #add(thread) {
    const log = new ThreadLog(thread, this.#userId);
    this.#logs.set(thread.thread_id, log);
    this.#judge(log);
    return log;
  }

  /** @param {ThreadLog} log */
  #judge(log) {
    if (log.behind(this.epoch)) this.#behind.add(log);
    else this.#behind.delete(log);
  }
}

/** The application has not heard of it, or that it is gone. @param {ThreadLog} log */
const isHidden = ({ record }) => record.stale === "new" || record.stale === "revoked";

/** Those whose time is not known keep the order in which the server listed them. @param {ThreadLog} a @param {ThreadLog} b */
const newestFirst = (a, b) => Number(a.record.at < b.record.at) - Number(a.record.at > b.record.at);
