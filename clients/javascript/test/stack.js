/** The running local stack, as `make up` starts it, and people of its demo wedding at their devices. */

import { Client } from "../wedsync.js";
import { FileStore } from "../file-store.js";

export const CONSOLE = process.env.WEDSYNC_CONSOLE ?? "";
export const API = `${CONSOLE}/v1`;
const WEDDING = "0190a000-0000-7000-8000-000000000201";
const NAMES = ["ana", "ben", "petra", "flora", "carlo", "phil"];

/** @param {string} name */
export const idOf = (name) => `0190a000-0000-7000-8000-0000000001${String(NAMES.indexOf(name) + 1).padStart(2, "0")}`;

/** @param {string} method @param {string} url @param {unknown} [body] @param {string} [token] @returns {Promise<any>} */
async function request(method, url, body, token) {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const response = await fetch(url, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/** @param {string} name @param {number} [expires_in] @returns {Promise<string>} */
export async function tokenOf(name, expires_in = 3600) {
  return (await request("POST", `${CONSOLE}/_local/tokens`, { user_id: idOf(name), expires_in })).access_token;
}

/** @param {string} name @param {string} method @param {string} path @param {unknown} [body] */
export async function call(name, method, path, body) {
  return request(method, API + path, body, await tokenOf(name));
}

/** @param {string} owner @param {string[]} others @returns {Promise<string>} */
export async function newThread(owner, ...others) {
  const participants = others.map((name) => ({ user_id: idOf(name) }));
  const made = await call(owner, "POST", "/threads", { wedding_id: WEDDING, subject: "Flowers for the arch", participants });
  return made.id;
}

/** The whole log's messages as the API lists them. @param {string} name @param {string} thread */
export async function logOf(name, thread) {
  const texts = [];
  for (let after = 0; ; ) {
    const page = await call(name, "GET", `/threads/${thread}/messages?after_seq=${after}&limit=100`);
    texts.push(...page.data.map((/** @type {any} */ each) => each.message));
    if (page.next_cursor === null) return texts;
    after = page.data.at(-1).seq;
  }
}

/** @param {() => unknown} condition @param {string} what @param {number} [seconds] */
export async function until(condition, what, seconds = 40) {
  const giveUp = Date.now() + seconds * 1000;
  while (!(await condition())) {
    if (Date.now() > giveUp) throw new Error(`${what} did not happen within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

/** Somebody's device, with everything that his application was told. */
export class Device {
  /** @type {any[]} */
  news = [];
  /** @type {Client} */
  client;
  #following;

  /** @param {string} name @param {Client} client */
  constructor(name, client) {
    this.name = name;
    this.client = client;
    this.#following = this.#follow();
    client.start();
  }

  /** @param {string} name @param {Partial<import("../wedsync.js").Options> & {file?: string}} [options] */
  static async open(name, { file, ...options } = {}) {
    const token = () => tokenOf(name);
    const store = file ? { store: await FileStore.open(file) } : {};
    return new Device(name, await Client.open({ url: API, token, ...store, ...options }));
  }

  /** @param {string} connection */
  async is(connection) {
    await until(() => this.client.state.connection === connection, `${this.name} ${connection}`);
    return this;
  }

  /** @param {string} type @param {string} thread */
  async hears(type, thread) {
    await until(() => this.of(type, thread).length > 0, `${this.name} hearing ${type}`);
  }

  /** @param {string} type @param {string} thread */
  of(type, thread) {
    return this.news.filter((each) => each.type === type && each.thread_id === thread);
  }

  /** @param {string} thread @returns {Promise<string[]>} */
  async texts(thread) {
    return (await this.client.messages(thread, { limit: 1000 })).map(({ message }) => message);
  }

  async close() {
    await this.client.close();
    await this.#following;
  }

  async #follow() {
    for await (const each of this.client) this.news.push(each);
  }
}

/** Trouble on the sockets (docs/local-mode.md); none for `{}`. @param {Record<string, number | string>} trouble */
export const chaos = (trouble) => request("POST", `${CONSOLE}/_local/chaos`, trouble);
