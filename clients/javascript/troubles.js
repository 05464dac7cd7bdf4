/** Sockets that do not open, or end before they have brought what was missing: something may not let them through. */

const MOST = 3;
const WITHIN_MS = 60_000;

export class Troubles {
  /** @type {number[]} */
  #at = [];
  #proved = false;
  /** There were too many; until a socket has proved itself. */
  blocked = false;

  /** @param {boolean} again its predecessor is open too */
  opened(again) {
    this.#proved &&= again;
  }

  settled() {
    this.#at = [];
    this.#proved = true;
    this.blocked = false;
  }

  lost() {
    if (!this.#proved) this.failed();
  }

  failed() {
    this.#at = [...this.#at.filter((at) => at > Date.now() - WITHIN_MS), Date.now()];
    this.blocked ||= this.#at.length >= MOST;
  }
}
