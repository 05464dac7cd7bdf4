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

import { CatchUp } from "./catch-up.js";
import { Feed } from "./feed.js";
import { Link } from "./link.js";
import { Outbox } from "./outbox.js";
import { Replica } from "./replica.js";
import { claims, Rest } from "./rest.js";
import { Seen } from "./seen.js";
import { Sender } from "./sender.js";
import { MemoryStore } from "./stores.js";
export { Refused } from "./rest.js";
export { IndexedDbStore, MemoryStore } from "./stores.js";

/** @typedef {import("./protocol.js").Frame} Frame */
/** @typedef {import("./protocol.js").Outcome} Outcome */
/** @typedef {import("./protocol.js").News} News */
/** @typedef {import("./stores.js").Store} Store */

/**
 * @typedef {Object} Options
 * @property {string} url the API with its stage: https://api.example.com/v1
 * @property {import("./rest.js").TokenSource} token gives the access token
 * @property {Store} [store] where this device keeps what it has; a MemoryStore forgets it with the process
 * @property {string} [deviceId] kept in the store when it is not given
 * @property {new (url: string, protocol: string) => WebSocket} [WebSocket] where there is none, as in Node 20
 * @property {typeof fetch} [fetch]
 * @property {() => boolean} [visible] whether a person can see this; otherwise the document knows
 * @property {() => number} [random]
 */

/**
 * For a user interface.
 * @typedef {Object} State
 * @property {"stopped" | "connecting" | "syncing" | "live" | "waiting" | "polling" | "replaced" | "ended" | "failed"} connection
 * @property {number} unsent messages that are not stored on the server yet
 * @property {number} [retry_at] when it will try again
 * @property {number} [code] of the `bye`
 */

export class Client extends EventTarget {
  /** @type {Promise<void>} */
  #last = Promise.resolve();
  /** @type {Set<Feed>} */
  #feeds = new Set();
  /** @type {Omit<State, "unsent">} */
  #connection = { connection: "stopped" };
  #told = "";
  #store;
  #visible;
  /** @type {Replica} */
  #replica;
  /** @type {Outbox} */
  #outbox;
  /** @type {Link} */
  #link;
  #sender;
  #catchUp;
  #seen;
  #wake = () => this.#looked();

  /** Use `Client.open`. @param {Options & {store: Store}} options @param {import("./stores.js").Contents} saved */
  constructor(options, saved) {
    super();
    const { url, token, store, random = Math.random } = options;
    const { since = null, epoch = null, reads = {}, user_id, device_id } = saved.meta;
    this.#store = store;
    this.#visible = options.visible ?? (() => !globalThis.document || document.visibilityState === "visible");
    const rest = new Rest(url, token, options.fetch ?? fetch);
    const replica = new Replica({ since, epoch, threads: saved.threads }, user_id);
    const outbox = new Outbox(saved.outbox);
    const link = new Link({
      deviceId: device_id,
      random,
      WebSocket: options.WebSocket ?? WebSocket,
      ticket: async (refresh) => ({
        ...(await rest.request("POST", "/realtime/tickets", { device_id }, { refresh })),
        expires_at: rest.expiresAt,
      }),
      heard: (frame) => void this.#heard(frame),
      changed: (state, detail) => this.#changed(state, detail),
    });
    const shared = {
      rest, replica, outbox, random,
      send: (/** @type {object} */ frame) => link.send(frame),
      settle: (/** @type {() => Outcome} */ make) => this.#settle(make).catch(() => undefined),
    };
    this.#catchUp = new CatchUp({ ...shared, restart: () => link.restart(), heard: (frame) => this.#heard(frame) });
    this.#sender = new Sender({ ...shared, heard: () => this.#catchUp.check() });
    this.#seen = new Seen({ ...shared, visible: this.#visible }, reads);
    this.rest = rest;
    this.#replica = replica;
    this.#outbox = outbox;
    this.#link = link;
  }

  /** With what the store has; nothing goes out before `start`. Throws if the store is somebody else's. @param {Options} options */
  static async open(options) {
    const store = options.store ?? new MemoryStore();
    const saved = await store.read();
    const { sub } = claims(await options.token(false));
    const user_id = saved.meta.user_id ?? sub;
    if (!user_id || (sub && sub !== user_id)) throw new Error("the token and the store are of different people");
    const device_id = options.deviceId ?? saved.meta.device_id ?? crypto.randomUUID();
    Object.assign(saved.meta, { user_id, device_id });
    await store.commit([["put", "meta", "user_id", user_id], ["put", "meta", "device_id", device_id]]);
    return new Client({ ...options, store }, saved);
  }

  /** Connect and stay connected. Also the way back from `replaced` and `ended`. */
  start() {
    globalThis.addEventListener?.("online", this.#wake);
    globalThis.document?.addEventListener("visibilitychange", this.#wake);
    this.#link.start();
  }

  /** Nothing is told any more; what is to be sent stays in the store. */
  async close() {
    globalThis.removeEventListener?.("online", this.#wake);
    globalThis.document?.removeEventListener("visibilitychange", this.#wake);
    this.#seen.acknowledge();
    for (const part of [this.#link, this.#catchUp, this.#sender, this.#seen]) part.stop();
    this.rest.close();
    await this.#last;
    for (const feed of this.#feeds) feed.end();
    await this.#store.close();
  }

  /** @returns {State} */
  get state() {
    const unsent = this.#outbox.waiting().filter(({ state }) => state === "queued").length;
    return { ...this.#connection, unsent };
  }

  /** What is known of each thread. @returns {import("./protocol.js").Thread[]} */
  get threads() {
    return structuredClone(this.#replica.threads.filter(({ stale }) => stale !== "revoked"));
  }

  /** Messages of this device that are not stored on the server, those it refused included. @param {string} [threadId] */
  unsent(threadId) {
    return structuredClone(this.#outbox.waiting(threadId));
  }

  /** The last `limit` messages before `before`, ascending; older ones are loaded if they are not here. @param {string} threadId @param {{before?: number, limit?: number}} [which] */
  async messages(threadId, { before = Infinity, limit = 50 } = {}) {
    const here = await this.#store.messages(threadId, before, limit);
    if (here.length >= limit || (this.#replica.thread(threadId)?.from ?? 1) <= 1) return here;
    await this.#catchUp.older(threadId, 100);
    return this.#store.messages(threadId, before, limit);
  }

  /**
   * Queue a message. Resolves with its `client_msg_id` when it can no longer be lost here; `sent` or `failed` follows.
   * @param {string} threadId @param {string | {message: string, client_msg_id?: string, [field: string]: unknown}} message
   */
  async send(threadId, message) {
    const client_msg_id = crypto.randomUUID();
    const whole = { client_msg_id, ...(typeof message === "string" ? { message } : message) };
    await this.#settle(() => this.#outbox.add(threadId, whole, Date.now()));
    this.#sender.pump();
    return whole.client_msg_id;
  }

  /** Send a message that was refused once more, with the same id. @param {string} clientMsgId */
  async retry(clientMsgId) {
    await this.#settle(() => this.#outbox.decide(clientMsgId, true));
    this.#sender.pump();
  }

  /** Forget a message that was refused. @param {string} clientMsgId */
  async discard(clientMsgId) {
    await this.#settle(() => this.#outbox.decide(clientMsgId, false));
  }

  /** The person has read up to here; told to the server only while it is visible. @param {string} threadId @param {number} [seq] */
  read(threadId, seq) {
    return this.#seen.read(threadId, seq);
  }

  /** What is on screen. @param {string | null} threadId */
  focus(threadId) {
    return this.#seen.focus(threadId);
  }

  /** @param {string} threadId */
  typing(threadId) {
    this.#seen.typing(threadId);
  }

  /** All news from now on, in order, until `close`. @returns {AsyncIterableIterator<News>} */
  [Symbol.asyncIterator]() {
    const feed = new Feed(() => this.#feeds.delete(feed));
    this.#feeds.add(feed);
    return feed;
  }

  /** One after the other: what a frame means, stored, told. @param {() => Outcome} make @returns {Promise<void>} */
  #settle(make) {
    const done = this.#last.then(async () => {
      const { writes, news } = make();
      if (writes.length) await this.#store.commit(writes);
      for (const each of news) this.#tell(each);
      this.#catchUp.check();
      this.#show();
    });
    this.#last = done.catch((error) => this.#failed(error));
    return done;
  }

  /** @param {Frame} frame */
  async #heard(frame) {
    const { type } = frame;
    if (type === "events" && frame.events.some((/** @type {{truncated?: boolean}} */ each) => each.truncated)) {
      frame = await this.#catchUp.whole(frame);
    }
    if (type === "sent") await this.#sender.sent(frame);
    else if (type === "error") await this.#refused(frame);
    else if (["events", "access", "synced", "resync_required"].includes(type)) {
      await this.#settle(() => this.#replica.take(frame)).catch(() => undefined);
    } else {
      if (type === "mode" && frame.ping_seconds) this.#link.pingEvery(frame.ping_seconds);
      this.#tell(frame);
    }
  }

  /** @param {Frame} frame */
  async #refused(frame) {
    if (frame.code === "unknown_action" && !frame.re) this.#seen.withoutHints();
    this.#catchUp.refused(frame);
    await this.#sender.refused(frame);
  }

  /** @param {News} news */
  #tell(news) {
    if (news.type === "event" || news.type === "reset") this.#seen.stored(news.thread_id);
    if (news.type === "synced") this.#synced();
    for (const feed of this.#feeds) feed.push(news);
    this.dispatchEvent(new CustomEvent(news.type, { detail: news }));
  }

  #synced() {
    const { epoch } = this.#replica;
    void this.#settle(() => this.#outbox.reoffer(epoch ?? "")).then(() => this.#sender.pump(), () => undefined);
    void this.#settle(() => this.#outbox.prune(Date.now())).catch(() => undefined);
    void this.#settle(() => this.#seen.reconcile()).then(() => this.#seen.tellReads(), () => undefined);
    this.#catchUp.synced();
    this.#link.settled();
    this.#connection = { connection: this.#link.state === "open" ? "live" : "polling" };
  }

  /** @param {import("./link.js").LinkState} state @param {{retry_at?: number, code?: number}} detail */
  #changed(state, detail) {
    this.#connection = { connection: state === "open" ? "syncing" : state, ...detail };
    if (state === "open") for (const part of [this.#catchUp, this.#sender, this.#seen]) part.connected();
    else if (state !== "stopped") {
      this.#catchUp.disconnected();
      this.#sender.disconnected();
      if (this.#link.blocked) void this.#catchUp.poll();
    }
    this.#show();
  }

  /** The network is back, or the page was shown or hidden. */
  #looked() {
    if (!this.#visible()) this.#seen.acknowledge();
    else this.#link.hurry();
    this.#seen.tellFocus();
    this.#seen.tellReads();
  }

  #show() {
    const { state } = this;
    if (JSON.stringify(state) === this.#told) return;
    this.#told = JSON.stringify(state);
    this.#tell({ type: "state", ...state });
  }

  /** The store does not take what it should: going on would tell what is not kept. @param {unknown} error */
  #failed(error) {
    for (const part of [this.#link, this.#catchUp, this.#sender, this.#seen]) part.stop();
    this.#connection = { connection: "failed" };
    this.#tell({ type: "state", ...this.state, error });
  }
}
