/** With `node --import` and WEDSYNC_FRAMES: what travels on sockets, either way, a line for each frame at the end of that file. */

import { appendFileSync } from "node:fs";

const file = process.env.WEDSYNC_FRAMES;
const note = (/** @type {unknown} */ frame) => appendFileSync(String(file), `${frame}\n`);

class Recorded extends WebSocket {
  /** @param {string} url @param {string} protocol */
  constructor(url, protocol) {
    super(url, protocol);
    this.addEventListener("message", ({ data }) => note(data));
  }

  /** @param {string} frame */
  send(frame) {
    note(frame);
    super.send(frame);
  }
}

if (file) Object.assign(globalThis, { WebSocket: Recorded });
