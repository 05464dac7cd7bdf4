/** Finds what is missing: syncs on a gap, after connecting and every two minutes, and loads threads anew. */

import { Refused } from "./rest.js";
import { Timers } from "./timers.js";
/** @typedef {import("./protocol.js").Frame} Frame */
/** @typedef {import("./protocol.js").Outcome} Outcome */
/** @typedef {import("./replica.js").Replica} Replica */
/** @typedef {import("./protocol.js").ThreadEvent} ThreadEvent */

const GAP_MS = 250; // what is only out of order is here by then
const MOST_MS = 10_000; // between syncs that do not help
const EVERY_MS = 120_000;
const ANSWER_MS = 10_000; // the server gives up after six seconds
const POLL_SECONDS = 20;
const LOADS = 3; // threads loaded at once
const PAGE = 50;

/**
 * @typedef {Object} CatchUpOptions
 * @property {Replica} replica
 * @property {import("./rest.js").Rest} rest
 * @property {(frame: object) => boolean} send over the socket
 * @property {() => boolean} blocked sockets do not get through
 * @property {() => void} restart the connection: it does not answer
 * @property {(code: string) => void} refused a sync was answered, and brought nothing
 * @property {() => void} unreachable the API is not there over REST either
 * @property {(make: () => Outcome) => Promise<void>} settle stores and tells what came of it
 * @property {(frame: Frame) => Promise<void>} heard frames that came over REST
 * @property {() => number} random
 */

export class CatchUp {
  #options;
  #running = false;
  #live = false;
  #first = true;
  #count = 0;
  #unanswered = 0;
  #fruitless = 0;
  #progress = -1;
  #syncId = "";
  #polling = false;
  #pollable = true;
  #asked = new AbortController(); // of the last poll
  #refusals = 0; // of polls in a row
  /** @type {Set<string>} */ #loading = new Set();
  #loadFailures = 0;
  #timers = new Timers();

  /** @param {CatchUpOptions} options */
  constructor(options) {
    this.#options = options;
  }

  /** There is a socket: the first frame on it. */
  connected() {
    this.#running = this.#live = this.#first = true;
    this.#unanswered = 0;
    if (this.#options.replica.syncing) this.#options.replica.syncEnded();
    this.sync();
    this.check();
  }

  /** @param {boolean} trying whether there will be another */
  disconnected(trying) {
    this.#running = trying;
    this.#timers.clear("sync", "answer");
    if (this.#live) this.#afresh();
    this.#live = false;
    if (this.#options.replica.syncing && !this.#polling) this.#options.replica.syncEnded();
    this.check();
  }

  stop() {
    this.#running = this.#live = false;
    this.#asked.abort();
    this.#timers.close();
  }

  /** What the last outcome left to do. */
  check() {
    if (!this.#running) return;
    this.#load();
    const { replica } = this.#options;
    if (!this.#live || replica.syncing || !replica.incomplete || this.#timers.has("gap")) return;
    this.#timers.set("gap", Math.min(MOST_MS, GAP_MS * 2 ** this.#fruitless), () => replica.incomplete && this.sync());
  }

  /** Now, on whatever way there is. */
  ask() {
    if (this.#live) return this.sync();
    if (!this.#running || !this.#pollable) return this.#options.refused("not_found");
    if (!this.#first) this.#afresh();
    void this.poll();
  }

  sync() {
    if (!this.#live) return;
    const { replica, send, restart } = this.#options;
    this.#timers.clear("gap");
    this.#count += 1;
    this.#syncId = `s${this.#count}-${Math.floor(this.#options.random() * 2 ** 32)}`;
    this.#fruitless = replica.progress === this.#progress ? Math.min(this.#fruitless + 1, 8) : 0;
    this.#progress = replica.progress;
    send(replica.sync(this.#syncId, this.#first));
    this.#timers.set("answer", ANSWER_MS, () => {
      replica.syncEnded();
      if (++this.#unanswered > 1) restart();
      else this.sync();
    });
  }

  /** The answer is whole. */
  synced() {
    this.#first = false;
    this.#unanswered = 0;
    this.#timers.clear("answer");
    this.#timers.set("sync", EVERY_MS, () => this.sync());
    const helped = this.#options.replica.progress !== this.#progress;
    if (this.#live && this.#options.replica.incomplete && helped) this.sync();
    else if (!this.#options.replica.incomplete) this.#fruitless = 0;
  }

  /** @param {Frame} frame an error: ours if it answers our sync */
  refused({ re, code, retry_after_ms }) {
    if (!re || re !== this.#syncId) return;
    this.#timers.clear("answer");
    if (code === "invalid") this.#options.replica.forgetToken();
    else this.#options.replica.syncEnded();
    this.#timers.set("gap", retry_after_ms ?? 1_000 * (1 + this.#options.random()), () => this.sync());
    this.#options.refused(code);
  }

  /** Events with what was too large for their frame; those that cannot be had now are left out, as if lost. @param {Frame} frame @returns {Promise<Frame>} */
  async whole(frame) {
    /** @type {ThreadEvent[]} */
    const events = [];
    const known = this.#options.replica.thread(frame.thread_id)?.seq ?? 0;
    for (const event of frame.events) {
      const found = event.truncated && event.seq > known ? await this.#untruncated(frame.thread_id, event) : event;
      if (!found) return { ...frame, to_seq: event.seq - 1, events };
      events.push(found);
    }
    return { ...frame, events };
  }

  /** Load `limit` messages before those that are here. @param {string} threadId @param {number} limit */
  async older(threadId, limit) {
    const { replica, rest, settle } = this.#options;
    const from = replica.thread(threadId)?.from ?? 1;
    if (from <= 1) return;
    replica.expectOlder(threadId);
    const page = await rest.request("GET", `/threads/${threadId}/messages?before_seq=${from}&limit=${limit}`);
    await settle(() => replica.older(threadId, page));
  }

  /** The next question waits for nothing, and takes the place of a poll that may wait for news. */
  #afresh() {
    this.#first = true;
    this.#progress = -1; // whatever the last ones brought
    this.#asked.abort();
  }

  /** Ask over REST; where no socket gets through, go on and wait there for what comes, until one does. */
  async poll() {
    if (this.#polling || !this.#running || !this.#pollable) return;
    this.#polling = true;
    try {
      do await this.#pollOnce();
      while (this.#running && !this.#live && this.#pollable && this.#options.blocked());
    } finally {
      this.#polling = false;
    }
  }

  async #pollOnce() {
    const { replica, rest, heard, random } = this.#options;
    const wait = replica.incomplete || this.#first ? 0 : POLL_SECONDS;
    this.#fruitless = wait || replica.progress !== this.#progress ? 0 : Math.min(this.#fruitless + 1, 8);
    this.#progress = replica.progress;
    if (this.#fruitless) await this.#pause(Math.min(MOST_MS, GAP_MS * 2 ** this.#fruitless));
    if (this.#live) return; // the sync that a socket began with counts
    const re = `p${++this.#count}-${Math.floor(random() * 2 ** 32)}`;
    const { since, cursors, limit } = /** @type {any} */ (replica.sync(re, this.#first));
    const { signal } = (this.#asked = new AbortController());
    try {
      const body = { ...(since && { since }), cursors, limit, wait };
      const { frames, more } = await rest.request("POST", "/sync", body, { patienceMs: (wait + 15) * 1000, signal });
      for (const frame of frames) await heard({ ...frame, re });
      this.#refusals = 0;
      if (this.#live || signal.aborted) return;
      this.#first = false;
      if (more) replica.syncEnded(); // the answer was cut: from where it led to, at once
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (this.#live || signal.aborted) return;
      if (error.status === 0) this.#options.unreachable();
      this.#pollable = error.transient || (error.code === "invalid" && since !== undefined);
      if (this.#pollable && !error.transient) replica.forgetToken();
      else replica.syncEnded();
      this.#options.refused(error.code);
      await this.#pause(error.retryAfterMs + random() * Math.min(3 * MOST_MS, 2_500 * 2 ** ++this.#refusals));
    }
  }

  /** @param {number} ms */
  async #pause(ms) {
    await new Promise((resolve) => this.#timers.set("poll", ms, () => resolve(undefined)));
  }

  /** @param {string} threadId @param {ThreadEvent} event @returns {Promise<ThreadEvent | null>} */
  async #untruncated(threadId, event) {
    const { rest } = this.#options;
    try {
      const message =
        event.kind === "message.created"
          ? (await rest.request("GET", `/threads/${threadId}/messages?after_seq=${event.seq - 1}&limit=1`)).data[0]
          : await rest.request("GET", `/messages/${event.message_id}`);
      return message?.id === event.message_id ? { ...event, truncated: false, message } : null;
    } catch (error) {
      if (error instanceof Refused) return null;
      throw error;
    }
  }

  #load() {
    for (const asked of this.#options.replica.stale()) {
      if (this.#loading.size >= LOADS || this.#timers.has("load")) return;
      if (!this.#loading.has(asked.thread_id)) void this.#loadOne(asked);
    }
  }

  /** @param {{thread_id: string, generation: number, signs: number}} asked */
  async #loadOne({ thread_id: threadId, generation, signs }) {
    const { replica, rest, settle, random } = this.#options;
    this.#loading.add(threadId);
    try {
      const page = await rest.request("GET", `/threads/${threadId}/messages?limit=${PAGE}`);
      this.#loadFailures = 0;
      await settle(() => replica.loaded(threadId, generation, page));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (!error.transient) await settle(() => replica.missing(threadId, signs));
      else this.#timers.set("load", random() * Math.min(MOST_MS * 3, 1_000 * 2 ** this.#loadFailures++), () => this.check());
    } finally {
      this.#loading.delete(threadId);
      this.check();
    }
  }
}
