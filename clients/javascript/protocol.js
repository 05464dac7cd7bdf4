/** The shapes that the client's parts share, and the numbers of the protocol (docs/realtime.md). */

/** @typedef {{id: string, thread_id: string, seq: number, sender_id: string, message: string, client_msg_id: string,
 *    [field: string]: unknown}} Message */
/** @typedef {{seq: number, kind: string, to_seq?: number, at?: string, actor_id?: string, message?: Message,
 *    message_id?: string, truncated?: boolean, participant?: {user_id: string, role?: string},
 *    [field: string]: unknown}} ThreadEvent `void` stands for seq..to_seq outside the reader's windows */
/** @typedef {{type: string, re?: string | null, [field: string]: any}} Frame what the server sends */
/** @typedef {{data: Message[], next_cursor: string | null, head_seq: number, epoch: string}} Page of GET /threads/{id}/messages */

/**
 * What is kept of a thread.
 * @typedef {Object} Thread
 * @property {string} thread_id
 * @property {string} epoch
 * @property {number} seq everything up to here is applied
 * @property {number} head the highest seq heard of in this epoch
 * @property {number} from messages with a smaller seq are not loaded
 * @property {string | null} stale why it must be loaded anew before anything is applied, or null
 * @property {string} at when its newest applied event happened
 * @property {any} me the person's own place in it, as the last `synced` had it
 */

/** @typedef {["put", string, string | number | [string, number], unknown] | ["delete", string, string | number]
 *    | ["drop", string]} Write put and delete name a collection and a key; drop forgets a thread's messages */
/** @typedef {{type: string, [field: string]: any}} News what the application is told */

/**
 * What a step comes to: `writes` belong into the store in one transaction, and the application hears `news` once
 * they are there. The cursor therefore is never ahead of what is stored, and nothing is told twice.
 * @typedef {{writes: Write[], news: News[]}} Outcome
 */

export const SUBPROTOCOL = "wedsync.v1";
export const FRAME_BYTES = 28_000;
export const MAX_CURSORS = 200; // of one frame
export const MAX_EVENTS = 300; // per thread in the answer to a sync
export const MAX_BATCH = 20; // messages of one send

/** @returns {Outcome} */
export const nothing = () => ({ writes: [], news: [] });

/** What arrived on a socket; null if it is none of ours. @param {unknown} text @returns {Frame | null} */
export function readFrame(text) {
  try {
    const frame = JSON.parse(String(text));
    // API Gateway's own errors have no type: a function of ours failed.
    return typeof frame.type === "string" ? frame : { type: "error", code: "internal" };
  } catch {
    return null;
  }
}
