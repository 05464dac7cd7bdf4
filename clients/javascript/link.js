/**
 * One live socket, as long as that is possible: a fresh ticket for each attempt, full jitter between attempts,
 * a new socket before the gateway ends the old one after two hours, and no socket that only looks alive.
 */

import { Identity } from "./identity.js";
import { readFrame, SUBPROTOCOL } from "./protocol.js";
import { Timers } from "./timers.js";
import { Troubles } from "./troubles.js";
/** @typedef {import("./protocol.js").Frame} Frame */
/** @typedef {{ticket: string, url: string, expires_at: number}} Ticket `expires_at`: of the token behind it, in ms */
/** @typedef {"connecting" | "open" | "waiting" | "replaced" | "ended" | "stopped"} LinkState */

const BASE_MS = 500;
const CAP_MS = 7_000; // ten thousand who were cut at once are back within 30 s
const HANDSHAKE_MS = 30_000; // the gateway gives $connect 29 s
const PONG_MS = 8_000;
const RENEW_MS = /** @type {const} */ ([95 * 60_000, 112 * 60_000]); // the gateway ends a socket after 120 minutes
const HURRY_MS = 500; // not everybody whose network came back at one moment at one moment
const REPLACED = 4009;
const TOKEN_EXPIRED = 4001;

/**
 * @typedef {Object} LinkOptions
 * @property {(fresh: boolean) => Promise<Ticket>} ticket `fresh`: the access token must be a new one
 * @property {string} deviceId
 * @property {new (url: string, protocol: string) => WebSocket} WebSocket
 * @property {() => number} random
 * @property {() => number} pingMs between pings
 * @property {(frame: Frame) => void} heard
 * @property {(state: LinkState, detail: {retry_at?: number, code?: number | string}) => void} changed `code`: of a `bye`, or of the problem for which there is no ticket
 */

export class Link {
  #options;
  #socket = /** @type {WebSocket | null} */ (null);
  #former = /** @type {WebSocket | null} */ (null); // its successor is open, what still arrives on it counts
  #candidate = /** @type {WebSocket | null} */ (null); // not open yet, or, where sockets bring nothing, not proved yet
  #attempt = 0;
  #renewing = false;
  #failures = 0;
  #troubles = new Troubles();
  #freshToken = false;
  #expiresAt = Infinity;
  #identity;
  #timers = new Timers();
  /** @type {LinkState} */
  state = "stopped";

  /** @param {LinkOptions} options */
  constructor(options) {
    this.#options = options;
    this.#identity = new Identity({
      ticket: () => options.ticket(true),
      send: (frame) => this.send(frame),
      instead: () => {
        this.#freshToken = true;
        this.renew();
      },
    });
  }

  /** Sockets do not get through. */
  get blocked() {
    return this.#troubles.blocked;
  }

  start() {
    if (this.#socket || this.state === "connecting") return;
    this.#failures = 0;
    void this.#connect();
  }

  stop() {
    this.#end("stopped");
  }

  /** @param {object} frame @returns {boolean} whether it went out; nothing more */
  send(frame) {
    if (this.state !== "open" || !this.#socket) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** The connection has proved itself: the next failure is a first one. */
  settled() {
    this.#failures = 0;
    this.#troubles.settled();
    this.#discard(this.#former);
    this.#former = null;
  }

  /** Something changed for the better, or may have died unseen: the network is back, the page is visible again. */
  hurry() {
    if (this.state === "waiting") this.#timers.set("connect", this.#options.random() * HURRY_MS, () => void this.#connect());
    if (this.state === "open") this.#ping();
  }

  /** Open a new socket while this one still works. */
  renew() {
    if (this.state === "open") void this.#connect();
  }

  /** What arrives does not end as it should: begin anew. */
  restart() {
    if (this.#socket) this.#lost(this.#socket);
  }

  async #connect() {
    const attempt = ++this.#attempt;
    this.#discard(this.#candidate);
    this.#timers.clear("connect", "renew", "handshake");
    this.#renewing = this.#socket !== null;
    if (!this.#renewing) this.#enter("connecting");
    const made = await this.#options.ticket(this.#freshToken).catch((/** @type {import("./rest.js").Refused} */ { code }) => code);
    if (attempt !== this.#attempt) return;
    if (typeof made === "string") return this.#failed(made); // REST does not answer either: that says nothing of sockets
    this.#freshToken = false;
    this.#expiresAt = made.expires_at;
    this.#open(`${made.url}?ticket=${encodeURIComponent(made.ticket)}&device_id=${encodeURIComponent(this.#options.deviceId)}`);
  }

  /** @param {string} url */
  #open(url) {
    const socket = new this.#options.WebSocket(url, SUBPROTOCOL);
    const failed = () => {
      this.#discard(socket);
      this.#troubles.failed();
      this.#failed();
    };
    this.#candidate = socket;
    this.#timers.set("handshake", HANDSHAKE_MS, failed);
    socket.onopen = () => {
      if (!this.blocked) return this.#adopt(socket);
      this.#timers.set("handshake", PONG_MS, failed); // sockets open here that bring nothing: something has to arrive
      socket.send(JSON.stringify({ action: "ping" }));
    };
    socket.onerror = socket.onclose = failed;
    socket.onmessage = ({ data }) => this.#message(socket, data);
  }

  /** @param {WebSocket} socket */
  #adopt(socket) {
    this.#timers.clear("handshake");
    socket.onerror = socket.onclose = () => this.#lost(socket);
    this.#discard(this.#former);
    [this.#former, this.#socket, this.#candidate] = [this.#socket, socket, null];
    this.#troubles.opened(this.#renewing);
    this.#renewing = false;
    const [soonest, latest] = RENEW_MS;
    this.#timers.set("renew", soonest + this.#options.random() * (latest - soonest), () => this.renew());
    this.#enter("open");
    this.#identity.began(this.#expiresAt);
    this.#ping(); // an open socket may be dead all the same
  }

  /** @param {WebSocket} socket @param {unknown} data */
  #message(socket, data) {
    const frame = readFrame(data);
    if (!frame) return;
    const proving = socket === this.#candidate;
    if (proving && frame.type === "bye" && frame.retry) return socket.close(); // no proof: it may say so each time
    if (proving) this.#adopt(socket);
    if (socket === this.#socket) {
      this.#timers.clear("pong");
      if (this.#identity.heard(frame)) return;
    }
    if (frame.type === "bye") this.#bye(socket, frame);
    else if (frame.type !== "pong") this.#options.heard(frame);
  }

  /** @param {WebSocket} socket @param {Frame} frame */
  #bye(socket, { code, retry }) {
    if (socket !== this.#socket) return; // our own new socket took its place
    if (code === TOKEN_EXPIRED) this.#freshToken = true;
    if (code === REPLACED && this.#renewing) this.#lost(socket); // it did, and is about to open
    else if (code === REPLACED) this.#end("replaced", code);
    else if (!retry) this.#end("ended", code);
    else {
      this.#leave();
      this.#wait(retry.min_ms + this.#options.random() * (retry.max_ms - retry.min_ms), code);
    }
  }

  #ping() {
    if (!this.send({ action: "ping" })) return;
    this.#timers.set("pong", PONG_MS, () => this.restart()); // anything that arrives cancels it
    this.#timers.set("ping", this.#options.pingMs(), () => this.#ping());
  }

  /** @param {WebSocket} socket */
  #lost(socket) {
    if (socket !== this.#socket) return;
    this.#discard(socket);
    this.#identity.end();
    this.#socket = null;
    if (this.#renewing) return; // its successor is on its way
    this.#troubles.lost();
    this.#leave();
    this.#wait(this.#delay());
  }

  /** @param {string} [code] of the problem, if there was no ticket */
  #failed(code) {
    this.#timers.clear("handshake");
    this.#renewing = false;
    if (this.#socket) this.#timers.set("renew", this.#delay(), () => this.renew());
    else this.#wait(this.#delay(), code);
  }

  #delay() {
    const most = Math.min(CAP_MS, BASE_MS * 2 ** this.#failures++);
    return this.#options.random() * most;
  }

  /** @param {number} ms @param {number | string} [code] */
  #wait(ms, code) {
    this.#timers.set("connect", ms, () => void this.#connect());
    this.#enter("waiting", { retry_at: Date.now() + ms, ...(code && { code }) });
  }

  /** @param {LinkState} state @param {number} [code] */
  #end(state, code) {
    this.#leave();
    this.#enter(state, { ...(code && { code }) });
  }

  #leave() {
    this.#attempt += 1;
    this.#renewing = false;
    this.#timers.clearAll();
    this.#identity.end();
    for (const socket of [this.#socket, this.#former, this.#candidate]) this.#discard(socket);
    this.#socket = this.#former = this.#candidate = null;
  }

  /** @param {WebSocket | null} socket */
  #discard(socket) {
    if (!socket) return;
    socket.onopen = socket.onclose = socket.onmessage = null;
    socket.onerror = () => undefined; // closing one that never opened is an error in Node
    socket.close();
  }

  /** @param {LinkState} state @param {{retry_at?: number, code?: number | string}} [detail] */
  #enter(state, detail = {}) {
    this.state = state;
    this.#options.changed(state, detail);
  }
}
