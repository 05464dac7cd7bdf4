/** Brings the outbox to the server: over the socket while there is one, over REST while there is none, emergencies over both. */

import { Emergencies } from "./emergencies.js";
import { Refused } from "./rest.js";
import { Timers } from "./timers.js";
/** @typedef {import("./protocol.js").Frame} Frame */
/** @typedef {import("./protocol.js").Outcome} Outcome */
/** @typedef {import("./outbox.js").Batch} Batch */
/** @typedef {import("./outbox.js").Entry} Entry */
/** @typedef {import("./outbox.js").Outbox} Outbox */
/** @typedef {import("./outbox.js").Result} Result */

const ANSWER_MS = 10_000;
const MOST_MS = 30_000; // that what is unsent waits for a sync, however often that is put off
const REST_AFTER_MS = 3_000; // most lost sockets are back by then
const BASE_MS = 1_000;
const CAP_MS = 30_000;

/**
 * @typedef {Object} SenderOptions
 * @property {Outbox} outbox
 * @property {import("./rest.js").Rest} rest
 * @property {(frame: object) => boolean} send over the socket
 * @property {(make: () => Outcome) => Promise<void>} settle stores and tells what came of it
 * @property {import("./replica.js").Replica} replica
 * @property {() => void} sync ask what is missing, on whatever way there is; `settled` or `unsettled` follows, or 10 s pass
 * @property {() => boolean} blocked sockets do not get through
 * @property {() => void} heard the replica has been told of a seq that it may not have
 * @property {() => number} random
 */

export class Sender {
  #options;
  /** @type {Map<string, {threadId: string, timer: ReturnType<typeof setTimeout>}>} sends without an answer, by correlation id */
  #asked = new Map();
  #paused = new Timers(); // threads that wait before they try again
  /** @type {Map<string, number>} */
  #failures = new Map();
  #timers = new Timers();
  #emergencies;
  #overRest = false;
  #running = false;
  /** Whether a sync was answered on this connection, and nothing since then says that the database was away. */
  #sure = false;
  #since = 0; // waiting for that, in ms
  #count = 0;

  /** @param {SenderOptions} options */
  constructor(options) {
    this.#options = options;
    const { outbox, random } = options;
    this.#emergencies = new Emergencies({ outbox, random, post: (entry) => this.#postBeside(entry) });
  }

  /** There is a new socket: what was asked on the last one goes again on this one. */
  connected() {
    this.#running = true;
    this.#overRest = false;
    for (const re of [...this.#asked.keys()]) this.#forget(re);
    this.#timers.clear("rest", "sure"); // the time that passed on the last one does not count
    this.#emergencies.stop(); // and begin again
    this.#wait(); // sync was the first frame on it
    this.pump();
  }

  /** There is none: what was asked may have arrived or not. */
  disconnected() {
    this.#running = true;
    for (const re of [...this.#asked.keys()]) this.#forget(re);
    if (this.#overRest) return;
    if (!this.#timers.has("rest")) {
      this.#sure = false;
      this.#timers.clear("sure");
      this.#timers.set("rest", REST_AFTER_MS, () => this.#turn());
    }
    if (this.#options.blocked()) this.#turn();
    else this.#emergencies.pump();
  }

  /** A sync was answered, or will not be: what a restore has lost is queued again, before what is unsent (R4). */
  settled() {
    this.#timers.clear("sure");
    this.#sure = true;
    this.pump();
  }

  /** A sync was refused. While the database is away the next one is waited for. @param {string} code */
  unsettled(code) {
    if (code !== "unavailable") this.settled();
    else this.#wait(MOST_MS);
  }

  stop() {
    this.#running = false;
    this.#overRest = false;
    for (const re of [...this.#asked.keys()]) this.#forget(re);
    this.#paused.clearAll();
    this.#emergencies.stop();
    this.#timers.clearAll();
  }

  /** Send what may be sent; only emergencies, until a sync has been answered. */
  pump() {
    if (!this.#running) return;
    if (!this.#overRest) this.#emergencies.pump();
    for (const batch of this.#options.outbox.ready(this.#sure)) {
      if (this.#paused.has(batch.thread_id)) continue;
      if (!(batch.fits && this.#ask(batch)) && (!batch.fits || this.#overRest)) void this.#post(batch);
    }
    if (!this.#sure) this.#askFirst();
  }

  /** @param {Frame} frame the answer to a send */
  async sent({ re, thread_id, epoch, results }) {
    if (!this.#answered(re)) return;
    await this.#settled(thread_id, epoch, results);
  }

  /** @param {Frame} frame that refuses a send, or whose cause nobody knows */
  async refused({ re, code, retry_after_ms }) {
    if (!re && code !== "internal") return;
    for (const id of re ? [re] : [...this.#asked.keys()]) {
      const threadId = this.#answered(id);
      if (threadId) await this.#refused(threadId, code, retry_after_ms ?? 0);
    }
  }

  /** To REST, for all there is. */
  #turn() {
    this.#timers.clear("rest");
    this.#overRest = true;
    this.#emergencies.stop(); // it is their one road from here on
    this.pump();
  }

  /** @param {Batch} batch @returns {boolean} */
  #ask(batch) {
    const re = `m${++this.#count}`;
    const messages = batch.entries.map((entry) => entry.message);
    if (!this.#options.send({ action: "send", id: re, thread_id: batch.thread_id, messages })) return false;
    this.#options.outbox.launch(batch);
    const timer = setTimeout(() => {
      this.#forget(re);
      this.pump();
    }, ANSWER_MS);
    this.#asked.set(re, { threadId: batch.thread_id, timer });
    return true;
  }

  /** One message at a time: what REST refuses, it refuses alone. @param {Batch} batch */
  async #post(batch) {
    const [entry] = batch.entries;
    if (!entry) return;
    this.#options.outbox.launch({ ...batch, entries: [entry] });
    try {
      const { epoch, result } = await this.#store(entry);
      await this.#settled(batch.thread_id, epoch, [result]);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      await this.#refused(batch.thread_id, error.transient ? "unavailable" : error.code, error.retryAfterMs);
    }
  }

  /** Beside what is under way, until it is settled. Throws Refused where asking again may help. @param {Entry} entry */
  async #postBeside(entry) {
    const { outbox, settle } = this.#options;
    const { epoch, result } = await this.#store(entry).catch((error) => {
      if (!(error instanceof Refused) || error.transient) throw error;
      const { client_msg_id } = entry.message;
      return { epoch: "", result: { client_msg_id, status: "error", id: null, seq: null, code: error.code } };
    });
    await settle(() => outbox.confirm(entry, epoch, result, Date.now()));
    this.#heard(entry.thread_id, epoch, [result]);
  }

  /** Over REST. Throws Refused. @param {Entry} entry @returns {Promise<{epoch: string, result: Result}>} */
  async #store({ thread_id, message }) {
    const { rest, replica } = this.#options;
    const known = replica.epoch ?? "";
    const { id, seq, duplicate, epoch } = await rest.request("POST", `/threads/${thread_id}/messages`, message);
    const { client_msg_id } = message;
    return { epoch: epoch ?? known, result: { client_msg_id, status: duplicate ? "duplicate" : "ok", id, seq, code: null } };
  }

  /** How far the log goes. @param {string} threadId @param {string} epoch @param {Result[]} results */
  #heard(threadId, epoch, results) {
    const most = Math.max(...results.map(({ seq }) => seq ?? 0));
    if (most > 0) this.#options.replica.heard(threadId, epoch, most);
    this.#options.heard();
  }

  /** @param {string} threadId @param {string} epoch @param {Result[]} results */
  async #settled(threadId, epoch, results) {
    const { outbox, settle } = this.#options;
    await settle(() => outbox.settle(threadId, epoch, results, Date.now()));
    this.#heard(threadId, epoch, results);
    if (results.every(({ status }) => status === "ok" || status === "duplicate")) this.#failures.delete(threadId);
    else this.#pause(threadId, 0);
    if (results.some(({ code }) => code === "unavailable")) this.#sure = false;
    this.pump();
  }

  /** @param {string} threadId @param {string} code @param {number} retryAfterMs */
  async #refused(threadId, code, retryAfterMs) {
    await this.#options.settle(() => this.#options.outbox.refuse(threadId, code));
    if (code === "unavailable") this.#sure = false; // a database that was away may come back restored
    this.#pause(threadId, retryAfterMs);
    this.pump();
  }

  /** @param {string} threadId @param {number} atLeast */
  #pause(threadId, atLeast) {
    if (!this.#running) return;
    const failures = this.#failures.get(threadId) ?? 0;
    this.#failures.set(threadId, failures + 1);
    const jitter = this.#options.random() * Math.min(CAP_MS, BASE_MS * 2 ** failures);
    this.#paused.set(threadId, atLeast + jitter, () => this.pump());
  }

  /** If anything waits for it, and there is a way. */
  #askFirst() {
    if (this.#timers.has("sure") || this.#timers.has("rest")) return;
    if (this.#options.outbox.ready().every((batch) => this.#paused.has(batch.thread_id))) return;
    this.#wait();
    this.#options.sync();
  }

  #wait(ms = ANSWER_MS) {
    this.#sure = false;
    if (!this.#timers.has("sure")) this.#since = Date.now();
    this.#timers.set("sure", Math.min(ms, this.#since + MOST_MS - Date.now()), () => this.settled());
  }

  /** @param {string | null | undefined} re @returns {string | undefined} the thread it was about */
  #answered(re) {
    const asked = this.#asked.get(re ?? "");
    if (!asked) return undefined;
    clearTimeout(asked.timer);
    this.#asked.delete(re ?? "");
    return asked.threadId;
  }

  /** @param {string} re */
  #forget(re) {
    const threadId = this.#answered(re);
    if (threadId) this.#options.outbox.land(threadId);
  }
}
