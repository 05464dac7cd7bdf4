/**
 * The second road of an emergency: REST, at once, beside whatever a socket does with it. A socket may be dead, or what
 * is behind it overloaded, long before an answer is missed. Whichever road is answered first settles a message; to the
 * server the other one is a repetition.
 */

import { Refused } from "./rest.js";
import { Timers } from "./timers.js";
/** @typedef {import("./outbox.js").Entry} Entry */
/** @typedef {{last: Entry, failures: number}} Road of one thread, up to its emergency `last` */

const BASE_MS = 1_000;
const CAP_MS = 30_000;

/**
 * @typedef {Object} EmergenciesOptions
 * @property {import("./outbox.js").Outbox} outbox
 * @property {(entry: Entry) => Promise<void>} post over REST, until it is settled. Throws Refused where asking again may help
 * @property {() => number} random
 */

export class Emergencies {
  #options;
  /** @type {Map<string, Road>} what is under way, or waits for its next attempt, by thread */
  #roads = new Map();
  #timers = new Timers();

  /** @param {EmergenciesOptions} options */
  constructor(options) {
    this.#options = options;
  }

  /** Post what waits, unless that is under way already; a new emergency of a thread waits for no attempt of an older one. */
  pump() {
    for (const last of this.#options.outbox.emergencies()) {
      if (this.#roads.get(last.thread_id)?.last === last) continue;
      const road = { last, failures: 0 };
      this.#roads.set(last.thread_id, road);
      this.#timers.clear(last.thread_id);
      void this.#go(last.thread_id, road);
    }
  }

  /** What has been asked still settles what it can, and nothing else is. */
  stop() {
    this.#roads.clear();
    this.#timers.clearAll();
  }

  /** One after the other, with what was written before it (R14). @param {string} threadId @param {Road} road */
  async #go(threadId, road) {
    const { outbox, post, random } = this.#options;
    const goesOn = () => this.#roads.get(threadId) === road;
    try {
      for (let next = outbox.urgent(threadId)[0]; next && goesOn(); next = outbox.urgent(threadId)[0]) await post(next);
      if (goesOn()) this.#roads.delete(threadId);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (!goesOn()) return;
      const jitter = random() * Math.min(CAP_MS, BASE_MS * 2 ** road.failures++);
      this.#timers.set(threadId, error.retryAfterMs + jitter, () => void this.#go(threadId, road));
    }
  }
}
