/** One thread on this device: a cursor, what waits behind a gap, and when it must be loaded anew. Touches nothing. */

/** @typedef {import("./protocol.js").Frame} Frame */
/** @typedef {import("./protocol.js").Message} Message */
/** @typedef {import("./protocol.js").Outcome} Outcome */
/** @typedef {import("./protocol.js").Page} Page */
/** @typedef {import("./protocol.js").Thread} Thread */
/** @typedef {import("./protocol.js").ThreadEvent} ThreadEvent */
/** @typedef {import("./protocol.js").Write} Write */

const BUFFERED = 1_000; // events behind a gap; beyond it a sync brings them

/** @param {ThreadEvent} event */
const lastOf = (event) => event.to_seq ?? event.seq;

export class ThreadLog {
  /** How often it became stale: an answer to an earlier load does not count. */
  generation = 0;
  /** How often we heard of it: it is not missing if we did while we asked. */
  signs = 0;
  /** How often its cursor moved. */
  progress = 0;
  /** @type {Map<number, ThreadEvent>} */
  #waiting = new Map();
  #waitingEpoch = "";
  /** @type {Map<number, Message> | null} what events changed of an older page that is on its way */
  #older = null;
  #userId;

  /** @param {Thread} record @param {string} userId whose own joining makes it load anew (R6) */
  constructor(record, userId) {
    this.record = record;
    this.#userId = userId;
  }

  /** Whether something is missing that a sync would bring. @param {string | null} epoch of the database */
  behind(epoch) {
    const { stale, seq, head } = this.record;
    if (stale) return false;
    return head > seq || this.#waiting.size > 0 || (epoch !== null && this.record.epoch !== epoch);
  }

  /** There are events up to `head`. @param {number} head */
  hear(head) {
    this.record.head = Math.max(this.record.head, head);
  }

  /** @param {Frame} frame of type `events` @param {Outcome} out @returns {boolean} false: another epoch's */
  push(frame, out) {
    const { record } = this;
    this.signs += 1;
    if (frame.epoch !== record.epoch && !record.stale) return false;
    if (this.#waitingEpoch !== frame.epoch) this.#waiting.clear();
    this.#waitingEpoch = frame.epoch;
    for (const event of /** @type {ThreadEvent[]} */ (frame.events)) this.#waiting.set(event.seq, event);
    if (!record.stale) this.#drain(out);
    if (this.#waiting.size > BUFFERED) this.#waiting.clear();
    if (frame.epoch === record.epoch) this.hear(Math.max(frame.head_seq, frame.to_seq));
    return true;
  }

  /** The newest page: what we have from now on. @param {Page} page @param {Outcome} out */
  load(page, out) {
    const { record } = this;
    const { thread_id, stale: reason, me } = record;
    const head = record.epoch === page.epoch ? Math.max(record.head, page.head_seq) : page.head_seq;
    Object.assign(record, { epoch: page.epoch, seq: page.head_seq, head, stale: null, from: firstOf(page) });
    record.at = String(page.data.at(-1)?.created_at ?? record.at);
    this.progress += 1;
    out.writes.push(["drop", thread_id], ...page.data.map(put));
    out.news.push({ type: "reset", thread_id, reason, messages: page.data, me });
    this.#drain(out);
    this.keep(out);
  }

  /** A page before what is loaded is on its way. */
  expectOlder() {
    this.#older = new Map();
  }

  /** It is here. @param {Page} page @param {Outcome} out */
  loadOlder(page, out) {
    const { record } = this;
    const changed = this.#older;
    this.#older = null;
    if (!changed || record.epoch !== page.epoch) return;
    const messages = page.data.filter(({ seq }) => seq < record.from);
    out.writes.push(...messages.map((message) => put(changed.get(message.seq) ?? message)));
    record.from = Math.min(record.from, firstOf(page));
    this.keep(out);
  }

  /** Nothing is applied until it was loaded. @param {string} reason @param {boolean} hide at once @param {Outcome} out */
  spoil(reason, hide, out) {
    this.record.stale = reason;
    this.generation += 1;
    this.#older = null;
    this.keep(out);
    if (hide) out.writes.push(["drop", this.record.thread_id]);
  }

  /** @param {Outcome} out */
  keep(out) {
    out.writes.push(["put", "threads", this.record.thread_id, this.record]);
  }

  /** Apply what follows the cursor, drop what we have. @param {Outcome} out */
  #drain(out) {
    const { record } = this;
    const waiting = this.#waiting;
    if (this.#waitingEpoch !== record.epoch) waiting.clear();
    for (const [seq, event] of waiting) if (lastOf(event) <= record.seq) waiting.delete(seq);
    while (waiting.size && !record.stale) {
      const next = record.seq + 1;
      // A span may begin in what we have: the windows of its reader were not those of its beginning.
      const event = waiting.get(next) ?? [...waiting.values()].find((each) => each.seq < next && lastOf(each) >= next);
      if (!event) return;
      waiting.delete(event.seq);
      this.#apply(event, out);
    }
  }

  /** @param {ThreadEvent} event @param {Outcome} out */
  #apply(event, out) {
    const { record } = this;
    record.seq = lastOf(event);
    this.progress += 1;
    this.keep(out);
    if (event.kind === "void") return;
    record.at = event.at ?? record.at;
    if (event.message && event.message.seq >= record.from) out.writes.push(put(event.message));
    else if (event.message) this.#older?.set(event.message.seq, event.message);
    out.news.push({ type: "event", thread_id: record.thread_id, event });
    if (event.kind === "participant.added" && event.participant?.user_id === this.#userId) {
      this.spoil("joined", true, out);
    }
  }
}

/** @param {Message} message @returns {Write} */
const put = (message) => ["put", "messages", [message.thread_id, message.seq], message];

/** @param {Page} page */
const firstOf = (page) => (page.next_cursor === null ? 1 : (page.data[0]?.seq ?? 1));
