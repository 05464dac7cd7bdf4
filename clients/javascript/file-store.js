/** A store for Node: a journal of transactions, one JSON line each, in a file. */

import { open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { lock } from "./lock.js";
import { MemoryStore } from "./stores.js";

/** @typedef {import("./protocol.js").Write} Write */
/** @typedef {import("./stores.js").Store} Store */
/** @typedef {import("node:fs/promises").FileHandle} FileHandle */

const COMPACT_LINES = 10_000;

/**
 * A transaction counts when its line is whole and on the disk; a line that a crash cut short never happened.
 * @implements {Store}
 */
export class FileStore {
  #path;
  #release;
  #view = new MemoryStore();
  #file = /** @type {FileHandle | null} */ (null);
  #lines = 0;
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();

  /** Use `FileStore.open`. @param {string} path @param {() => Promise<void>} release */
  constructor(path, release) {
    this.#path = path;
    this.#release = release;
  }

  /** Throws if another client of this machine has it open, or it is damaged. @param {string} path a file of its own in an existing folder @returns {Promise<FileStore>} */
  static async open(path) {
    const store = new FileStore(path, await lock(path));
    try {
      for (const [at, line] of (await journal(path)).entries()) await store.#replay(line, at + 1);
      await store.#compact();
    } catch (error) {
      await store.close();
      throw error;
    }
    return store;
  }

  read() {
    return this.#view.read();
  }

  /** @param {Write[]} writes */
  commit(writes) {
    const line = `${JSON.stringify(writes)}\n`;
    const done = this.#last.then(() => this.#append(line));
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** @param {string} threadId @param {number} before @param {number} limit */
  messages(threadId, before, limit) {
    return this.#view.messages(threadId, before, limit);
  }

  async close() {
    await this.#last;
    await this.#file?.close();
    this.#file = null;
    await this.#release();
  }

  /** @param {string} line @param {number} number */
  async #replay(line, number) {
    try {
      await this.#view.commit(JSON.parse(line));
    } catch (cause) {
      throw new Error(`${this.#path} is damaged in line ${number}`, { cause });
    }
  }

  /** @param {string} line */
  async #append(line) {
    if (!this.#file) throw new Error("the store is closed");
    try {
      await this.#file.appendFile(line);
      await this.#file.datasync();
    } catch (error) {
      this.#file = null; // half a line may be there: nothing may follow it
      throw error;
    }
    await this.#view.commit(JSON.parse(line));
    this.#lines += 1;
    if (this.#lines > COMPACT_LINES) await this.#compact();
  }

  /** Written beside it, then put in its place: there is always a whole journal. */
  async #compact() {
    const fresh = await open(`${this.#path}.new`, "w", 0o600);
    await fresh.appendFile(`${JSON.stringify(this.#view.contents())}\n`);
    await fresh.sync();
    await rename(`${this.#path}.new`, this.#path);
    const folder = await open(dirname(this.#path), "r");
    await folder.sync();
    await folder.close();
    await this.#file?.close();
    this.#file = fresh;
    this.#lines = 1;
  }
}

/** Its whole lines. @param {string} path @returns {Promise<string[]>} */
async function journal(path) {
  let text;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT") return [];
    throw error;
  }
  const lines = text.split("\n");
  lines.pop(); // empty, or what a crash cut short
  return lines;
}
