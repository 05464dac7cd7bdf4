/**
 * The client of WedSync Threads, for browsers and Node 20 or newer. No dependencies, no build step.
 *
 *     const client = await Client.open({ url, token, store: await IndexedDbStore.open("ana") });
 *     client.addEventListener("event", ({ detail }) => show(detail.thread_id, detail.event));
 *     client.start();
 *     await client.send(threadId, "On my way");
 *
 * What it promises, and every piece of news it tells, is in docs/clients-javascript.md.
 */

import { assemble, isVisible, openDevice } from "./device.js";
import { Feeds } from "./feed.js";
export { Refused } from "./rest.js";
export { IndexedDbStore, MemoryStore } from "./stores.js";

/** @typedef {import("./protocol.js").Frame} Frame */
/** @typedef {import("./protocol.js").Outcome} Outcome */
/** @typedef {import("./protocol.js").News} News */
/** @typedef {import("./stores.js").Store} Store */
/** @typedef {import("./device.js").Options} Options */
/** @typedef {import("./device.js").State} State */

export class Client extends EventTarget {
  /** @type {Promise<void>} */
  #last = Promise.resolve();
  #feeds = new Feeds();
  /** @type {Omit<State, "unsent">} */
  #connection = { connection: "stopped" };
  #told = "";
  #over = false;
  #store;
  #visible;
  #parts;
  #wake = () => this.seen();

  /** Use `Client.open`. @param {Options & {store: Store}} options @param {import("./stores.js").Contents} saved */
  constructor(options, saved) {
    super();
    this.#store = options.store;
    this.#visible = options.visible ?? isVisible;
    this.#parts = assemble(options, saved, {
      settle: (make) => this.#settle(make).catch(() => undefined),
      heard: (frame) => this.#heard(frame),
      changed: (state, detail) => this.#changed(state, detail),
      unreachable: () => this.#unreachable(),
    });
  }

  /** With what the store has; nothing goes out before `start`. If it throws, the store is closed. @param {Options} options */
  static async open(options) {
    const { store, saved } = await openDevice(options);
    return new Client({ ...options, store }, saved);
  }

  /** Connect and stay connected. Also the way back from `replaced` and `ended`. */
  start() {
    globalThis.addEventListener?.("online", this.#wake);
    globalThis.document?.addEventListener("visibilitychange", this.#wake);
    this.#parts.link.start();
  }

  /** Nothing is told any more; what is to be sent stays in the store. */
  async close() {
    globalThis.removeEventListener?.("online", this.#wake);
    globalThis.document?.removeEventListener("visibilitychange", this.#wake);
    this.#parts.seen.acknowledge();
    this.#stop();
    this.#parts.rest.close();
    await this.#last;
    this.#over = true;
    this.#feeds.end();
    await this.#store.close();
  }

  /** @returns {State} */
  get state() {
    const unsent = this.#parts.outbox.waiting().filter(({ state }) => state === "queued").length;
    return { ...this.#connection, unsent };
  }

  /** What is known of each thread. @returns {import("./protocol.js").Thread[]} */
  get threads() {
    return structuredClone(this.#parts.replica.threads.filter(({ stale }) => stale !== "revoked"));
  }

  /** Messages of this device that are not stored on the server, those it refused included. @param {string} [threadId] */
  unsent(threadId) {
    return structuredClone(this.#parts.outbox.waiting(threadId));
  }

  /** The last `limit` messages before `before`, ascending; older ones are loaded if they are not here. @param {string} threadId @param {{before?: number, limit?: number}} [which] */
  async messages(threadId, { before = Infinity, limit = 50 } = {}) {
    if (!Number.isInteger(limit) || limit < 1) throw new RangeError(`limit is no positive integer: ${limit}`);
    const here = await this.#store.messages(threadId, before, limit);
    if (here.length >= limit || (this.#parts.replica.thread(threadId)?.from ?? 1) <= 1) return here;
    await this.#parts.catchUp.older(threadId, 100);
    return this.#store.messages(threadId, before, limit);
  }

  /**
   * Queue a message. Resolves with its `client_msg_id` when it can no longer be lost here; `sent` or `failed` follows.
   * @param {string} threadId @param {string | {message: string, client_msg_id?: string, [field: string]: unknown}} message
   */
  async send(threadId, message) {
    const client_msg_id = crypto.randomUUID();
    const whole = { client_msg_id, ...(typeof message === "string" ? { message } : message) };
    await this.#settle(() => this.#parts.outbox.add(threadId, whole, Date.now()));
    this.#parts.sender.pump();
    return whole.client_msg_id;
  }

  /** Send a message that was refused once more, with the same id. @param {string} clientMsgId */
  async retry(clientMsgId) {
    await this.#settle(() => this.#parts.outbox.decide(clientMsgId, true));
    this.#parts.sender.pump();
  }

  /** Forget a message that was refused. @param {string} clientMsgId */
  async discard(clientMsgId) {
    await this.#settle(() => this.#parts.outbox.decide(clientMsgId, false));
  }

  /** The person has read up to here; told to the server only while it is visible. @param {string} threadId @param {number} [seq] */
  read(threadId, seq) {
    return this.#parts.seen.read(threadId, seq);
  }

  /** What is on screen. @param {string | null} threadId */
  focus(threadId) {
    return this.#parts.seen.focus(threadId);
  }

  /** @param {string} threadId */
  typing(threadId) {
    this.#parts.seen.typing(threadId);
  }

  /** All news from now on, in order, until `close`. @returns {AsyncIterableIterator<News>} */
  [Symbol.asyncIterator]() {
    return this.#feeds.open();
  }

  /** One after the other: what a frame means, stored, told. @param {() => Outcome} make @returns {Promise<void>} */
  #settle(make) {
    const done = this.#last.then(async () => {
      if (this.#over) throw new Error("the client is closed");
      const { writes, news } = make();
      if (writes.length) await this.#store.commit(writes);
      for (const each of news) this.#tell(each);
      this.#parts.catchUp.check();
      this.#show();
    });
    this.#last = done.catch((error) => (this.#over ? undefined : this.#failed(error)));
    return done;
  }

  /** @param {Frame} frame */
  async #heard(frame) {
    const { type } = frame;
    if (type === "events" && frame.events.some((/** @type {{truncated?: boolean}} */ each) => each.truncated)) {
      frame = await this.#parts.catchUp.whole(frame);
    }
    if (type === "sent") await this.#parts.sender.sent(frame);
    else if (type === "error") await this.#refused(frame);
    else if (["events", "access", "synced", "resync_required"].includes(type)) {
      await this.#settle(() => this.#parts.replica.take(frame)).catch(() => undefined);
    } else {
      if (type === "mode" && this.#parts.modes.note(frame)) this.#parts.link.hurry();
      if (type === "me" && frame.changed === "place") this.#parts.catchUp.sync();
      this.#tell(frame);
    }
  }

  /** @param {Frame} frame */
  async #refused(frame) {
    if (frame.code === "unknown_action" && !frame.re) this.#parts.seen.withoutHints();
    this.#parts.catchUp.refused(frame);
    await this.#parts.sender.refused(frame);
  }

  /** @param {News} news */
  #tell(news) {
    if (news.type === "event" || news.type === "reset") this.#parts.seen.stored(news.thread_id);
    if (news.type === "synced") this.#synced();
    this.#feeds.push(news);
    this.dispatchEvent(new CustomEvent(news.type, { detail: news }));
  }

  #synced() {
    const { link, replica: { epoch } } = this.#parts;
    void this.#settle(() => this.#parts.outbox.prune(Date.now())).catch(() => undefined);
    void this.#settle(() => this.#parts.outbox.reoffer(epoch ?? "")).then(() => this.#parts.sender.settled(), () => undefined);
    void this.#settle(() => this.#parts.seen.reconcile()).then(() => this.#parts.seen.tellReads(), () => undefined);
    this.#parts.catchUp.synced();
    if (link.state === "open") {
      link.settled();
      this.#connection = { connection: "live" };
    } else if (link.blocked) this.#connection = { connection: "polling" };
  }

  /** @param {import("./link.js").LinkState} state @param {{retry_at?: number, code?: number | string}} detail */
  #changed(state, detail) {
    const { link, catchUp, sender, seen } = this.#parts;
    const trying = state === "connecting" || state === "waiting";
    if (!trying || this.#connection.connection !== "polling") {
      this.#connection = { connection: state === "open" ? "syncing" : state, ...detail };
    }
    if (state === "open") for (const part of [catchUp, sender, seen]) part.connected();
    else if (state !== "stopped") {
      catchUp.disconnected(trying);
      sender.disconnected();
      if (link.blocked) void catchUp.poll();
    }
    this.#show();
  }

  #unreachable() {
    if (this.#connection.connection === "polling") this.#connection = { connection: "waiting", code: "unreachable" };
    this.#show();
  }

  /** Whether a person can see this has changed, or the network is back: a page knows by itself. */
  seen() {
    if (!this.#visible()) this.#parts.seen.acknowledge();
    else this.#parts.link.hurry();
    this.#parts.seen.tellFocus();
    this.#parts.seen.tellReads();
  }

  #show() {
    const { state } = this;
    if (JSON.stringify(state) === this.#told) return;
    this.#told = JSON.stringify(state);
    this.#tell({ type: "state", ...state });
  }

  /** The store does not take what it should: going on would tell what is not kept. @param {unknown} error */
  #failed(error) {
    this.#over = true;
    this.#stop();
    this.#connection = { connection: "failed" };
    this.#tell({ type: "state", ...this.state, error });
  }

  #stop() {
    const { link, catchUp, sender, seen } = this.#parts;
    for (const part of [link, catchUp, sender, seen]) part.stop();
  }
}
