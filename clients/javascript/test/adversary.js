/**
 * Devices that keep the rules on a network that keeps none: frames are lost, repeated, late and out of order, answers
 * never come, processes die, the database is restored to an earlier moment. One seed, one history.
 */

import assert from "node:assert/strict";
import { ServerModel } from "./server-model.js";

const PEOPLE = ["ana", "petra", "flora"];
const PAGE = 12;

/** @param {number} seed @returns {() => number} mulberry32 */
function randomness(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A device: the rules under test, a store, and what its application has made of the news. */
export class Device {
  /** @type {any} */ replica;
  /** @type {any} */ outbox;
  /** @type {{meta: any, threads: Map<string, any>, outbox: Map<number, any>, messages: Map<string, Map<number, any>>}} */
  store = { meta: {}, threads: new Map(), outbox: new Map(), messages: new Map() };
  /** @type {Map<string, Map<number, any>>} what the application shows */
  view = new Map();
  /** @type {Map<string, string>} the last event it heard, by thread */
  last = new Map();
  /** @type {Set<string>} */ acknowledged = new Set();
  first = true;
  syncs = 0;

  /** @param {any} rules @param {string} person */
  constructor(rules, person) {
    this.rules = rules;
    this.person = person;
    this.restart();
  }

  /** The process died: what was stored is all there is. */
  restart() {
    const { meta, threads, outbox } = structuredClone(this.store);
    const saved = { since: meta.since ?? null, epoch: meta.epoch ?? null, threads: [...threads.values()] };
    this.replica = new this.rules.Replica(saved, this.person);
    this.outbox = new this.rules.Outbox([...outbox.values()]);
    this.first = true;
    this.view = structuredClone(this.store.messages);
  }

  /** @param {{writes: any[], news: any[]}} outcome */
  settle({ writes, news }) {
    for (const [act, collection, key, value] of structuredClone(writes)) {
      if (act === "drop") this.store.messages.delete(collection);
      else if (collection === "meta") this.store.meta[key] = value;
      else if (collection === "messages") row(this.store.messages, key[0]).set(key[1], value);
      else if (act === "put") /** @type {any} */ (this.store)[collection].set(key, value);
      else /** @type {any} */ (this.store)[collection].delete(key);
    }
    for (const each of news) this.#hear(each);
  }

  /** @param {any} news */
  #hear({ type, thread_id, event, messages, client_msg_id }) {
    if (type === "sent") this.acknowledged.add(`${thread_id} ${client_msg_id}`);
    if (type === "synced") this.settle(this.outbox.reoffer(this.replica.epoch));
    if (type === "gone") this.view.delete(thread_id);
    if (type === "reset") this.view.set(thread_id, new Map(messages.map((/** @type {any} */ each) => [each.seq, each])));
    if (type !== "event") return;
    const { epoch, from } = this.replica.thread(thread_id);
    const [lastEpoch, lastSeq] = (this.last.get(thread_id) ?? " 0").split(" ");
    assert.ok(epoch !== lastEpoch || event.seq > Number(lastSeq), `${this.person} heard ${event.seq} after ${lastSeq}`);
    this.last.set(thread_id, `${epoch} ${event.seq}`);
    if (event.message && event.message.seq >= from) row(this.view, thread_id).set(event.message.seq, event.message);
    if (event.kind === "participant.added" && event.participant.user_id === this.person) this.view.delete(thread_id);
  }
}

/** @param {Map<string, Map<number, any>>} rows @param {string} id */
function row(rows, id) {
  if (!rows.has(id)) rows.set(id, new Map());
  return /** @type {Map<number, any>} */ (rows.get(id));
}

/** Plays one history to its end. @param {any} rules `{Replica, Outbox}` @param {number} seed @param {number} steps */
export function play(rules, seed, steps) {
  const game = new Game(rules, randomness(seed));
  for (let step = 0; step < steps; step += 1) game.step();
  game.calm();
  return game;
}

class Game {
  server = new ServerModel();
  /** @type {{at: number, act: () => void}[]} */ network = [];
  now = 0;
  count = 0;
  restores = 0;
  lossy = true;

  /** @param {any} rules @param {() => number} random */
  constructor(rules, random) {
    this.random = random;
    this.devices = [...PEOPLE, "ana"].map((person) => new Device(rules, person));
    for (const id of ["flowers", "music"]) this.server.create(id, PEOPLE);
  }

  /** @param {number} chance */
  maybe(chance) {
    return this.random() < chance;
  }

  /** @template T @param {T[]} list @returns {T} */
  pick(list) {
    return /** @type {T} */ (list[Math.floor(this.random() * list.length)]);
  }

  /** Later, perhaps twice, perhaps never. @param {() => void} act */
  deliver(act) {
    if (this.lossy && this.maybe(0.15)) return;
    const times = this.lossy && this.maybe(0.1) ? 2 : 1;
    for (let time = 0; time < times; time += 1) {
      this.network.push({ at: this.now + (this.lossy ? this.random() * 8 : 0), act });
    }
  }

  /** @param {string} id @param {number[]} seqs */
  push(id, seqs) {
    if (this.lossy && this.maybe(0.1)) return; // killed after its commit
    for (const device of this.devices) {
      for (const seq of seqs) {
        const frame = structuredClone(this.server.push(id, seq, device.person));
        if (frame) this.deliver(() => device.settle(device.replica.take(structuredClone(frame))));
      }
    }
  }

  step() {
    this.now += 1;
    const due = this.network.filter(({ at }) => at <= this.now);
    this.network = this.network.filter(({ at }) => at > this.now);
    for (const { act } of due.sort((a, b) => a.at - b.at)) act();
    const device = this.pick(this.devices);
    if (this.maybe(0.4)) this.write(device);
    if (this.maybe(0.1)) this.edit();
    if (this.maybe(0.03)) this.reshuffle();
    if (this.maybe(0.03)) device.restart();
    if (this.maybe(0.01)) {
      this.server.restore(Math.floor(this.random() * 6));
      this.restores += 1;
    }
    for (const each of this.devices) this.work(each);
    for (const each of this.devices) check(each);
  }

  /** Everything arrives from now on; ends when nobody has anything left to do. */
  calm() {
    this.lossy = false;
    // Who sees no thread at all hears of a restore by naming what he has: on his next connection.
    for (const device of this.devices) device.first = device.person === "flora";
    for (let round = 0; round < 20; round += 1) {
      this.now += 10;
      while (this.network.length) for (const { act } of this.network.splice(0)) act();
      for (const device of this.devices) this.work(device, true);
    }
  }

  /** @param {Device} device */
  write(device) {
    const threads = device.replica.threads.filter((/** @type {any} */ each) => !each.stale);
    if (!threads.length) return;
    this.count += 1;
    const urgent = this.count % 5 === 0 && { priority_level: "emergency" };
    const message = { client_msg_id: `m${this.count}`, message: `text ${this.count}`, ...urgent };
    device.settle(device.outbox.add(this.pick(threads).thread_id, message, this.now));
  }

  edit() {
    const id = this.pick([...this.server.threads.keys()]);
    const seqs = this.server.visible(id, "ana").map((/** @type {any} */ each) => each.seq);
    if (seqs.length) this.push(id, [this.server.edit(id, this.pick(seqs), `edited ${this.now}`)]);
  }

  /** Somebody is removed, or comes back. */
  reshuffle() {
    const id = this.pick([...this.server.threads.keys()]);
    if (!this.server.sees(id, "flora")) {
      this.push(id, [this.server.add(id, "flora", this.maybe(0.5) ? "all" : "none")]);
      return;
    }
    this.push(id, [this.server.remove(id, "flora")]);
    const [device] = this.devices.filter(({ person }) => person === "flora");
    this.deliver(() => device?.settle(device.replica.take({ type: "access", thread_id: id, state: "revoked" })));
  }

  /** What the client's timers and answers would make it do. @param {Device} device @param {boolean} [surely] */
  work(device, surely = false) {
    const { replica, outbox } = device;
    if (replica.syncing && (surely || this.maybe(0.1))) replica.syncEnded();
    if (!replica.syncing && (device.first || surely || (replica.incomplete && this.maybe(0.4)) || this.maybe(0.02))) this.sync(device);
    for (const asked of replica.stale()) if (surely || this.maybe(0.5)) this.load(device, asked);
    for (const id of this.server.threads.keys()) if (surely || this.maybe(0.1)) outbox.land(id); // no answer in time
    for (const { thread_id } of outbox.emergencies()) if (surely || this.maybe(0.5)) this.post(device, outbox.urgent(thread_id)[0]);
    for (const batch of outbox.ready()) if (surely || this.maybe(0.5)) this.send(device, batch);
  }

  /** @param {Device} device */
  sync(device) {
    const asked = structuredClone(device.replica.sync(`s${(device.syncs += 1)}-${this.now}`, device.first));
    device.first = false;
    const { replica } = device;
    this.deliver(() => {
      const frames = structuredClone(this.server.sync(device.person, asked, 7));
      const cut = this.lossy && this.maybe(0.2) ? Math.floor(this.random() * frames.length) : frames.length;
      const take = (/** @type {any} */ frame) => replica === device.replica && device.settle(replica.take(structuredClone(frame)));
      for (const frame of frames.slice(0, cut)) this.deliver(() => take(frame));
    });
  }

  /** @param {Device} device @param {{thread_id: string, generation: number, signs: number}} asked */
  load(device, { thread_id, generation, signs }) {
    const { replica } = device;
    this.deliver(() => {
      const page = structuredClone(this.server.page(thread_id, device.person, PAGE));
      this.deliver(() => {
        if (replica !== device.replica) return;
        device.settle(page ? replica.loaded(thread_id, generation, structuredClone(page)) : replica.missing(thread_id, signs));
      });
    });
  }

  /** Over REST, beside what is under way. @param {Device} device @param {any} entry */
  post(device, entry) {
    const { outbox } = device;
    const message = structuredClone(entry.message);
    this.deliver(() => {
      const answer = this.server.send(entry.thread_id, device.person, [message]);
      if (answer) this.push(entry.thread_id, answer.seqs);
      const refused = { client_msg_id: message.client_msg_id, status: "error", id: null, seq: null, code: "not_found" };
      const [result] = answer?.results ?? [refused];
      this.deliver(() => outbox === device.outbox && device.settle(outbox.confirm(entry, answer?.epoch ?? "", result, this.now)));
    });
  }

  /** @param {Device} device @param {any} batch */
  send(device, batch) {
    const { outbox, replica } = device;
    outbox.launch(batch);
    const messages = structuredClone(batch.entries.map((/** @type {any} */ entry) => entry.message));
    const lost = this.lossy && this.maybe(0.2);
    this.deliver(() => {
      const answer = this.server.send(batch.thread_id, device.person, messages);
      if (answer) this.push(batch.thread_id, answer.seqs);
      if (outbox !== device.outbox) return;
      if (lost) outbox.land(batch.thread_id);
      else if (!answer) device.settle(outbox.refuse(batch.thread_id, "not_found"));
      else {
        device.settle(outbox.settle(batch.thread_id, answer.epoch, answer.results, this.now));
        replica.heard(batch.thread_id, answer.epoch, Math.max(...answer.results.map(({ seq }) => seq)));
      }
    });
  }
}

/** @param {Device} device */
function check(device) {
  const threads = device.replica.threads.filter((/** @type {any} */ each) => !each.stale);
  for (const { thread_id } of threads) {
    const stored = [...(device.store.messages.get(thread_id)?.values() ?? [])].sort((a, b) => a.seq - b.seq);
    const shown = [...(device.view.get(thread_id)?.values() ?? [])].sort((a, b) => a.seq - b.seq);
    assert.deepEqual(shown, stored, `${device.person} shows what is not stored`);
    assert.equal(new Set(stored.map(({ id }) => id)).size, stored.length, `${device.person} has a message twice`);
  }
}
