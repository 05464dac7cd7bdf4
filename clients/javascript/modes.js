/** How the server asks a device to behave near a wedding's day (docs/realtime.md): each request holds for a while. */

/** @typedef {import("./protocol.js").Frame} Frame */

const HOLDS_MS = 300_000;
const PING_MS = 55_000;

export class Modes {
  /** @type {Map<string, {until: number, ping_seconds: number, typing: boolean}>} */
  #asked = new Map();

  /** It takes the place of the last of its wedding. @param {Frame} frame @returns {boolean} whether pings are due sooner now */
  note({ wedding_id, ping_seconds, typing }) {
    const before = this.pingMs;
    this.#asked.set(wedding_id, { until: Date.now() + HOLDS_MS, ping_seconds, typing });
    return this.pingMs < before;
  }

  /** Between pings. */
  get pingMs() {
    return Math.min(PING_MS, ...this.#current().map(({ ping_seconds }) => ping_seconds * 1000));
  }

  /** Whether anybody wants to hear of it now. */
  get typing() {
    return this.#current().every(({ typing }) => typing);
  }

  #current() {
    return [...this.#asked.values()].filter(({ until }) => until > Date.now());
  }
}
