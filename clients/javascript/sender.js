/** Brings the outbox to the server: over the socket while there is one, over REST while there is none. */

import { Refused } from "./rest.js";
/** @typedef {import("./protocol.js").Frame} Frame */
/** @typedef {import("./protocol.js").Outcome} Outcome */
/** @typedef {import("./outbox.js").Batch} Batch */
/** @typedef {import("./outbox.js").Outbox} Outbox */
/** @typedef {import("./outbox.js").Result} Result */

const ANSWER_MS = 10_000;
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
 * @property {() => void} heard the replica has been told of a seq that it may not have
 * @property {() => number} random
 */

export class Sender {
  #options;
  /** @type {Map<string, {threadId: string, timer: ReturnType<typeof setTimeout>}>} sends without an answer, by correlation id */
  #asked = new Map();
  /** @type {Map<string, ReturnType<typeof setTimeout>>} threads that wait before they try again */
  #paused = new Map();
  /** @type {Map<string, number>} */
  #failures = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #restTimer;
  #overRest = false;
  #running = false;
  #count = 0;

  /** @param {SenderOptions} options */
  constructor(options) {
    this.#options = options;
  }

  /** There is a new socket: what was asked on the last one goes again on this one. */
  connected() {
    this.#running = true;
    this.#overRest = false;
    for (const re of [...this.#asked.keys()]) this.#forget(re);
    clearTimeout(this.#restTimer);
    this.#restTimer = undefined;
    this.pump();
  }

  /** There is none: what was asked may have arrived or not. */
  disconnected() {
    this.#running = true;
    for (const re of [...this.#asked.keys()]) this.#forget(re);
    this.#restTimer ??= setTimeout(() => {
      this.#overRest = true;
      this.pump();
    }, REST_AFTER_MS);
  }

  stop() {
    this.#running = false;
    this.#overRest = false;
    for (const re of [...this.#asked.keys()]) this.#forget(re);
    for (const timer of this.#paused.values()) clearTimeout(timer);
    this.#paused.clear();
    clearTimeout(this.#restTimer);
    this.#restTimer = undefined;
  }

  /** Send what may be sent. */
  pump() {
    if (!this.#running) return;
    for (const batch of this.#options.outbox.ready()) {
      if (this.#paused.has(batch.thread_id)) continue;
      if (!(batch.fits && this.#ask(batch)) && (!batch.fits || this.#overRest)) void this.#post(batch);
    }
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
    const { rest, outbox, replica } = this.#options;
    const known = replica.epoch ?? "";
    outbox.launch({ ...batch, entries: [entry] });
    try {
      const stored = await rest.request("POST", `/threads/${batch.thread_id}/messages`, entry.message);
      const status = stored.duplicate ? "duplicate" : "ok";
      const { client_msg_id } = entry.message;
      await this.#settled(batch.thread_id, stored.epoch ?? known, [{ client_msg_id, status, id: stored.id, seq: stored.seq, code: null }]);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      await this.#refused(batch.thread_id, error.transient ? "unavailable" : error.code, error.retryAfterMs);
    }
  }

  /** @param {string} threadId @param {string} epoch @param {Result[]} results */
  async #settled(threadId, epoch, results) {
    const { outbox, settle, heard, replica } = this.#options;
    await settle(() => outbox.settle(threadId, epoch, results, Date.now()));
    const seqs = results.map(({ seq }) => seq ?? 0);
    if (Math.max(...seqs) > 0) replica.heard(threadId, epoch, Math.max(...seqs));
    heard();
    if (results.every(({ status }) => status === "ok" || status === "duplicate")) this.#failures.delete(threadId);
    else this.#pause(threadId, 0);
    this.pump();
  }

  /** @param {string} threadId @param {string} code @param {number} retryAfterMs */
  async #refused(threadId, code, retryAfterMs) {
    await this.#options.settle(() => this.#options.outbox.refuse(threadId, code));
    this.#pause(threadId, retryAfterMs);
    this.pump();
  }

  /** @param {string} threadId @param {number} atLeast */
  #pause(threadId, atLeast) {
    if (!this.#running) return;
    const failures = this.#failures.get(threadId) ?? 0;
    this.#failures.set(threadId, failures + 1);
    const jitter = this.#options.random() * Math.min(CAP_MS, BASE_MS * 2 ** failures);
    clearTimeout(this.#paused.get(threadId));
    const timer = setTimeout(() => {
      this.#paused.delete(threadId);
      this.pump();
    }, atLeast + jitter);
    this.#paused.set(threadId, timer);
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
