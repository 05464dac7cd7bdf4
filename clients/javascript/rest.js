/** The REST API with the person's token: one that has expired is replaced once, problems become errors with a `code`. */

const PATIENCE_MS = 15_000;

/** What the API refused, or `unreachable`. */
export class Refused extends Error {
  name = "Refused";

  /** @param {number} status 0 if there was no answer @param {string} code @param {number} retryAfterMs */
  constructor(status, code, retryAfterMs) {
    super(`${code} (${status})`);
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether asking again may help. */
  get transient() {
    return this.status === 0 || this.status === 401 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** @typedef {(refresh: boolean) => string | Promise<string>} TokenSource asked for each request; `refresh`: the last one was refused */

/** What a token says without being asked whether it is true. @param {string} token @returns {{sub?: string, exp?: number}} */
export function claims(token) {
  try {
    const [, payload = ""] = token.split(".");
    return JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    return {};
  }
}

export class Rest {
  /** When the token used last expires, in ms, if it says so. */
  expiresAt = Infinity;
  #url;
  #token;
  #fetch;
  #closed = new AbortController();

  /** @param {string} url the API with its stage, as in https://api.example.com/v1 @param {TokenSource} token @param {typeof globalThis.fetch} fetch */
  constructor(url, token, fetch) {
    this.#url = url.replace(/\/$/, "");
    this.#token = token;
    this.#fetch = fetch;
  }

  /**
   * The parsed answer. Throws Refused.
   * @param {string} method @param {string} path from the stage on @param {unknown} [body]
   * @param {{refresh?: boolean, patienceMs?: number, signal?: AbortSignal | undefined}} [how] @returns {Promise<any>}
   */
  async request(method, path, body, how = {}) {
    const { response, answer } = await this.#answer(method, path, body, how);
    if (response.status === 401 && !how.refresh) return this.request(method, path, body, { ...how, refresh: true });
    if (response.ok) return answer;
    if (typeof answer?.code !== "string") throw new Refused(0, "unreachable", 0); // a stranger between us and the API
    const seconds = Number(response.headers.get("Retry-After") ?? 0);
    throw new Refused(response.status, answer.code, Number.isFinite(seconds) ? seconds * 1000 : 0);
  }

  /** What a socket would take one way, one after the other. It is cumulative: what does not arrive is said again by the next. @param {any} frame */
  async tell({ action, epoch, cursors = {}, thread_id, seq }) {
    const moves = action === "read" ? [[thread_id, "read", seq]] : Object.entries(cursors).map(([id, at]) => [id, "delivered", at]);
    for (const [id, cursor, at] of moves) {
      await this.request("PUT", `/threads/${id}/${cursor}`, { epoch, seq: at }).catch(() => undefined);
    }
  }

  close() {
    this.#closed.abort();
  }

  /** @param {string} method @param {string} path @param {unknown} body @param {{refresh?: boolean, patienceMs?: number, signal?: AbortSignal | undefined}} how */
  async #answer(method, path, body, { refresh = false, patienceMs = PATIENCE_MS, signal }) {
    try {
      const ask = this.#fetch; // a browser's must not be called as a method
      const token = await this.#token(refresh);
      this.expiresAt = (claims(token).exp ?? Infinity) * 1000;
      const response = await ask(this.#url + path, {
        method,
        headers: {
          Authorization: `Bearer ${token}`,
          ...(body !== undefined && { "Content-Type": "application/json" }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.any([this.#closed.signal, AbortSignal.timeout(patienceMs), ...(signal ? [signal] : [])]),
      });
      const text = await response.text();
      return { response, answer: text ? JSON.parse(text) : null };
    } catch {
      // No network, no token, or a stranger between us and the API, whose pages are no JSON.
      throw new Refused(0, "unreachable", 0);
    }
  }
}
