/** What the server is told of this device and this person: stored here, read, looking at, typing (R15, R16). */

import { MAX_CURSORS, nothing } from "./protocol.js";
/** @typedef {import("./protocol.js").Outcome} Outcome */
/** @typedef {import("./replica.js").Replica} Replica */
/** @typedef {Record<string, {epoch: string, seq: number}>} Reads how far the person has read, by thread */

const ACK_MS = 2_000;
const FOCUS_MS = 4_000; // what was not said for five seconds does not count
const TYPING_MS = 3_000;

/** Who only reads along has no cursors to move (R10). @param {import("./protocol.js").Thread} thread */
const takesPart = ({ me }) => me?.role !== null;

/**
 * @typedef {Object} SeenOptions
 * @property {Replica} replica
 * @property {(frame: object) => boolean} send over the socket
 * @property {(make: () => Outcome) => Promise<void>} settle
 * @property {() => boolean} visible whether a person can see us
 * @property {import("./modes.js").Modes} modes
 */

export class Seen {
  #options;
  /** @type {Reads} */
  #reads;
  /** @type {Set<string>} */
  #unacked = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {string | null | undefined} undefined: nobody has ever said */
  #focused;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #again;
  /** @type {Map<string, number>} */
  #typed = new Map();
  #hints = true;

  /** @param {SeenOptions} options @param {Reads} reads */
  constructor(options, reads) {
    this.#options = options;
    this.#reads = reads;
  }

  connected() {
    this.#hints = true;
    this.tellFocus();
  }

  stop() {
    this.#acknowledged();
    clearTimeout(this.#again);
  }

  /** The server knows no `focus` and `typing`: they are hints, it goes on without. */
  withoutHints() {
    this.#hints = false;
  }

  /** Events of this thread are stored here. @param {string} threadId */
  stored(threadId) {
    this.#unacked.add(threadId);
    this.#timer ??= setTimeout(() => this.acknowledge(), ACK_MS);
  }

  /** Say what is stored; at most every two seconds, and before the page is hidden. */
  acknowledge() {
    this.#acknowledged();
    const { replica, send } = this.#options;
    const current = [...this.#unacked].flatMap((id) => replica.thread(id) ?? []);
    const told = current.filter((thread) => thread.epoch === replica.epoch && !thread.stale && takesPart(thread));
    this.#unacked.clear();
    for (let first = 0; first < told.length; first += MAX_CURSORS) {
      const some = told.slice(first, first + MAX_CURSORS);
      const cursors = Object.fromEntries(some.map(({ thread_id, seq }) => [thread_id, seq]));
      send({ action: "ack", epoch: replica.epoch, cursors });
    }
  }

  /**
   * The person has read up to `seq`: said now if he can see it and we are connected, otherwise later.
   * @param {string} threadId @param {number} [seq]
   */
  async read(threadId, seq) {
    const thread = this.#options.replica.thread(threadId);
    if (!thread || !takesPart(thread)) return;
    const { epoch } = thread;
    const before = this.#reads[threadId]?.epoch === epoch ? this.#reads[threadId].seq : 0;
    const now = Math.max(before, Math.min(seq ?? thread.seq, thread.seq));
    if (now === before) return;
    this.#reads[threadId] = { epoch, seq: now };
    await this.#options.settle(() => this.#keep());
    this.tellReads();
  }

  /** Say again what the server does not know; it answers `read` with nothing but the next `synced`. */
  tellReads() {
    const { send, visible } = this.#options;
    if (!visible()) return;
    for (const [thread_id, { epoch, seq }] of Object.entries(this.#reads)) send({ action: "read", epoch, thread_id, seq });
  }

  /** What the server knows by now; what it does not know of what is stored here was lost, and is said again. @returns {Outcome} */
  reconcile() {
    const { replica } = this.#options;
    for (const { thread_id, seq, me } of replica.threads) if (seq > me?.delivered_seq) this.stored(thread_id);
    const before = Object.keys(this.#reads).length;
    for (const [id, { epoch, seq }] of Object.entries(this.#reads)) {
      const thread = replica.thread(id);
      const isKnown = !thread || thread.epoch !== epoch || (thread.me?.read_seq ?? 0) >= seq;
      if (isKnown || !takesPart(thread)) delete this.#reads[id];
    }
    return Object.keys(this.#reads).length < before ? this.#keep() : nothing();
  }

  /** @param {string | null} threadId what is on screen; what waited to be called read elsewhere was not seen */
  async focus(threadId) {
    this.#focused = threadId;
    this.tellFocus();
    if (this.#options.visible()) return;
    for (const id of Object.keys(this.#reads)) if (id !== threadId) delete this.#reads[id];
    await this.#options.settle(() => this.#keep());
  }

  /** Said again and again while somebody looks at a thread. */
  tellFocus() {
    clearTimeout(this.#again);
    if (!this.#hints || this.#focused === undefined) return;
    const { send, visible } = this.#options;
    const thread_id = visible() ? this.#focused : null;
    send({ action: "focus", thread_id });
    if (thread_id) this.#again = setTimeout(() => this.tellFocus(), FOCUS_MS);
  }

  /** @param {string} threadId */
  typing(threadId) {
    if (!this.#hints || !this.#options.modes.typing || Date.now() - (this.#typed.get(threadId) ?? -TYPING_MS) < TYPING_MS) return;
    this.#typed.set(threadId, Date.now());
    this.#options.send({ action: "typing", thread_id: threadId });
  }

  #acknowledged() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** @returns {Outcome} */
  #keep() {
    return { writes: [["put", "meta", "reads", this.#reads]], news: [] };
  }
}
