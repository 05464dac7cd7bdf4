/**
 * What this device has to send: in order per thread, one send under way at a time (R14), kept for seven days
 * after it was stored and offered again if the database was restored to an earlier moment (R4).
 *
 * Like protocol.js it touches nothing: `writes` belong into the store, `news` to the application.
 */

import { FRAME_BYTES, MAX_BATCH, nothing } from "./protocol.js";
/** @typedef {import("./protocol.js").Outcome} Outcome */
/** @typedef {{client_msg_id: string, message: string, [field: string]: unknown}} NewMessage */

/**
 * @typedef {Object} Entry
 * @property {number} n its place among all
 * @property {string} thread_id
 * @property {NewMessage} message
 * @property {"queued" | "sent" | "failed"} state
 * @property {string | null} epoch in which it was stored
 * @property {number | null} seq
 * @property {string | null} code why it failed
 * @property {number} at when it was queued, then when it was stored, in ms
 */
/** @typedef {{client_msg_id: string, status: string, id: string | null, seq: number | null, code: string | null}} Result */
/** @typedef {{thread_id: string, entries: Entry[], fits: boolean}} Batch `fits` into a frame; otherwise it goes over REST */

const FRAME_ROOM = FRAME_BYTES - 300; // the rest is action, id and thread_id
const KEPT_MS = 7 * 24 * 3600 * 1000;
const TRANSIENT = new Set(["unavailable", "internal", "rate_limited", "unauthenticated", "unknown_action"]);

const bytes = new TextEncoder();

/** @param {Entry} entry */
const isEmergency = ({ message }) => message.priority_level === "emergency";

export class Outbox {
  /** @type {Map<number, Entry>} queued and failed, by place, ascending */
  #waiting;
  /** @type {Map<number, Entry>} stored on the server less than seven days ago */
  #sent;
  /** @type {Map<string, Batch>} what is under way, by thread */
  #flying = new Map();
  /** @type {Map<string, number>} threads whose next so many messages go one by one */
  #single = new Map();
  #last;

  /** @param {Entry[]} saved */
  constructor(saved) {
    const ascending = saved.sort((a, b) => a.n - b.n);
    const placed = (/** @type {boolean} */ sent) =>
      new Map(ascending.filter(({ state }) => (state === "sent") === sent).map((entry) => [entry.n, entry]));
    this.#waiting = placed(false);
    this.#sent = placed(true);
    this.#last = ascending.at(-1)?.n ?? 0;
  }

  /** Messages that are not stored yet, those given up included. @param {string} [threadId] */
  waiting(threadId) {
    return [...this.#waiting.values()].filter((entry) => threadId === undefined || entry.thread_id === threadId);
  }

  /** @param {string} threadId @param {NewMessage} message @param {number} at @returns {Outcome} */
  add(threadId, message, at) {
    this.#last += 1;
    /** @type {Entry} */
    const entry = { n: this.#last, thread_id: threadId, message, state: "queued", epoch: null, seq: null, code: null, at };
    return this.#kept(entry, "queued");
  }

  /** What may go out now: per thread the next messages, unless some are under way. @param {boolean} [all] false: only where an emergency waits @returns {Batch[]} */
  ready(all = true) {
    /** @type {Map<string, Entry[]>} */
    const queues = new Map();
    for (const entry of this.#waiting.values()) {
      if (entry.state !== "queued" || this.#flying.has(entry.thread_id)) continue;
      const queue = queues.get(entry.thread_id);
      if (queue) queue.push(entry);
      else queues.set(entry.thread_id, [entry]);
    }
    const chosen = [...queues].filter(([, queue]) => all || queue.some(isEmergency));
    return chosen.map(([thread_id, queue]) => this.#batch(thread_id, queue));
  }

  /** The last emergency of each thread that waits. @returns {Entry[]} */
  emergencies() {
    const waiting = this.waiting().filter((entry) => entry.state === "queued" && isEmergency(entry));
    return [...new Map(waiting.map((entry) => [entry.thread_id, entry])).values()];
  }

  /** What waits in a thread up to its last emergency, whether it is under way or not. @param {string} threadId */
  urgent(threadId) {
    const queue = this.waiting(threadId).filter(({ state }) => state === "queued");
    return queue.slice(0, queue.map(isEmergency).lastIndexOf(true) + 1);
  }

  /** @param {Batch} batch is on its way: nothing else of its thread until `settle` or `land` */
  launch(batch) {
    this.#flying.set(batch.thread_id, batch);
  }

  /** It may or may not have arrived: it goes again, with the same ids. @param {string} threadId */
  land(threadId) {
    this.#flying.delete(threadId);
  }

  /**
   * The answer, one result per message.
   * @param {string} threadId @param {string} epoch @param {Result[]} results @param {number} at @returns {Outcome}
   */
  settle(threadId, epoch, results, at) {
    const flying = this.#flying.get(threadId);
    this.#flying.delete(threadId);
    const out = nothing();
    for (const entry of flying?.entries ?? []) {
      const result = results.find((each) => each.client_msg_id === entry.message.client_msg_id);
      if (result) this.#settleOne(entry, result, epoch, at, out);
    }
    return out;
  }

  /** The answer to one that went beside what is under way. @param {Entry} entry @param {string} epoch @param {Result} result @param {number} at @returns {Outcome} */
  confirm(entry, epoch, result, at) {
    const out = nothing();
    this.#conclude(entry, result, epoch, at, out);
    return out;
  }

  /**
   * The whole send was refused. A batch is tried again one by one, so that one bad message fails alone.
   * @param {string} threadId @param {string} code @returns {Outcome}
   */
  refuse(threadId, code) {
    const flying = this.#flying.get(threadId);
    this.#flying.delete(threadId);
    const [first, ...others] = flying?.entries ?? [];
    if (!first || TRANSIENT.has(code)) return nothing();
    if (others.length) {
      this.#single.set(threadId, others.length + 1);
      return nothing();
    }
    if (first.state !== "queued") return nothing();
    return this.#kept(Object.assign(first, { state: "failed", code }), "failed");
  }

  /** The database has another epoch: what was stored under an earlier one is offered again. @param {string} epoch @returns {Outcome} */
  reoffer(epoch) {
    const out = nothing();
    const again = [...this.#sent.values()].filter((entry) => entry.epoch !== epoch);
    if (!again.length) return out;
    for (const entry of again) {
      entry.state = "queued";
      // Whoever was told of it then is not called again.
      if (entry.epoch) entry.message = { epoch: entry.epoch, ...entry.message };
      this.#sent.delete(entry.n);
      out.writes.push(["put", "outbox", entry.n, entry]);
    }
    const all = [...again, ...this.#waiting.values()].sort((a, b) => a.n - b.n);
    this.#waiting = new Map(all.map((entry) => [entry.n, entry]));
    return out;
  }

  /** Try a message that failed once more, or forget it. @param {string} clientMsgId @param {boolean} again @returns {Outcome} */
  decide(clientMsgId, again) {
    const entry = [...this.#waiting.values()].find(({ message }) => message.client_msg_id === clientMsgId);
    if (entry?.state !== "failed") return nothing();
    if (again) return this.#kept(Object.assign(entry, { state: "queued", code: null }), "queued");
    this.#waiting.delete(entry.n);
    return { writes: [["delete", "outbox", entry.n]], news: [] };
  }

  /** What was stored more than seven days ago is not offered again. @param {number} now @returns {Outcome} */
  prune(now) {
    const old = [...this.#sent.values()].filter(({ at }) => now - at > KEPT_MS);
    for (const { n } of old) this.#sent.delete(n);
    return { writes: old.map(({ n }) => ["delete", "outbox", n]), news: [] };
  }

  /** @param {string} threadId @param {Entry[]} queue @returns {Batch} */
  #batch(threadId, queue) {
    const most = this.#single.has(threadId) ? 1 : MAX_BATCH;
    const entries = [];
    let used = 0;
    for (const entry of queue.slice(0, most)) {
      used += bytes.encode(JSON.stringify(entry.message)).length + 1;
      if (used > FRAME_ROOM) break;
      entries.push(entry);
    }
    return entries.length
      ? { thread_id: threadId, entries, fits: true }
      : { thread_id: threadId, entries: queue.slice(0, 1), fits: false };
  }

  /** @param {Entry} entry @param {Result} result @param {string} epoch @param {number} at @param {Outcome} out */
  #settleOne(entry, result, epoch, at, out) {
    const left = (this.#single.get(entry.thread_id) ?? 0) - 1;
    if (left > 0) this.#single.set(entry.thread_id, left);
    else this.#single.delete(entry.thread_id);
    this.#conclude(entry, result, epoch, at, out);
  }

  /** What an answer makes of it, if none came before. @param {Entry} entry @param {Result} result @param {string} epoch @param {number} at @param {Outcome} out */
  #conclude(entry, result, epoch, at, out) {
    if (entry.state !== "queued") return;
    if (result.status === "skipped" || (result.status === "error" && TRANSIENT.has(result.code ?? ""))) return;
    const stored = result.status !== "error";
    Object.assign(
      entry,
      stored ? { state: "sent", epoch, seq: result.seq, code: null, at } : { state: "failed", code: result.code },
    );
    const { writes, news } = this.#kept(entry, stored ? "sent" : "failed");
    out.writes.push(...writes);
    out.news.push(...news);
  }

  /** @param {Entry} entry @param {string} type @returns {Outcome} */
  #kept(entry, type) {
    if (entry.state === "sent") this.#waiting.delete(entry.n);
    (entry.state === "sent" ? this.#sent : this.#waiting).set(entry.n, entry);
    const { thread_id, message, seq, code } = entry;
    return {
      writes: [["put", "outbox", entry.n, entry]],
      news: [{ type, thread_id, client_msg_id: message.client_msg_id, seq, code, message }],
    };
  }
}
