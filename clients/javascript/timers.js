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

  /** @param {string[]} names */
  clear(...names) {
    for (const name of names) {
      clearTimeout(this.#set.get(name));
      this.#set.delete(name);
    }
  }

  clearAll() {
    this.clear(...this.#set.keys());
  }

  /** Nothing is set any more. */
  close() {
    this.clearAll();
    this.#closed = true;
  }
}
