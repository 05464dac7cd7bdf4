/**
 * Keeps the identity of an open socket from running out: another ticket is handed in on it, in time. If that does not
 * work out, a new socket is opened instead.
 */

import { Timers } from "./timers.js";
/** @typedef {import("./protocol.js").Frame} Frame */

const LEAD_MS = 60_000;
const ANSWER_MS = 8_000;
const RE = "auth";

/**
 * @typedef {Object} IdentityOptions
 * @property {() => Promise<{ticket: string}>} ticket of a new access token
 * @property {(frame: object) => boolean} send on the socket whose identity it is
 * @property {() => void} instead open another socket
 */

export class Identity {
  #options;
  #expiresAt = Infinity;
  #round = 0;
  #timers = new Timers();

  /** @param {IdentityOptions} options */
  constructor(options) {
    this.#options = options;
  }

  /** A socket is open. @param {number} expiresAt of the token behind it, in ms */
  began(expiresAt) {
    this.end();
    this.#expiresAt = expiresAt;
    this.#renewInTime();
  }

  /** It is not any more. */
  end() {
    this.#round += 1;
    this.#timers.clearAll();
  }

  /** @param {Frame} frame @returns {boolean} whether it was about this, and nobody else has to hear it */
  heard({ type, re, expires_at }) {
    if (type === "auth_expiring") void this.#renew();
    else if (type === "auth_ok") this.#renewed(Date.parse(expires_at));
    else if (type === "error" && re === RE) this.#failed();
    else return false;
    return true;
  }

  /** A minute before, or after half of what is left; by a clock that takes it for over, when the server says so. */
  #renewInTime() {
    const left = this.#expiresAt - Date.now();
    if (left <= 0 || left > 2 ** 31 - 1) return; // more than a timer can wait, and no socket lives so long
    this.#timers.set("renew", Math.max(1_000, left - Math.min(LEAD_MS, left / 2)), () => void this.#renew());
  }

  async #renew() {
    if (this.#timers.has("answer")) return;
    this.#timers.clear("renew");
    this.#timers.set("answer", ANSWER_MS, () => this.#failed());
    const round = this.#round;
    try {
      const { ticket } = await this.#options.ticket();
      if (round === this.#round) this.#options.send({ action: "auth", id: RE, ticket });
    } catch {
      if (round === this.#round) this.#failed();
    }
  }

  /** @param {number} expiresAt as before, if the token was no newer */
  #renewed(expiresAt) {
    this.#timers.clear("answer");
    this.#expiresAt = expiresAt;
    this.#renewInTime();
  }

  #failed() {
    this.#timers.clear("answer");
    this.#options.instead();
  }
}
