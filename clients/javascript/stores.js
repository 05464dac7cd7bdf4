/**
 * Where a device keeps what it has: threads with their cursors, messages, what is to be sent. A store is
 * five functions, and `commit` is one transaction: all of its writes or none. One store belongs to one
 * person on one device.
 */

/** @typedef {import("./protocol.js").Write} Write */
/** @typedef {import("./protocol.js").Message} Message */
/** @typedef {import("./protocol.js").Thread} Thread */
/** @typedef {import("./outbox.js").Entry} Entry */
/** @typedef {{meta: Record<string, any>, threads: Thread[], outbox: Entry[]}} Contents */

/**
 * @typedef {Object} Store
 * @property {() => Promise<Contents>} read everything but the messages
 * @property {(writes: Write[]) => Promise<void>} commit in one transaction, durable when it resolves
 * @property {(threadId: string, before: number, limit: number) => Promise<Message[]>} messages
 *    the last `limit` messages with a seq below `before`, ascending
 * @property {() => Promise<void>} close
 */

/** Keeps nothing beyond the process. @implements {Store} */
export class MemoryStore {
  #meta = /** @type {Map<string, any>} */ (new Map());
  #threads = /** @type {Map<string, any>} */ (new Map());
  #outbox = /** @type {Map<number, any>} */ (new Map());
  #messages = /** @type {Map<string, Map<number, Message>>} */ (new Map());

  async read() {
    return structuredClone({
      meta: Object.fromEntries(this.#meta),
      threads: [...this.#threads.values()],
      outbox: [...this.#outbox.values()],
    });
  }

  /** @param {Write[]} writes */
  async commit(writes) {
    for (const write of structuredClone(writes)) this.#write(write);
  }

  /** @param {string} threadId @param {number} before @param {number} limit */
  async messages(threadId, before, limit) {
    const found = [...(this.#messages.get(threadId)?.values() ?? [])].filter(({ seq }) => seq < before);
    return structuredClone(found.sort((a, b) => a.seq - b.seq).slice(-limit));
  }

  async close() {}

  /** The writes that would make an empty store equal to this one. @returns {Write[]} */
  contents() {
    return [
      .../** @type {Write[]} */ ([...this.#meta].map(([key, value]) => ["put", "meta", key, value])),
      .../** @type {Write[]} */ ([...this.#threads].map(([key, value]) => ["put", "threads", key, value])),
      .../** @type {Write[]} */ ([...this.#outbox].map(([key, value]) => ["put", "outbox", key, value])),
      ...[...this.#messages].flatMap(([id, messages]) =>
        [...messages].map(([seq, message]) => /** @type {Write} */ (["put", "messages", [id, seq], message])),
      ),
    ];
  }

  /** @param {Write} write */
  #write(write) {
    if (write[0] === "drop") {
      this.#messages.delete(write[1]);
      return;
    }
    const [act, collection, key] = write;
    if (Array.isArray(key)) {
      const [threadId, seq] = key;
      if (!this.#messages.has(threadId)) this.#messages.set(threadId, new Map());
      this.#messages.get(threadId)?.set(seq, /** @type {Message} */ (write[3]));
      return;
    }
    const map = /** @type {Map<string | number, unknown>} */ (
      { meta: this.#meta, threads: this.#threads, outbox: this.#outbox }[collection]
    );
    if (act === "put") map.set(key, write[3]);
    else map.delete(key);
  }
}

/** Keeps it in the browser. One name per person and device. @implements {Store} */
export class IndexedDbStore {
  #database;
  #release;

  /** Use `IndexedDbStore.open`. @param {IDBDatabase} database @param {() => void} release */
  constructor(database, release) {
    this.#database = database;
    this.#release = release;
  }

  /**
   * It belongs to one tab at a time where the browser has locks: in the others this waits until that tab closes it, or
   * is closed, and `waiting` is called.
   * @param {string} name @param {{waiting?: () => void, factory?: IDBFactory, locks?: LockManager}} [how] @returns {Promise<IndexedDbStore>}
   */
  static async open(name, { waiting, factory = indexedDB, locks = globalThis.navigator?.locks } = {}) {
    const release = locks ? await owned(locks, `wedsync ${name}`, waiting) : () => undefined;
    try {
      const opening = factory.open(name, 1);
      opening.onupgradeneeded = () => {
        for (const collection of ["meta", "threads", "outbox", "messages"]) opening.result.createObjectStore(collection);
      };
      return new IndexedDbStore(await answer(opening), release);
    } catch (error) {
      release();
      throw error;
    }
  }

  /** @returns {Promise<Contents>} */
  async read() {
    const transaction = this.#database.transaction(["meta", "threads", "outbox"]);
    const [names, values, threads, outbox] = await Promise.all([
      answer(transaction.objectStore("meta").getAllKeys()),
      answer(transaction.objectStore("meta").getAll()),
      answer(transaction.objectStore("threads").getAll()),
      answer(transaction.objectStore("outbox").getAll()),
    ]);
    return { meta: Object.fromEntries(names.map((name, index) => [name, values[index]])), threads, outbox };
  }

  /** @param {Write[]} writes */
  async commit(writes) {
    const transaction = this.#database.transaction(["meta", "threads", "outbox", "messages"], "readwrite", {
      durability: "strict",
    });
    for (const write of writes) {
      if (write[0] === "drop") transaction.objectStore("messages").delete(ofThread(write[1], Infinity));
      else if (write[0] === "delete") transaction.objectStore(write[1]).delete(write[2]);
      else transaction.objectStore(write[1]).put(write[3], write[2]);
    }
    await new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(undefined);
      transaction.onabort = () => reject(transaction.error);
    });
  }

  /** @param {string} threadId @param {number} before @param {number} limit */
  async messages(threadId, before, limit) {
    const store = this.#database.transaction("messages").objectStore("messages");
    const walk = store.openCursor(ofThread(threadId, before), "prev");
    /** @type {Message[]} */
    const found = [];
    return new Promise((resolve, reject) => {
      walk.onerror = () => reject(walk.error);
      walk.onsuccess = () => {
        if (walk.result) found.push(walk.result.value);
        if (!walk.result || found.length >= limit) resolve(found.reverse());
        else walk.result.continue();
      };
    });
  }

  async close() {
    this.#database.close();
    this.#release();
  }
}

/** Once the lock is ours, what gives it back. @param {LockManager} locks @param {string} name @param {() => void} [waiting] @returns {Promise<() => void>} */
function owned(locks, name, waiting) {
  return new Promise((resolve, reject) => {
    const hold = () => new Promise((release) => resolve(() => release(undefined)));
    const asked = locks.request(name, { ifAvailable: true }, (lock) => {
      if (lock) return hold();
      waiting?.();
      void locks.request(name, hold).catch(reject);
    });
    void asked.catch(reject);
  });
}

/** @param {string} threadId @param {number} before */
const ofThread = (threadId, before) => IDBKeyRange.bound([threadId, -Infinity], [threadId, before], false, true);

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function answer(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
