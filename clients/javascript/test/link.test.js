import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Link } from "../link.js";
import { Refused } from "../rest.js";

/** @type {Socket[]} */ let sockets = [];
/** @type {any[]} */ let heard = [];
/** @type {[string, any][]} */ let states = [];
/** @type {boolean[]} */ let tickets = [];
let dice = 0.5;
let pingMs = 55_000;

class Socket {
  /** @type {any[]} */ sent = [];
  closed = false;
  /** @type {any} */ onopen;
  /** @type {any} */ onclose;
  /** @type {any} */ onmessage;

  /** @param {string} url @param {string} protocol */
  constructor(url, protocol) {
    this.url = url;
    this.protocol = protocol;
    sockets.push(this);
  }

  /** @param {string} text */
  send(text) {
    this.sent.push(JSON.parse(text));
  }

  /** @param {object} frame */
  says(frame) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  close() {
    this.closed = true;
  }
}

/** @param {{expiresIn?: number, refuse?: () => boolean}} [how] */
function link({ expiresIn = Infinity, refuse = () => false } = {}) {
  const made = new Link({
    deviceId: "ana phone",
    random: () => dice,
    pingMs: () => pingMs,
    WebSocket: /** @type {any} */ (Socket),
    ticket: async (fresh) => {
      tickets.push(fresh);
      if (refuse()) throw new Refused(0, "unreachable", 0);
      return { ticket: `t${tickets.length}`, url: "ws://host/v1", expires_at: Date.now() + expiresIn };
    },
    heard: (frame) => heard.push(frame),
    changed: (state, detail) => states.push([state, detail]),
  });
  made.start();
  return made;
}

/** The newest socket, open and alive. */
async function opened() {
  await settled();
  const socket = /** @type {Socket} */ (sockets.at(-1));
  socket.onopen();
  socket.says({ type: "pong" });
  return socket;
}

async function settled() {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
}

/** @param {number} ms */
async function pass(ms) {
  mock.timers.tick(ms);
  await settled();
}

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  [sockets, heard, states, tickets, dice, pingMs] = [[], [], [], [], 0.5, 55_000];
});
afterEach(() => mock.timers.reset());

test("a socket is opened with a ticket of its own, our sub-protocol and the device", async () => {
  link();

  const socket = await opened();

  assert.equal(socket.url, "ws://host/v1?ticket=t1&device_id=ana%20phone");
  assert.equal(socket.protocol, "wedsync.v1");
  assert.deepEqual(states.map(([state]) => state), ["connecting", "open"]);
});

test("attempts are spread over a range that doubles up to seven seconds", async () => {
  link({ refuse: () => true });
  const waits = [];

  for (let attempt = 0; attempt < 9; attempt += 1) {
    await settled();
    const [state, { retry_at }] = /** @type {[string, any]} */ (states.at(-1));
    assert.equal(state, "waiting");
    waits.push(retry_at - Date.now());
    await pass(retry_at - Date.now());
  }

  assert.deepEqual(waits, [250, 500, 1_000, 2_000, 3_500, 3_500, 3_500, 3_500, 3_500]);
});

test("only a connection that has synced makes the next failure a first one", async () => {
  const made = link();
  for (const wait of [250, 500]) {
    (await opened()).onclose();
    await pass(wait);
  }

  const socket = await opened();
  made.settled();
  socket.onclose();

  assert.equal(/** @type {any} */ (states.at(-1))[1].retry_at - Date.now(), 250);
});

test("a bye says when to come back", async () => {
  link();
  const socket = await opened();

  socket.says({ type: "bye", code: 4010, reason: "drain", retry: { min_ms: 1000, max_ms: 20_000 } });

  assert.equal(socket.closed, true);
  assert.deepEqual(states.at(-1), ["waiting", { retry_at: Date.now() + 10_500, code: 4010 }]);
  await pass(10_499);
  assert.equal(sockets.length, 1);
  await pass(1);
  assert.equal(sockets.length, 2);
});

test("a bye because of the token asks for a new one", async () => {
  link();

  (await opened()).says({ type: "bye", code: 4001, reason: "", retry: { min_ms: 0, max_ms: 1000 } });
  await pass(500);

  assert.deepEqual(tickets, [false, true]);
});

test("who was replaced does not come back by himself", async () => {
  const made = link();

  (await opened()).says({ type: "bye", code: 4009, reason: "" });
  made.hurry();
  await pass(10 * 3600_000);

  assert.deepEqual(states.at(-1), ["replaced", { code: 4009 }]);
  assert.equal(sockets.length, 1);
});

test("a new socket is opened before the gateway ends the old one after two hours", async () => {
  link();
  const old = await opened();
  for (let minute = 0; minute < 104; minute += 1) {
    await pass(60_000);
    old.says({ type: "pong" });
  }

  const fresh = await opened();

  assert.notEqual(fresh, old);
  assert.equal(old.closed, false);
  old.says({ type: "bye", code: 4009, reason: "this device has a newer one" });
  old.says({ type: "events", n: 1 });
  fresh.says({ type: "events", n: 2 });
  assert.deepEqual(heard.map(({ n }) => n), [1, 2]);
  assert.equal(states.at(-1)?.[0], "open");
});

test("the bye that our own new socket causes may come before that socket is open", async () => {
  const made = link();
  const old = await opened();
  made.renew();
  await settled();

  old.says({ type: "bye", code: 4009, reason: "this device has a newer one" });
  const fresh = await opened();

  assert.equal(made.send({ action: "ping" }), true);
  assert.deepEqual(fresh.sent, [{ action: "ping" }, { action: "ping" }]);
  assert.deepEqual(states.map(([state]) => state), ["connecting", "open", "open"]);
});

test("a renewal that fails leaves the old socket alone and is tried again", async () => {
  let refused = false;
  const made = link({ refuse: () => refused });
  const old = await opened();
  refused = true;

  made.renew();
  await settled();

  assert.equal(old.closed, false);
  assert.equal(made.send({ action: "ping" }), true);
  refused = false;
  await pass(250);
  assert.equal(sockets.length, 2);
});

test("a renewal that another one overtakes is let go of", async () => {
  const made = link();
  await opened();
  for (const _ of [1, 2]) {
    made.renew();
    await settled();
  }

  assert.deepEqual(sockets.map(({ closed }) => closed), [false, true, false]);
});

/** @param {Socket} socket @param {number} minutes */
async function minutes(socket, minutes) {
  for (let minute = 0; minute < minutes; minute += 1) {
    await pass(60_000);
    socket.says({ type: "pong" });
  }
}

/** @param {Socket} socket */
const handedIn = ({ sent }) => sent.filter(({ action }) => action === "auth");

test("a minute before the token expires another ticket is handed in on the open socket", async () => {
  link({ expiresIn: 600_000 });
  const socket = await opened();

  await minutes(socket, 9);

  assert.deepEqual(tickets, [false, true]);
  assert.deepEqual(handedIn(socket), [{ action: "auth", id: "auth", ticket: "t2" }]);
  socket.says({ type: "auth_ok", re: "auth", expires_at: new Date(Date.now() + 600_000).toISOString() });
  await minutes(socket, 9);
  assert.equal(handedIn(socket).length, 2);
  assert.equal(sockets.length, 1);
});

test("the server may say that it is time, and is answered once", async () => {
  link({ expiresIn: 3600_000 });
  const socket = await opened();

  for (let sync = 0; sync < 2; sync += 1) socket.says({ type: "auth_expiring", expires_at: "2026-06-13T15:00:00.000Z" });
  await settled();

  assert.equal(handedIn(socket).length, 1);
  assert.deepEqual(heard, []);
});

test("a token that is no newer is asked for again after half of what is left", async () => {
  link({ expiresIn: 120_000 });
  const socket = await opened();
  const expires_at = new Date(Date.now() + 120_000).toISOString();
  await minutes(socket, 1);

  socket.says({ type: "auth_ok", re: "auth", expires_at });
  await pass(29_999);
  assert.equal(tickets.length, 2);
  await pass(1);

  assert.equal(tickets.length, 3);
});

test("a clock that takes every token for over waits until the server says that it is time", async () => {
  link({ expiresIn: -600_000 });
  const socket = await opened();

  await minutes(socket, 1);
  assert.deepEqual(handedIn(socket), []);
  socket.says({ type: "auth_expiring", expires_at: "2026-06-13T15:00:00.000Z" });
  await settled();
  socket.says({ type: "auth_ok", re: "auth", expires_at: new Date(Date.now() - 300_000).toISOString() });
  await minutes(socket, 1);

  assert.equal(handedIn(socket).length, 1);
});

test("a renewal that is refused, or not answered, opens a new socket with a new token", async () => {
  for (const refuse of [true, false]) {
    [sockets, tickets] = [[], []];
    const made = link({ expiresIn: 3600_000 });
    const old = await opened();
    old.says({ type: "auth_expiring", expires_at: "2026-06-13T15:00:00.000Z" });
    await settled();

    if (refuse) old.says({ type: "error", re: "auth", code: "invalid" });
    else await pass(8_000);
    const fresh = await opened();

    assert.notEqual(fresh, old);
    assert.deepEqual(tickets, [false, true, true]);
    made.stop();
  }
});

test("a renewal for which there is no ticket is left to a new socket, and stays away from it", async () => {
  let refused = false;
  link({ expiresIn: 3600_000, refuse: () => refused });
  const old = await opened();
  refused = true;

  old.says({ type: "auth_expiring", expires_at: "2026-06-13T15:00:00.000Z" });
  await settled();
  refused = false;
  await pass(250);

  assert.deepEqual(handedIn(old), []);
  assert.equal(sockets.length, 2);
});

test("a socket that answers no ping is given up", async () => {
  link();
  const socket = await opened();

  await pass(55_000);
  assert.deepEqual(socket.sent, [{ action: "ping" }, { action: "ping" }]);
  await pass(8_000);

  assert.equal(socket.closed, true);
  assert.equal(states.at(-1)?.[0], "waiting");
});

test("a socket that is dead from its first moment is given up after eight seconds", async () => {
  link();
  await settled();
  /** @type {Socket} */ (sockets.at(-1)).onopen();

  await pass(8_000);

  assert.equal(states.at(-1)?.[0], "waiting");
});

test("when the network is back nobody waits, but not everybody comes at once", async () => {
  const made = link({ refuse: () => tickets.length < 8 });
  for (let attempt = 0; attempt < 7; attempt += 1) await pass(15_000);
  dice = 0.9;

  made.hurry();
  await pass(450);

  assert.equal(sockets.length, 1);
});

test("a network that lets no socket through is noticed", async () => {
  const made = link();

  for (const wait of [0, 250, 500]) {
    await pass(wait);
    assert.equal(made.blocked, false);
    sockets.at(-1)?.onclose();
  }

  assert.equal(made.blocked, true);
});

test("that there is no network at all says nothing of sockets", async () => {
  const made = link({ refuse: () => true });

  for (const wait of [0, 250, 500, 1_000, 2_000]) await pass(wait);

  assert.equal(made.blocked, false);
});

test("a network that opens sockets and lets nothing through them is noticed, until one has proved itself", async () => {
  const made = link();
  for (const wait of [0, 1_000, 2_000]) {
    await pass(wait);
    assert.equal(made.blocked, false);
    sockets.at(-1)?.onopen();
    await pass(8_000); // no pong
  }
  assert.equal(made.blocked, true);
  await pass(120_000);

  await opened();
  assert.equal(made.blocked, true);
  made.settled();

  assert.equal(made.blocked, false);
});

/** Three sockets open, and nothing arrives on them. */
async function nothingPasses() {
  for (const wait of [0, 250, 500]) {
    await pass(wait);
    sockets.at(-1)?.onopen();
    await pass(8_000);
  }
  await pass(1_000);
}

test("once sockets were found to bring nothing, one that opens is none until something arrives on it", async () => {
  const made = link();
  await nothingPasses();
  const before = states.length;
  const socket = /** @type {Socket} */ (sockets.at(-1));

  socket.onopen();
  assert.deepEqual([socket.sent, states.slice(before), made.send({ action: "ack" })], [[{ action: "ping" }], [], false]);
  await pass(7_999);
  socket.says({ type: "events", n: 1 });

  assert.deepEqual([states.at(-1)?.[0], heard], ["open", [{ type: "events", n: 1 }]]);
  assert.equal(made.blocked, true);
});

test("where nothing arrives on it either the attempt has failed", async () => {
  link();
  await nothingPasses();
  const before = states.length;
  const socket = /** @type {Socket} */ (sockets.at(-1));

  socket.onopen();
  await pass(8_000);

  assert.equal(socket.closed, true);
  assert.deepEqual(states.slice(before).map(([state]) => state), ["waiting"]);
});

test("nor is a bye that only asks to come again, which it may do each time", async () => {
  link();
  await nothingPasses();
  const before = states.length;
  const socket = /** @type {Socket} */ (sockets.at(-1));

  socket.onopen();
  socket.says({ type: "bye", code: 4010, reason: "drain", retry: { min_ms: 0, max_ms: 0 } });
  assert.deepEqual([socket.closed, states.length], [true, before]);
  socket.onclose();

  assert.deepEqual(states.slice(before).map(([state, { code }]) => [state, code]), [["waiting", undefined]]);
});

test("but one for good counts wherever it is said", async () => {
  link();
  await nothingPasses();
  const socket = /** @type {Socket} */ (sockets.at(-1));

  socket.onopen();
  socket.says({ type: "bye", code: 4009, reason: "replaced" });

  assert.deepEqual(states.at(-1), ["replaced", { code: 4009 }]);
});

test("who stops lets go of a socket that is only about to open, or to prove itself", async () => {
  const made = link();
  await nothingPasses();
  const proving = /** @type {Socket} */ (sockets.at(-1));
  proving.onopen();
  made.stop();
  made.start();
  await settled();
  made.stop();

  assert.deepEqual([proving.closed, sockets.at(-1)?.closed, sockets.length], [true, true, 5]);
});

test("an error of the gateway itself, which has no type, is told as ours", async () => {
  link();

  (await opened()).says({ message: "Internal server error", connectionId: "x", requestId: "y" });

  assert.deepEqual(heard, [{ type: "error", code: "internal" }]);
});
