/** News as async iterators: everything since each was made, in order. */

/** @typedef {import("./protocol.js").News} News */

export class Feeds {
  /** @type {Set<Feed>} */
  #open = new Set();

  open() {
    const feed = new Feed(() => this.#open.delete(feed));
    this.#open.add(feed);
    return feed;
  }

  /** @param {News} news */
  push(news) {
    for (const feed of this.#open) feed.push(news);
  }

  end() {
    for (const feed of this.#open) feed.end();
  }
}

/** @implements {AsyncIterableIterator<News>} */
class Feed {
  /** @type {News[]} */
  #news = [];
  #over = false;
  #wake = () => {};
  #left;

  /** @param {() => void} left called when its reader has left the loop */
  constructor(left) {
    this.#left = left;
  }

  /** @param {News} news */
  push(news) {
    this.#news.push(news);
    this.#wake();
  }

  end() {
    this.#over = true;
    this.#wake();
  }

  /** @returns {Promise<IteratorResult<News>>} */
  async next() {
    while (!this.#news.length && !this.#over) await new Promise((resolve) => (this.#wake = () => resolve(undefined)));
    const value = this.#news.shift();
    return value ? { value, done: false } : { value: undefined, done: true };
  }

  /** @returns {Promise<IteratorResult<News>>} */
  async return() {
    this.#left();
    this.end();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}
