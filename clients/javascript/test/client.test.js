/** The whole client with a server that says what each test wants, and a clock that the test moves. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Rest } from "../rest.js";
import { Client, MemoryStore } from "../wedsync.js";

const ANA = "0190a000-0000-7000-8000-000000000101";
const TOKEN = `x.${Buffer.from(JSON.stringify({ sub: ANA })).toString("base64url")}.x`;

/** @type {Stage} */ let stage;
beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  stage = new Stage();
});
afterEach(async () => {
  await stage.client?.close();
  mock.timers.reset();
});

/** Everything between a client and what it hears. */
class Stage {
  /** @type {any[]} frames and requests that the client sent */ asked = [];
  /** @type {any[]} */ news = [];
  /** @type {any[]} */ sockets = [];
  /** @type {Record<string, (body: any, signal: AbortSignal) => any>} what REST answers, by method and path; a number is a status */
  rest = {
    "POST /realtime/tickets": () => ({ ticket: "t", url: "ws://host/v1" }),
    "GET /threads/flowers/messages?limit=50": () => ({ data: [], next_cursor: null, head_seq: 1, epoch: "a1" }),
  };
  reachable = true;
  /** @type {Client | undefined} */ client;

  /** @param {Partial<import("../wedsync.js").Options>} [options] */
  async open(options = {}) {
    this.client = await Client.open({
      url: "http://host/v1/", token: () => TOKEN, WebSocket: this.#socketClass(), fetch: this.#fetch(), random: () => 0.5,
      ...options,
    });
    for (const type of ["event", "reset", "gone", "sent", "failed", "state", "epoch", "synced"]) {
      this.client.addEventListener(type, (each) => this.news.push(/** @type {CustomEvent} */ (each).detail));
    }
    this.client.start();
    await this.settled();
    return this.client;
  }

  /** Connected, with the thread `flowers` loaded at its seq 1. @param {Partial<import("../wedsync.js").Options>} [options] */
  async live(options) {
    const client = await this.open(options);
    await this.connects();
    await this.answersSync();
    return client;
  }

  async connects() {
    this.sockets.at(-1).onopen();
    await this.says({ type: "pong" });
  }

  /** @param {{threads?: any[], epoch?: string}} [how] */
  async answersSync({ epoch = "a1", threads = [{ thread_id: "flowers", epoch, head_seq: 1, me: { read_seq: 0 } }] } = {}) {
    await this.says({ type: "synced", re: this.last("sync").id, threads, gone: [], inbox_head: null, part: 1, more: false, since: `s ${epoch}` });
  }

  /** @param {object} frame */
  async says(frame) {
    this.sockets.at(-1).onmessage?.({ data: JSON.stringify(frame) });
    await this.settled();
  }

  /** A push of `flowers`. @param {number} seq */
  async pushes(seq, text = `text ${seq}`, epoch = "a1") {
    const message = { id: `m${seq}`, thread_id: "flowers", seq, sender_id: "flora", client_msg_id: `c${seq}`, message: text };
    const events = [{ seq, kind: "message.created", at: "t", actor_id: "flora", message }];
    await this.says({ type: "events", thread_id: "flowers", epoch, from_seq: seq, to_seq: seq, head_seq: seq, more: false, events });
  }

  /** @param {number} [seq] */
  async answersSend(seq = 2, epoch = "a1") {
    const { id, messages } = this.last("send");
    const results = messages.map((/** @type {any} */ each, /** @type {number} */ index) => ({
      client_msg_id: each.client_msg_id, status: "ok", id: "x", seq: seq + index, duplicate: false, code: null,
    }));
    await this.says({ type: "sent", re: id, thread_id: "flowers", epoch, results });
  }

  /** @param {string} action */
  all(action) {
    return this.asked.filter((each) => each.action === action);
  }

  /** @param {string} action */
  last(action) {
    return this.all(action).at(-1);
  }

  /** @param {string} type */
  told(type) {
    return this.news.filter((each) => each.type === type);
  }

  /** @param {number} ms */
  async pass(ms) {
    mock.timers.tick(ms);
    await this.settled();
  }

  async settled() {
    for (let turn = 0; turn < 6; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  #socketClass() {
    const { sockets, asked } = this;
    class Socket {
      constructor() {
        sockets.push(this);
      }

      /** @param {string} text */
      send(text) {
        asked.push(JSON.parse(text));
      }

      close() {}
    }
    return /** @type {any} */ (Socket);
  }

  /** @returns {typeof fetch} */
  #fetch() {
    return async (url, { method = "GET", body, signal } = {}) => {
      const action = `${method} ${String(url).replace("http://host/v1", "")}`;
      if (!this.reachable) throw new TypeError("fetch failed");
      const asked = body ? JSON.parse(String(body)) : undefined;
      this.asked.push({ action, ...asked });
      const answer = (await this.rest[action]?.(asked, /** @type {AbortSignal} */ (signal))) ?? 404;
      const problem = /** @type {Record<number, string>} */ ({ 401: "unauthenticated", 422: "invalid" })[answer] ?? "not_found";
      return typeof answer === "number" ? Response.json({ code: problem }, { status: answer }) : Response.json(answer);
    };
  }
}

test("the first frame is a sync, and what is new is loaded before it is told", async () => {
  await stage.live();
  await stage.pushes(2);

  assert.deepEqual(stage.asked.map(({ action }) => action).slice(0, 2), ["POST /realtime/tickets", "sync"]);
  assert.deepEqual(stage.news.filter(({ type }) => type !== "state").map(({ type }) => type), ["synced", "reset", "event"]);
});

test("a gap is waited for a moment, then asked for from where it begins", async () => {
  await stage.live();

  await stage.pushes(4);
  await stage.pass(249);
  assert.equal(stage.all("sync").length, 1);
  await stage.pass(1);

  assert.deepEqual(stage.last("sync").cursors, { flowers: { epoch: "a1", seq: 1 } });
  assert.equal(stage.last("sync").since, "s a1");
  assert.deepEqual(stage.told("event"), []);
});

test("what was only late needs no sync", async () => {
  await stage.live();

  await stage.pushes(3);
  await stage.pushes(2);
  await stage.pass(5_000);

  assert.deepEqual(stage.told("event").map(({ event }) => event.seq), [2, 3]);
  assert.equal(stage.all("sync").length, 1);
});

test("syncs that bring nothing come slower and slower", async () => {
  await stage.live();
  await stage.pushes(4);
  const at = [];

  for (let ms = 0; ms < 20_000; ms += 250) {
    const before = stage.all("sync").length;
    await stage.pass(250);
    if (stage.all("sync").length > before) {
      at.push(ms + 250);
      await stage.answersSync();
    }
  }

  assert.deepEqual(at, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000]);
});

test("every two minutes it asks whether it has everything", async () => {
  await stage.live();

  for (const ms of [60_000, 59_999]) {
    await stage.pass(ms);
    await stage.says({ type: "pong" });
  }
  assert.equal(stage.all("sync").length, 1);
  await stage.pass(1);

  assert.equal(stage.all("sync").length, 2);
});

test("a sync without an end is repeated, and then the connection is given up", async () => {
  await stage.open();
  await stage.connects();

  await stage.pass(10_000);
  assert.deepEqual(stage.all("sync").map(({ since }) => since), [undefined, undefined]);
  await stage.pass(10_000);

  assert.equal(stage.told("state").at(-1).connection, "waiting");
});

test("a token that the server does not take is forgotten", async () => {
  await stage.live();
  await stage.pass(120_000);

  await stage.says({ type: "error", re: stage.last("sync").id, code: "invalid", detail: "" });
  await stage.pass(2_000);

  assert.equal(stage.last("sync").since, undefined);
});

test("one send of a thread is under way at a time, and takes all that waits", async () => {
  const client = await stage.live();
  for (let n = 1; n <= 25; n += 1) await client.send("flowers", `text ${n}`);
  await stage.settled();
  assert.deepEqual(stage.all("send").map(({ messages }) => messages.length), [1]);

  await stage.answersSend(2);
  await stage.answersSend(3);
  await stage.answersSend(23);

  assert.deepEqual(stage.all("send").map(({ messages }) => messages.length), [1, 20, 4]);
  assert.deepEqual(stage.all("send").flatMap(({ messages }) => messages.map((/** @type {any} */ each) => each.message)), [...Array(25).keys()].map((n) => `text ${n + 1}`));
  assert.equal(client.state.unsent, 0);
});

test("a send without an answer goes again with the same id, also on the next socket", async () => {
  const client = await stage.live();
  const id = await client.send("flowers", "On my way");

  await stage.pass(10_000);
  stage.sockets.at(-1).onclose();
  await stage.pass(250);
  await stage.connects();
  await stage.answersSync();
  await stage.answersSend();

  assert.deepEqual(stage.all("send").map(({ messages }) => messages[0].client_msg_id), [id, id, id]);
  assert.deepEqual(stage.told("sent").map(({ client_msg_id, seq }) => [client_msg_id, seq]), [[id, 2]]);
});

test("who is told to wait waits", async () => {
  const client = await stage.live();
  await client.send("flowers", "On my way");

  await stage.says({ type: "error", re: stage.last("send").id, code: "rate_limited", detail: "", retry_after_ms: 4_000 });
  await stage.pass(4_400);
  assert.equal(stage.all("send").length, 1);
  await stage.pass(200);

  assert.equal(stage.all("send").length, 2);
});

test("an answer that skips a message leaves it and what follows for the next send, in order", async () => {
  const client = await stage.live();
  await client.send("flowers", "zero");
  for (const text of ["one", "two", "three"]) await client.send("flowers", text);
  await stage.answersSend(2);
  const { id, messages } = stage.last("send");
  const statuses = ["ok", "error", "skipped"];

  const results = messages.map((/** @type {any} */ { client_msg_id }, /** @type {number} */ at) => ({ client_msg_id, status: statuses[at], id: null, seq: at ? null : 3, code: at === 1 ? "unavailable" : null }));
  await stage.says({ type: "sent", re: id, thread_id: "flowers", epoch: "a1", results });
  await stage.pass(1_000);
  await stage.answersSync();

  assert.deepEqual(stage.last("send").messages.map((/** @type {any} */ each) => each.message), ["two", "three"]);
});

test("after a restore what had been sent is offered again under its id, and the threads are loaded anew", async () => {
  const client = await stage.live();
  const id = await client.send("flowers", "On my way");
  await stage.answersSend();
  await stage.pushes(2, "On my way");
  stage.rest["GET /threads/flowers/messages?limit=50"] = () => ({ data: [], next_cursor: null, head_seq: 1, epoch: "b1" });

  await stage.pushes(2, "somebody else's", "b1");
  await stage.pass(250);
  await stage.says({ type: "resync_required", re: stage.last("sync").id, thread_id: "flowers", reason: "epoch_changed", epoch: "b1", head_seq: 1 });
  await stage.answersSync({ epoch: "b1" });

  assert.deepEqual(stage.told("epoch"), [{ type: "epoch", epoch: "b1" }]);
  assert.equal(stage.told("reset").at(-1).reason, "epoch_changed");
  assert.deepEqual(stage.all("send").map(({ messages }) => messages[0].client_msg_id), [id, id]);
  assert.deepEqual(stage.all("send").map(({ messages }) => messages[0].epoch), [undefined, "a1"]);
});

test("what is unsent waits for the first sync of a connection, and goes behind what a restore has lost", async () => {
  const client = await stage.live();
  const lost = await client.send("flowers", "On my way");
  await stage.answersSend();
  stage.sockets.at(-1).onclose();
  const unsent = await client.send("flowers", "Nearly there");
  await stage.pass(250);
  await stage.connects();
  const before = stage.all("send").length;

  await stage.answersSync({ epoch: "b1" });

  assert.equal(before, 1);
  assert.deepEqual(stage.all("send").slice(1).map(({ messages }) => messages.map((/** @type {any} */ each) => each.client_msg_id)), [[lost, unsent]]);
});

test("without an answer to the sync it goes all the same, and so it does when the sync is refused", async () => {
  const client = await stage.open();
  await stage.connects();
  await client.send("flowers", "On my way");
  await stage.pass(9_999);
  const before = stage.all("send").length;

  await stage.pass(1);
  stage.sockets.at(-1).onclose();
  await stage.pass(250);
  await stage.connects();
  await stage.says({ type: "error", re: stage.last("sync").id, code: "internal", detail: "" });

  assert.equal(before, 0);
  assert.equal(stage.all("send").length, 2);
});

test("each connection is given its time to answer a sync, however long ago the last one was lost", async () => {
  const client = await stage.open();
  await stage.pass(1_000);
  await stage.connects();
  stage.rest["POST /realtime/tickets"] = () => 503;
  stage.sockets.at(-1).onclose();
  for (let second = 0; second < 60; second += 5) await stage.pass(5_000);
  stage.rest["POST /realtime/tickets"] = () => ({ ticket: "t", url: "ws://host/v1" });
  await stage.pass(7_000);
  await stage.connects();

  await client.send("flowers", "On my way");
  await stage.pass(9_000);
  const before = stage.all("send").length;
  await stage.answersSync();

  assert.deepEqual([before, stage.all("send").length], [0, 1]);
});

/** A sync of an open connection is asked for, and refused. */
async function away() {
  await stage.says({ type: "me", thread_id: "flowers", changed: "place" });
  await stage.says({ type: "error", re: stage.last("sync").id, code: "unavailable", detail: "", retry_after_ms: 4_000 });
}

test("while the database is away what is unsent waits for the next sync, also on a connection that had one", async () => {
  const client = await stage.live();
  await away();

  await client.send("flowers", "On my way");
  await stage.pass(4_000);
  const before = stage.all("send").length;
  await stage.answersSync();

  assert.deepEqual([before, stage.all("send").length], [0, 1]);
});

test("it waits for half a minute at most, however often the next sync is refused, too", async () => {
  const client = await stage.live();
  const sent = [];
  await away();
  await client.send("flowers", "On my way");

  for (const ms of [10_000, 10_000, 9_999, 1]) {
    await stage.pass(ms);
    sent.push(stage.all("send").length);
    await away();
  }

  assert.deepEqual(sent, [0, 0, 0, 1]);
});

test("an emergency waits for no sync, nor does what was written before it in its thread", async () => {
  const client = await stage.open();
  await stage.connects();

  await client.send("flowers", "On my way");
  await client.send("music", { message: "Help", priority_level: "emergency" });
  await stage.settled();

  assert.deepEqual(stage.all("send").map(({ thread_id }) => thread_id), ["music"]);
});

const POSTED = "POST /threads/flowers/messages";
const HELP = { message: "Help", priority_level: "emergency" };
const stored = (/** @type {any} */ { client_msg_id }) => ({ id: "x", seq: 2, client_msg_id, epoch: "a1", duplicate: false });

test("an emergency is settled once by REST, whatever the socket says of it later", async () => {
  stage.rest[POSTED] = stored;
  const client = await stage.live();
  for (const late of ["ok", "refused"]) {
    const id = await client.send("flowers", HELP);
    await stage.settled();
    assert.deepEqual(stage.told("sent").map(({ client_msg_id }) => client_msg_id).at(-1), id);

    if (late === "ok") await stage.answersSend();
    else await stage.says({ type: "error", re: stage.last("send").id, code: "invalid", detail: "" });
  }

  assert.deepEqual([stage.told("sent").length, stage.told("failed").length, stage.all("send").length], [2, 0, 2]);
  assert.deepEqual(client.unsent(), []);
});

test("what the socket answers first is settled, and the late answer of REST changes nothing", async () => {
  /** @type {(value: any) => void} */ let answer = () => {};
  stage.rest[POSTED] = () => new Promise((resolve) => (answer = resolve));
  const client = await stage.live();
  await client.send("flowers", HELP);

  await stage.answersSend();
  answer(409);
  await stage.pass(60_000);

  assert.deepEqual([stage.told("sent").length, stage.told("failed").length, stage.all(POSTED).length], [1, 0, 1]);
});

test("what was written before an emergency in its thread goes over REST before it, and nothing else does", async () => {
  stage.rest[POSTED] = stored;
  const client = await stage.live();

  await client.send("flowers", "On my way");
  await client.send("music", "Elsewhere");
  await stage.settled();
  assert.equal(stage.all(POSTED).length, 0);
  await client.send("flowers", HELP);
  await client.send("flowers", "Better now");
  await stage.settled();

  assert.deepEqual(stage.all(POSTED).map(({ message }) => message), ["On my way", "Help"]);
  assert.deepEqual(client.unsent().map(({ message }) => message.message), ["Elsewhere", "Better now"]);
  assert.equal(stage.all("POST /threads/music/messages").length, 0);
});

test("REST is tried again later and later, and at once on a new connection or for a new emergency", async () => {
  stage.rest[POSTED] = () => 503;
  const client = await stage.live();
  await client.send("flowers", HELP);
  await stage.settled();
  const times = [];
  for (let ms = 0; ms <= 8_000; ms += 250) {
    while (times.length < stage.all(POSTED).length) times.push(ms);
    await stage.pass(250);
  }
  assert.deepEqual(times, [0, 500, 1_500, 3_500, 7_500]);

  await client.send("flowers", HELP);
  await stage.settled();
  assert.equal(stage.all(POSTED).length, 6);
  stage.sockets.at(-1).onclose();
  await stage.pass(250);
  await stage.connects();
  assert.equal(stage.all(POSTED).length, 7);
});

test("without a socket an emergency goes over REST at once, and after three seconds by that one road", async () => {
  stage.rest[POSTED] = stage.rest["POST /sync"] = () => new Promise(() => undefined);
  stage.rest["POST /realtime/tickets"] = () => 503;
  const client = await stage.open();

  await client.send("flowers", HELP);
  await stage.settled();
  assert.equal(stage.all(POSTED).length, 1);
  await stage.pass(3_000);
  await stage.pass(14_000);

  assert.equal(stage.all(POSTED).length, 2);
});

test("a process that ends before REST has answered leaves an emergency to the next one, which asks at once", async () => {
  const store = new MemoryStore();
  stage.rest[POSTED] = () => new Promise(() => undefined);
  const first = await stage.open({ store });
  const id = await first.send("flowers", HELP);
  await stage.settled();
  await first.close();

  stage.rest[POSTED] = (body) => ({ ...stored(body), duplicate: true });
  const second = await stage.open({ store });

  assert.deepEqual(stage.all(POSTED).map(({ client_msg_id }) => client_msg_id), [id, id]);
  assert.deepEqual(stage.told("sent").map(({ client_msg_id }) => client_msg_id), [id]);
  assert.deepEqual(second.unsent(), []);
});

test("a server that was away is asked before anything is sent again", async () => {
  const client = await stage.live();
  await client.send("flowers", "Anybody?");
  await stage.says({ type: "error", re: stage.last("send").id, code: "unavailable", detail: "", retry_after_ms: 2_000 });

  await stage.pass(2_500);
  const before = stage.all("send").length;
  await stage.answersSync();

  assert.deepEqual(stage.all("sync").length, 2);
  assert.deepEqual([before, stage.all("send").length], [1, 2]);
});

test("what was stored more than seven days before a restore is not offered again", async () => {
  const store = new MemoryStore();
  const sent = { thread_id: "flowers", state: "sent", epoch: "a1", seq: 2, code: null };
  const days = (/** @type {number} */ n) => Date.now() - n * 24 * 3600_000;
  await store.commit([
    ["put", "outbox", 1, { ...sent, n: 1, message: { client_msg_id: "old", message: "old" }, at: days(8) }],
    ["put", "outbox", 2, { ...sent, n: 2, message: { client_msg_id: "new", message: "new" }, at: days(6) }],
  ]);

  await stage.open({ store });
  await stage.connects();
  await stage.answersSync({ epoch: "b1" });

  assert.deepEqual(stage.all("send").flatMap(({ messages }) => messages.map((/** @type {any} */ each) => each.client_msg_id)), ["new"]);
});

test("where sockets do not get through it catches up over REST, and goes on trying", async () => {
  /** @type {((value: any) => void)[]} */ const waiting = [];
  stage.rest["POST /sync"] = () => new Promise((resolve) => waiting.push(resolve));
  const client = await stage.open();
  for (let attempt = 0; attempt < 3; attempt += 1) {
    stage.sockets.at(-1).onclose();
    await stage.pass(2_000);
  }
  const synced = { type: "synced", threads: [{ thread_id: "flowers", epoch: "a1", head_seq: 1, me: {} }], gone: [], inbox_head: null, part: 1, more: false, since: "s1" };

  waiting.shift()?.({ frames: [synced] });
  await stage.settled();

  assert.equal(client.state.connection, "polling");
  assert.equal(stage.told("reset").length, 1);
  assert.deepEqual(stage.all("POST /sync").map(({ wait, since }) => [wait, since]), [[0, undefined], [20, "s1"]]);
  await stage.connects();
  await stage.answersSync();
  assert.equal(client.state.connection, "live");
  waiting.shift()?.({ frames: [] });
  await stage.settled();
  assert.equal(stage.all("POST /sync").length, 2);
});

/** Three sockets do not open; `POST /sync` is answered by `answers`, one after the other, and then never. @param {any[]} answers */
async function blocked(...answers) {
  stage.rest["POST /sync"] = () => answers.shift() ?? new Promise(() => undefined);
  const client = await stage.open();
  for (let attempt = 0; attempt < 3; attempt += 1) {
    stage.sockets.at(-1).onclose();
    await stage.pass(2_000);
  }
  return client;
}

const flowers = { thread_id: "flowers", epoch: "a1", head_seq: 1, me: { read_seq: 0 } };
const end = { type: "synced", threads: [flowers], gone: [], inbox_head: null, part: 1, more: false, since: "s1" };

/** Three sockets open, and nothing arrives on them; over REST there is nothing new. */
async function halfOpen() {
  stage.rest["POST /sync"] = ({ wait }, signal) =>
    wait ? new Promise((_, reject) => signal.addEventListener("abort", reject)) : { frames: [end], more: false };
  const client = await stage.open();
  for (const pause of [250, 500, 0]) {
    stage.sockets.at(-1).onopen();
    await stage.pass(8_000);
    await stage.pass(pause);
  }
  return client;
}

test("on a line where sockets open and nothing passes it asks over REST as soon as that is clear", async () => {
  const client = await halfOpen();

  assert.equal(client.state.connection, "polling");
  assert.deepEqual(stage.all("POST /sync").map(({ wait }) => wait), [0, 20]);
});

test("from then on no socket that only opens interrupts what goes over REST", async () => {
  stage.rest[POSTED] = stored;
  const client = await halfOpen();
  const [states, polls] = [stage.told("state").length, stage.all("POST /sync").length];

  for (let attempt = 1; attempt <= 3; attempt += 1) {
    await stage.pass(7_000);
    stage.sockets.at(-1).onopen();
    await client.send("flowers", "On my way");
    await stage.settled();
    assert.equal(stage.told("sent").length, attempt);
    await stage.pass(8_000);
  }

  assert.deepEqual(new Set(stage.told("state").slice(states).map(({ connection }) => connection)), new Set(["polling"]));
  assert.deepEqual([stage.all("POST /sync").length, stage.all("sync").length], [polls, 3]);
});

test("a socket on which something arrives takes over, and one that ends before it has synced costs no time", async () => {
  stage.rest[POSTED] = stored;
  const client = await halfOpen();
  await stage.pass(7_000);
  await stage.connects();
  assert.equal(client.state.connection, "syncing");
  await client.send("flowers", "On my way");

  stage.sockets.at(-1).onclose();
  await stage.settled();
  assert.deepEqual([stage.told("sent").length, stage.all("POST /sync").map(({ wait }) => wait)], [1, [0, 20, 0, 20]]);
  await stage.pass(7_000);
  await stage.connects();
  await stage.answersSync();

  assert.equal(client.state.connection, "live");
});

test("what a poll from before a socket still says does not count as the sync of that socket", async () => {
  for (const answer of [404, { frames: [], more: false }]) {
    /** @type {((value: any) => void)[]} */ const waiting = [];
    const client = await blocked({ frames: [end], more: false }, new Promise((resolve) => waiting.push(resolve)));
    await stage.pass(2_000);
    await stage.connects();
    await client.send("flowers", "On my way");

    waiting.shift()?.(answer);
    await stage.settled();
    assert.equal(stage.all("send").length, 0);
    await stage.pass(10_000);

    const [first, second] = stage.all("sync");
    assert.deepEqual([first.cursors, second.cursors], Array(2).fill({ flowers: { epoch: "a1", seq: 1 } }));
    await client.close();
    stage = new Stage();
  }
});

test("who was replaced asks over REST no more either", async () => {
  /** @type {((value: any) => void)[]} */ const waiting = [];
  const client = await blocked({ frames: [end], more: false }, new Promise((resolve) => waiting.push(resolve)));
  await stage.pass(2_000);
  await stage.connects();

  await stage.says({ type: "bye", code: 4009, reason: "replaced" });
  waiting.shift()?.({ frames: [end], more: false });
  await stage.pass(30_000);

  assert.equal(client.state.connection, "replaced");
  assert.equal(stage.all("POST /sync").length, 2);
});

test("an answer over REST that was cut is gone on with at once, from where it led to", async () => {
  await blocked({ frames: [], more: true }, { frames: [end], more: false });
  await stage.pass(500);

  assert.deepEqual(stage.all("POST /sync").map(({ wait, since }) => [wait, since]), [[0, undefined], [0, undefined], [20, "s1"]]);
});

test("a poll that brings nothing of what is missing is repeated later and later", async () => {
  const behind = { frames: [{ ...end, threads: [{ ...flowers, head_seq: 9 }] }], more: false };
  await blocked(...Array(20).fill(behind));
  await stage.pass(100);
  const before = stage.all("POST /sync").length;

  for (let second = 0; second < 10; second += 1) await stage.pass(1_000);

  assert.ok(stage.all("POST /sync").length - before < 8);
});

test("where sockets do not get through cursors move over REST", async () => {
  const client = await blocked({ frames: [end], more: false });
  stage.rest["PUT /threads/flowers/read"] = stage.rest["PUT /threads/flowers/delivered"] = () => ({});

  await client.read("flowers");
  await stage.pass(2_000);

  assert.deepEqual(stage.all("PUT /threads/flowers/read").map(({ epoch, seq }) => [epoch, seq]), [["a1", 1]]);
  assert.deepEqual(stage.all("PUT /threads/flowers/delivered").map(({ epoch, seq }) => [epoch, seq]), [["a1", 1]]);
});

test("over REST one cursor moves after the other, also past one that does not", async () => {
  /** @type {((status: number) => void)[]} */ const answers = [];
  const rest = new Rest("http://host/v1", () => TOKEN, () => new Promise((resolve) => answers.push((status) => resolve(Response.json({ code: "not_found" }, { status })))));
  const told = rest.tell({ action: "ack", epoch: "a1", cursors: { flowers: 1, music: 2 } });
  await stage.settled();
  assert.equal(answers.length, 1);

  answers[0]?.(404);
  await stage.settled();
  answers[1]?.(200);

  await told;
  assert.equal(answers.length, 2);
});

test("what a stranger between us and the API refuses is to be asked again", async () => {
  const rest = new Rest("http://host/v1", () => TOKEN, async () => Response.json({ message: "Forbidden" }, { status: 403 }));

  await assert.rejects(rest.request("GET", "/threads"), { status: 0, code: "unreachable", transient: true });
});

test("without any network nobody is said to be polling", async () => {
  const client = await blocked({ frames: [end], more: false }, 503);
  assert.equal(client.state.connection, "polling");
  stage.reachable = false;

  await stage.pass(5_000);

  assert.equal(client.state.connection, "waiting");
});

test("who gets no ticket is told why while he waits", async () => {
  let answer = /** @type {any} */ (401);
  stage.rest["POST /realtime/tickets"] = () => answer;
  const client = await stage.open({ token: () => "garbage", store: await anas() });
  const codes = [client.state.code];

  stage.reachable = false;
  await stage.pass(250);
  codes.push(client.state.code);
  [stage.reachable, answer] = [true, { ticket: "t", url: "ws://host/v1" }];
  await stage.pass(500);
  codes.push(client.state.code);

  assert.deepEqual(codes, ["unauthenticated", "unreachable", undefined]);
});

test("a token that the server does not take any more is given up over REST as well", async () => {
  await blocked({ frames: [end], more: false }, 422, { frames: [end], more: false });

  await stage.pass(5_000);

  assert.deepEqual(stage.all("POST /sync").map(({ since }) => since), [undefined, "s1", undefined, "s1"]);
});

test("a server that cannot be polled is not polled", async () => {
  const client = await stage.open();

  for (let attempt = 0; attempt < 5; attempt += 1) {
    stage.sockets.at(-1).onclose();
    await stage.pass(10_000);
  }

  assert.equal(stage.all("POST /sync").length, 1);
  assert.equal(client.state.connection, "connecting");
});

test("a message that waits goes over REST after three seconds without a socket", async () => {
  stage.rest["POST /threads/flowers/messages"] = ({ client_msg_id }) => ({ id: "m2", seq: 2, client_msg_id });
  stage.rest["POST /sync"] = () => ({ frames: [end], more: false });
  const client = await stage.live();
  await client.send("flowers", "On my way");
  stage.rest["POST /realtime/tickets"] = () => 503;
  stage.sockets.at(-1).onclose();
  await stage.settled();

  await stage.pass(2_900);
  assert.equal(stage.all("POST /threads/flowers/messages").length, 0);
  await stage.pass(100);

  assert.deepEqual(stage.told("sent").map(({ seq }) => seq), [2]);
  assert.deepEqual(stage.asked.map(({ action }) => action).filter((action) => /POST \/(sync|threads)/.test(action)), ["POST /sync", "POST /threads/flowers/messages"]);
  assert.equal(client.state.connection, "waiting");
});

test("what is written where there is neither a socket nor a sync over REST goes over REST all the same", async () => {
  stage.rest["POST /threads/flowers/messages"] = ({ client_msg_id }) => ({ id: "m2", seq: 2, client_msg_id });
  stage.rest["POST /realtime/tickets"] = () => 503;
  const client = await stage.open();
  await stage.pass(3_000);

  for (const text of ["one", "two"]) {
    await client.send("flowers", text);
    await stage.settled();
  }

  assert.equal(stage.told("sent").length, 2);
});

test("over REST, too, a server that was away is asked before anything is sent again, without waiting for news", async () => {
  const answers = [{ frames: [end], more: false }];
  stage.rest["POST /sync"] = (_, signal) => answers.shift() ?? new Promise((_, reject) => signal.addEventListener("abort", reject));
  const client = await stage.open();
  for (let attempt = 0; attempt < 3; attempt += 1) {
    stage.sockets.at(-1).onclose();
    await stage.pass(2_000);
  }
  stage.rest[POSTED] = () => 503;
  await client.send("flowers", "On my way");
  await stage.pass(3_000);
  stage.rest[POSTED] = stored;
  answers.push({ frames: [end], more: false });

  await stage.pass(2_000);

  assert.equal(client.state.connection, "polling");
  assert.deepEqual(stage.asked.map(({ action, wait }) => [action, wait]).filter(([action]) => /POST \/(sync|threads)/.test(action)), [
    ["POST /sync", 0], ["POST /sync", 20], [POSTED, undefined], ["POST /sync", 0], ["POST /sync", 20], [POSTED, undefined],
  ]);
});

test("who was replaced has nobody to ask, and sends what he is given over REST", async () => {
  stage.rest[POSTED] = stored;
  const client = await stage.live();
  await stage.says({ type: "bye", code: 4009, reason: "replaced" });
  await stage.pass(3_000);

  await client.send("flowers", "On my way");
  await stage.settled();

  assert.deepEqual([stage.all("POST /sync").length, stage.told("sent").length], [0, 1]);
});

test("what is stored is acknowledged, at most every two seconds", async () => {
  await stage.live();
  await stage.pushes(2);
  await stage.pushes(3);
  await stage.pass(1_999);
  assert.equal(stage.all("ack").length, 0);

  await stage.pass(1);

  assert.deepEqual(stage.all("ack"), [{ action: "ack", epoch: "a1", cursors: { flowers: 3 } }]);
});

test("an ack that was lost is said again with the next sync, until the server knows it", async () => {
  await stage.live();
  await stage.pushes(2);
  await stage.pass(2_000);

  for (const delivered_seq of [1, 2]) {
    await stage.says({ type: "me", thread_id: "flowers", changed: "place" });
    await stage.answersSync({ threads: [{ ...flowers, head_seq: 2, me: { role: "participant", read_seq: 0, delivered_seq } }] });
    await stage.pass(2_000);
  }

  assert.deepEqual(stage.all("ack").map(({ cursors }) => cursors), [{ flowers: 2 }, { flowers: 2 }]);
});

test("who only reads along says nothing of it", async () => {
  const client = await stage.open();
  await stage.connects();
  await stage.answersSync({ threads: [{ ...flowers, me: { role: null, read_seq: 0, delivered_seq: 0 } }] });

  await stage.pushes(2);
  await client.read("flowers");
  await stage.pass(2_000);

  assert.deepEqual([...stage.all("ack"), ...stage.all("read")], []);
});

test("what was read while nobody could see it is told when somebody can, unless another thread is on screen then", async () => {
  let visible = false;
  const client = await stage.live({ visible: () => visible });
  await stage.pushes(2);

  await client.focus("flowers");
  await client.read("flowers");
  await stage.pass(3_000);
  assert.deepEqual(stage.all("read"), []);
  visible = true;
  client.seen();
  assert.deepEqual(stage.all("read"), [{ action: "read", epoch: "a1", thread_id: "flowers", seq: 2 }]);
  visible = false;
  await stage.pushes(3);
  await client.read("flowers");
  await client.focus("music");
  visible = true;
  client.seen();

  assert.equal(stage.all("read").length, 1);
});

test("what was read offline is told after the next sync, until the server knows it", async () => {
  const client = await stage.live();
  await stage.pushes(2);
  stage.sockets.at(-1).onclose();
  await client.read("flowers", 2);
  await stage.pass(250);
  await stage.connects();

  await stage.answersSync();
  assert.deepEqual(stage.all("read").at(-1), { action: "read", epoch: "a1", thread_id: "flowers", seq: 2 });
  const count = stage.all("read").length;
  await stage.pass(120_000);
  await stage.answersSync({ threads: [{ thread_id: "flowers", epoch: "a1", head_seq: 2, me: { read_seq: 2 } }] });

  assert.equal(stage.all("read").length, count);
});

test("what is on screen is said at once, every four seconds while it can be seen, and on each connection", async () => {
  let visible = true;
  const client = await stage.live({ visible: () => visible });
  assert.deepEqual(stage.all("focus"), []);

  await client.focus("flowers");
  await stage.pass(4_000);
  assert.deepEqual(stage.all("focus").map(({ thread_id }) => thread_id), ["flowers", "flowers"]);
  visible = false;
  client.seen();
  await stage.pass(8_000);
  assert.deepEqual(stage.all("focus").slice(2).map(({ thread_id }) => thread_id), [null]);
  visible = true;
  stage.sockets.at(-1).onclose();
  await stage.pass(250);
  await stage.connects();

  assert.deepEqual(stage.asked.filter(({ action }) => action).slice(-3).map(({ action }) => action), ["sync", "focus", "ping"]);
  assert.equal(stage.last("focus").thread_id, "flowers");
});

test("what another device changed of one's own is asked for", async () => {
  await stage.live();
  const count = stage.all("sync").length;

  await stage.says({ type: "me", thread_id: "flowers", changed: "draft" });
  assert.equal(stage.all("sync").length, count);
  await stage.says({ type: "me", thread_id: "flowers", changed: "place" });

  assert.equal(stage.all("sync").length, count + 1);
});

test("on the day it pings as often as it is asked to and says nothing of typing, until that is over", async () => {
  const client = await stage.live();
  const day = { type: "mode", wedding_id: "w1", phase: "day_of", ping_seconds: 25, typing: false };
  const before = stage.all("ping").length;

  await stage.says(day);
  await stage.says({ ...day, wedding_id: "w2", phase: "wrap_up", ping_seconds: 55, typing: true });
  client.typing("flowers");
  for (const _ of [1, 2]) {
    await stage.pass(25_000);
    await stage.says({ type: "pong" });
  }

  assert.equal(stage.all("typing").length, 0);
  assert.equal(stage.all("ping").length, before + 3); // one at once
  await stage.says({ ...day, phase: "wrap_up", ping_seconds: 55, typing: true });
  client.typing("flowers");
  assert.equal(stage.all("typing").length, 1);
});

test("hints that the server does not know are not repeated", async () => {
  const client = await stage.live();
  client.typing("flowers");
  client.typing("flowers");
  assert.equal(stage.all("typing").length, 1);

  await stage.says({ type: "error", re: null, code: "unknown_action", detail: "There is no such action" });
  await stage.pass(3_000);
  client.typing("flowers");

  assert.equal(stage.all("typing").length, 1);
});

test("a store that takes nothing more ends it, visibly", async () => {
  const store = new MemoryStore();
  const client = await stage.live({ store });
  store.commit = () => Promise.reject(new Error("the disk is full"));

  await stage.pushes(2);

  assert.deepEqual(stage.told("event"), []);
  assert.equal(stage.told("state").at(-1).connection, "failed");
  await assert.rejects(client.send("flowers", "On my way"));
});

test("nor does it wait over REST for what it could not keep", async () => {
  /** @type {AbortSignal[]} */ const polls = [];
  const store = new MemoryStore();
  stage.rest["POST /sync"] = (_, signal) => new Promise(() => polls.push(signal));
  const client = await stage.open({ store });
  for (let attempt = 0; attempt < 3; attempt += 1) {
    stage.sockets.at(-1).onclose();
    await stage.pass(2_000);
  }
  store.commit = () => Promise.reject(new Error("the disk is full"));

  await assert.rejects(client.send("flowers", "On my way"));

  assert.deepEqual(polls.map(({ aborted }) => aborted), [true]);
});

/** A store that Ana has used. */
async function anas() {
  const store = new MemoryStore();
  await store.commit([["put", "meta", "user_id", ANA]]);
  return store;
}

test("a store belongs to one person", async () => {
  const store = new MemoryStore();
  await store.commit([["put", "meta", "user_id", "somebody else"]]);
  let closed = false;
  store.close = async () => void (closed = true);

  await assert.rejects(stage.open({ store }), /different people/);

  assert.equal(closed, true);
});

test("what is missing or no token is named when a client is opened", async () => {
  const wrong = /** @type {any[]} */ ([{ url: undefined }, { token: TOKEN }, { token: async () => "garbage" }, { token: async () => null }]);

  for (const [at, message] of [/^TypeError: url is missing/, /^TypeError: token is missing/, /names nobody/, /names nobody/].entries()) {
    await assert.rejects(stage.open(wrong[at]), message);
  }
});

test("older messages are loaded when they are asked for, and an edit on its way is not undone", async () => {
  const page = (/** @type {number[]} */ seqs, /** @type {string | null} */ next_cursor, head_seq = 9) => ({
    data: seqs.map((seq) => ({ id: `m${seq}`, thread_id: "flowers", seq, sender_id: "flora", client_msg_id: `c${seq}`, message: `old ${seq}` })),
    next_cursor, head_seq, epoch: "a1",
  });
  stage.rest["GET /threads/flowers/messages?limit=50"] = () => page([8, 9], "more");
  /** @type {(value: any) => void} */ let answer = () => {};
  stage.rest["GET /threads/flowers/messages?before_seq=8&limit=100"] = () => new Promise((resolve) => (answer = resolve));
  const client = await stage.live();

  const asked = client.messages("flowers", { limit: 10 });
  await stage.settled();
  const edited = { ...page([3], null).data[0], message: "edited" };
  await stage.says({ type: "events", thread_id: "flowers", epoch: "a1", from_seq: 10, to_seq: 10, head_seq: 10, more: false, events: [{ seq: 10, kind: "message.edited", message: edited }] });
  answer(page([3, 4], null));

  assert.deepEqual((await asked).map(({ message }) => message), ["edited", "old 4", "old 8", "old 9"]);
});

test("a limit is a positive integer", async () => {
  const client = await stage.live();

  for (const limit of /** @type {any[]} */ ([0, -1, 1.5, "x", NaN, Infinity])) {
    await assert.rejects(client.messages("flowers", { limit }), RangeError);
  }
});

test("the loop over its news ends with the client", async () => {
  const client = await stage.live();
  /** @type {string[]} */ const types = [];
  const loop = (async () => {
    for await (const { type } of client) types.push(type);
  })();

  await stage.pushes(2);
  await client.close();
  await loop;

  assert.deepEqual(types, ["event", "state"]);
});
