/** Timers by name: setting one again replaces it. */

export class Timers {
  /** @type {Map<string, ReturnType<typeof setTimeout>>} */
  #set = new Map();
  #closed = false;

  /** @param {string} name @param {number} ms @param {() => void} act */
  set(name, ms, act) {
    this.clear(name);
    if (this.#closed) return;
    const timer = setTimeout(() => {
      this.#set.delete(name);
      act();
    }, ms);
    this.#set.set(name, timer);
  }

  /** @param {string} name */
  has(name) {
    return this.#set.has(name);
  }

  /** @param {string} name */
  clear(name) {
    clearTimeout(this.#set.get(name));
    this.#set.delete(name);
  }

  clearAll() {
    for (const name of [...this.#set.keys()]) this.clear(name);
  }

  /** Nothing is set any more. */
  close() {
    this.clearAll();
    this.#closed = true;
  }
}
