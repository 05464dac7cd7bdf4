/** The client against the real functions, database and gateways of the local stack. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
/** @typedef {import("node:test").TestContext} TestContext */
import { call, chaos, CONSOLE, Device, idOf, logOf, newThread, tokenOf, until } from "./stack.js";

const skip = CONSOLE ? false : "WEDSYNC_CONSOLE does not say where a stack is";
const TROUBLE = {
  drop: 0.15, duplicate: 0.1, reorder: 0.3, throttle: 0.05, lose_acks: 0.15, lose_disconnect: 0.5, half_open: 0.05, reject_upgrades: 0.2,
};

/** @type {string} */ let folder;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "wedsync-"));
});
after(() => rm(folder, { recursive: true }));

/** A device until the end of its test. @param {TestContext} t @param {string} name @param {Parameters<typeof Device.open>[1]} [options] */
async function open(t, name, options) {
  const device = await Device.open(name, options);
  t.after(() => device.close());
  return device;
}

test("on sockets that fail in every way each device ends with the log, told once and in order", { skip }, async (t) => {
  const thread = await newThread("ana", "petra", "flora");
  const file = join(folder, "flora");
  const devices = [await open(t, "ana"), await open(t, "petra"), await open(t, "petra")];
  const phone = await (await open(t, "flora", { file })).is("live");
  const talk = async (/** @type {Device[]} */ all, /** @type {number} */ from, /** @type {number} */ to) => {
    for (let n = from; n < to; n += 1) {
      for (const [index, { client }] of all.entries()) await client.send(thread, `${index}: ${n}`);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
  };

  t.after(() => chaos({}));
  await chaos({ ...TROUBLE, seed: 7 });
  await talk([...devices, phone], 0, 6);
  await chaos({ ...TROUBLE, cut: "all" });
  await phone.close();
  const all = [...devices, await open(t, "flora", { file })];
  await talk(all, 6, 12);
  await chaos({});
  await talk(all, 12, 13); // a last one to show what was lost before it

  await until(() => all.every(({ client }) => client.state.unsent === 0), "everything being sent", 60);
  const log = await logOf("ana", thread);
  assert.equal(log.length, 4 * 13);
  for (const [index, device] of all.entries()) {
    await until(async () => (await device.texts(thread)).length === log.length, `${device.name} having everything`, 60);
    assert.deepEqual(await device.texts(thread), log);
    assert.deepEqual(log.filter((text) => text.startsWith(`${index}:`)), [...Array(13).keys()].map((n) => `${index}: ${n}`));
    const told = device.of("event", thread).map(({ event }) => event.seq);
    assert.deepEqual(told, [...new Set(told)].sort((a, b) => a - b));
  }
});

describe("on the running stack", { concurrency: 3, skip }, () => {
  test("a hundred messages written offline arrive in order", async (t) => {
    const thread = await newThread("ana", "flora");
    const flora = await (await open(t, "flora")).is("live");
    const file = join(folder, "ana");
    const phone = await (await open(t, "ana", { file })).is("live");
    await phone.close();
    const texts = [...Array(100).keys()].map((n) => `number ${n}`);
    const offline = await Device.open("ana", { file, fetch: () => Promise.reject(new TypeError("no network")) });

    for (const text of texts) await offline.client.send(thread, text);
    await offline.close();
    await open(t, "ana", { file });

    await until(async () => (await flora.texts(thread)).length === 100, "flora hearing all of it");
    assert.deepEqual(await flora.texts(thread), texts);
    assert.deepEqual(await logOf("ana", thread), texts);
  });

  test("what a killed process had promised is in the log, once and in order", async (t) => {
    const thread = await newThread("ana", "flora");
    const file = join(folder, "killed");
    let promised = 0;

    for (let kill = 0; kill < 3; kill += 1) {
      const talker = spawn(process.execPath, [...process.execArgv, join(import.meta.dirname, "talker.js"), file, thread, `${promised}`]);
      let said = "";
      talker.stdout.on("data", (data) => (said += data));
      const enough = promised + 25;
      await until(() => Number(said.trim().split("\n").at(-1)) >= enough, "the talker talking");
      talker.kill("SIGKILL");
      await once(talker, "close");
      promised = Number(said.trim().split("\n").at(-1)) + 1;
    }
    const ana = await open(t, "ana", { file });

    await until(async () => (await ana.is("live")).client.state.unsent === 0, "everything being sent");
    const numbers = (await logOf("ana", thread)).map((text) => Number(text.split(" ")[1]));
    assert.deepEqual([...new Set(numbers)], [...Array(Math.max(...numbers) + 1).keys()]);
    assert.ok(numbers.length >= promised && numbers.length <= promised + 3);
    await until(async () => (await ana.texts(thread)).length === numbers.length, "it having them itself");
  });

  test("who is removed loses what he had, and who comes back gets what is his", async (t) => {
    const thread = await newThread("ana", "flora");
    const flora = await (await open(t, "flora")).is("live");
    await flora.hears("reset", thread);
    await call("ana", "POST", `/threads/${thread}/messages`, { message: "before", client_msg_id: crypto.randomUUID() });
    await flora.hears("event", thread);

    await call("ana", "DELETE", `/threads/${thread}/participants/${idOf("flora")}`);
    await flora.hears("gone", thread);
    const left = await flora.texts(thread);
    await call("ana", "POST", `/threads/${thread}/messages`, { message: "between", client_msg_id: crypto.randomUUID() });
    await call("ana", "POST", `/threads/${thread}/participants`, { user_id: idOf("flora") });
    await call("ana", "POST", `/threads/${thread}/messages`, { message: "after", client_msg_id: crypto.randomUUID() });

    assert.deepEqual(left, []);
    await until(async () => (await flora.texts(thread)).includes("after"), "flora hearing again");
    assert.deepEqual(await flora.texts(thread), ["after"]);
  });

  test("where no socket gets through messages come and go over REST", async (t) => {
    const thread = await newThread("ana", "flora");
    class NoWebSocket extends EventTarget {
      /** @type {(() => void) | null} */ onclose = null;
      constructor() {
        super();
        setTimeout(() => this.onclose?.(), 5);
      }
      close() {}
    }
    const blocked = await open(t, "ana", { WebSocket: /** @type {any} */ (NoWebSocket), random: () => 0.1 });

    for (const text of ["one", "two", "three"]) await blocked.client.send(thread, text);

    await until(() => blocked.of("sent", thread).length === 3, "three messages being stored");
    assert.deepEqual(await logOf("flora", thread), ["one", "two", "three"]);
    await blocked.is("polling");
    const { seq } = await call("flora", "POST", `/threads/${thread}/messages`, { message: "four", client_msg_id: crypto.randomUUID() });
    await until(async () => (await blocked.texts(thread)).at(-1) === "four", "a message coming over REST");
    await blocked.client.read(thread);
    await until(async () => (await call("ana", "GET", `/threads/${thread}`)).me.read_seq === seq, "it being read");
    assert.equal(blocked.client.state.connection, "polling");
  });

  test("a message too large for any frame goes and comes whole", async (t) => {
    const thread = await newThread("ana", "flora");
    const [ana, flora] = [await (await open(t, "ana")).is("live"), await (await open(t, "flora")).is("live")];
    await flora.hears("reset", thread);
    const long = "𝄞".repeat(8000);

    await ana.client.send(thread, long);

    await until(async () => (await flora.texts(thread)).length === 1, "flora hearing it");
    assert.deepEqual(await flora.texts(thread), [long]);
    assert.equal(flora.of("event", thread)[0].event.message.message, long);
  });

  test("a message that is refused fails alone, and can be discarded", async (t) => {
    const thread = await newThread("ana", "flora");
    const ana = await (await open(t, "ana")).is("live");

    const ids = await Promise.all(["one", " ", "three"].map((text) => ana.client.send(thread, text)));

    await until(() => ana.of("sent", thread).length === 2 && ana.of("failed", thread).length === 1, "three answers");
    assert.deepEqual(ana.of("failed", thread).map(({ client_msg_id, code }) => [client_msg_id, code]), [[ids[1], "invalid"]]);
    assert.deepEqual(await logOf("ana", thread), ["one", "three"]);
    await ana.client.discard(/** @type {string} */ (ids[1]));
    assert.deepEqual(ana.client.unsent(thread), []);
  });

  test("a newer connection of the same device ends the older one for good", async (t) => {
    const first = await (await open(t, "ben", { deviceId: "ben-phone" })).is("live");

    const second = await (await open(t, "ben", { deviceId: "ben-phone" })).is("live");

    await first.is("replaced");
    assert.equal(first.client.state.code, 4009);
    assert.equal(second.client.state.connection, "live");
    first.client.start();
    await first.is("live");
    await second.is("replaced");
  });

  test("a socket outlives its tokens, without a break", async (t) => {
    const thread = await newThread("ana", "flora");
    let [sockets, tokens] = [0, 0];
    const token = () => {
      tokens += 1;
      return tokenOf("flora", 3);
    };
    class Counted extends WebSocket {
      /** @param {string} url @param {string} protocol */
      constructor(url, protocol) {
        super(url, protocol);
        sockets += 1;
      }
    }
    const flora = await (await open(t, "flora", { token, WebSocket: Counted })).is("live");

    const before = tokens;
    await until(() => tokens >= before + 3, "three more tokens in their time");
    await call("ana", "POST", `/threads/${thread}/messages`, { message: "still there?", client_msg_id: crypto.randomUUID() });

    await until(async () => (await flora.texts(thread)).length === 1, "flora hearing it");
    const seen = new Set(flora.news.filter(({ type }) => type === "state").map(({ connection }) => connection));
    assert.deepEqual([...seen], ["connecting", "syncing", "live"]);
    assert.equal(sockets, 1);
  });

  test("who looks at a thread hears who is here, who types and who has read", async (t) => {
    const thread = await newThread("ana", "phil");
    const [ana, phil] = [await (await open(t, "ana")).is("live"), await (await open(t, "phil")).is("live")];

    for (const { client } of [ana, phil]) await client.focus(thread);
    await until(() => ana.of("presence", thread).some(({ user_ids }) => user_ids.length === 2), "ana seeing phil");
    phil.client.typing(thread);
    await until(() => ana.of("typing", thread).length === 1, "ana hearing phil type");
    await call("ana", "POST", `/threads/${thread}/messages`, { message: "Hello", client_msg_id: crypto.randomUUID() });
    await until(async () => (await phil.texts(thread)).length === 1, "phil hearing it");
    await phil.client.read(thread);

    await until(() => ana.of("receipt", thread).some(({ user_id, read_seq }) => user_id === idOf("phil") && read_seq > 1), "ana hearing what phil read");
    assert.equal(phil.of("typing", thread).length, 0);
  });

  test("nothing is called read that nobody can see", async (t) => {
    const thread = await newThread("ana", "flora");
    let visible = false;
    const flora = await (await open(t, "flora", { visible: () => visible })).is("live");
    await call("ana", "POST", `/threads/${thread}/messages`, { message: "Look", client_msg_id: crypto.randomUUID() });
    await until(async () => (await flora.texts(thread)).length === 1, "flora hearing it");
    const read = async () => (await call("flora", "GET", `/threads/${thread}`)).me.read_seq;

    await flora.client.focus(thread);
    await flora.client.read(thread);
    await until(async () => (await call("flora", "GET", `/threads/${thread}`)).me.delivered_seq > 1, "it being delivered");
    const unseen = await read();
    visible = true;
    await flora.client.read(thread, 1);
    flora.client.seen();

    assert.equal(unseen, 0);
    await until(async () => (await read()) > 1, "it being read");
  });
});
