/** What a client is given and what it is made of; whose device it is. */

import { CatchUp } from "./catch-up.js";
import { Link } from "./link.js";
import { Modes } from "./modes.js";
import { Outbox } from "./outbox.js";
import { Replica } from "./replica.js";
import { claims, Rest } from "./rest.js";
import { Seen } from "./seen.js";
import { Sender } from "./sender.js";
import { MemoryStore } from "./stores.js";
/** @typedef {import("./protocol.js").Frame} Frame */
/** @typedef {import("./protocol.js").Outcome} Outcome */
/** @typedef {import("./stores.js").Contents} Contents */
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
 * @property {number | string} [code] why: of the server's `bye`, or of the problem for which there was no ticket, such as `unauthenticated`
 */

/** Whether a person can see this page; without a page, whoever says `read` knows. */
export const isVisible = () => !globalThis.document || document.visibilityState === "visible";

/** The store with what it has, the person and the device among it. If it throws the store is closed. @param {Options} options */
export async function openDevice(options) {
  const store = options.store ?? new MemoryStore();
  try {
    return { store, saved: await identified(store, options) };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** @param {Store} store @param {Options} options */
async function identified(store, { url, token, deviceId }) {
  if (typeof url !== "string") throw new TypeError("url is missing: the API with its stage, as in https://api.example.com/v1");
  if (typeof token !== "function") throw new TypeError("token is missing: a function that gives the access token");
  const saved = await store.read();
  const { sub } = claims(await token(false));
  const user_id = saved.meta.user_id ?? sub;
  if (!user_id) throw new Error("the token names nobody: it is no JWT with a sub");
  if (sub && sub !== user_id) throw new Error("the token and the store are of different people");
  const device_id = deviceId ?? saved.meta.device_id ?? crypto.randomUUID();
  Object.assign(saved.meta, { user_id, device_id });
  await store.commit([["put", "meta", "user_id", user_id], ["put", "meta", "device_id", device_id]]);
  return saved;
}

/**
 * @typedef {Object} Whole what the parts tell the client that they are part of
 * @property {(make: () => Outcome) => Promise<void>} settle stores and tells what came of it
 * @property {(frame: Frame) => Promise<void>} heard
 * @property {import("./link.js").LinkOptions["changed"]} changed
 * @property {() => void} unreachable the API is not there over REST either
 */

/** @param {Options & {store: Store}} options @param {Contents} saved @param {Whole} whole */
export function assemble({ url, token, random = Math.random, ...options }, { meta, threads, outbox: unsent }, whole) {
  const { since = null, epoch = null, reads = {}, user_id, device_id: deviceId } = meta;
  const rest = new Rest(url, token, options.fetch ?? fetch);
  const replica = new Replica({ since, epoch, threads }, user_id);
  const outbox = new Outbox(unsent);
  const modes = new Modes();
  const link = new Link({
    deviceId, random,
    pingMs: () => modes.pingMs,
    WebSocket: options.WebSocket ?? WebSocket,
    ticket: async (refresh) => ({
      ...(await rest.request("POST", "/realtime/tickets", { device_id: deviceId }, { refresh })),
      expires_at: rest.expiresAt,
    }),
    heard: (frame) => void whole.heard(frame),
    changed: whole.changed,
  });
  const shared = {
    rest, replica, outbox, random, ...whole,
    send: (/** @type {object} */ frame) => link.send(frame),
    blocked: () => link.blocked,
  };
  const tell = (/** @type {object} */ frame) => {
    const sent = link.send(frame);
    if (!sent && link.blocked) void rest.tell(frame);
    return sent;
  };
  const catchUp = new CatchUp({ ...shared, restart: () => link.restart(), refused: (code) => sender.unsettled(code) });
  const sender = new Sender({ ...shared, sync: () => catchUp.ask(), heard: () => catchUp.check() });
  const seen = new Seen({ ...shared, send: tell, visible: options.visible ?? isVisible, modes }, reads);
  return { rest, replica, outbox, link, modes, catchUp, sender, seen };
}
