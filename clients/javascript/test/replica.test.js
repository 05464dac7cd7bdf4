import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile, cp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { pathToFileURL } from "node:url";
import { Outbox } from "../outbox.js";
import { Replica } from "../replica.js";
import { play } from "./adversary.js";

const SEEDS = Number(process.env.SEEDS ?? 100);
const HERE = new URL("..", import.meta.url).pathname;

/** After everything has arrived: the log, inside each person's windows and loaded range; nothing acknowledged lost. @param {any} game */
function assertWhole({ server, devices }) {
  for (const device of devices) {
    for (const [id] of server.threads) {
      const thread = device.replica.thread(id);
      if (!server.sees(id, device.person)) {
        assert.equal(thread, undefined, `${device.person} still has ${id}`);
        assert.equal(device.store.messages.has(id), false);
        continue;
      }
      assert.ok(thread && !thread.stale, `${device.person} has not loaded ${id}`);
      const expected = server.visible(id, device.person).filter((/** @type {any} */ each) => each.seq >= thread.from);
      const stored = [...(device.store.messages.get(id)?.values() ?? [])].sort((a, b) => a.seq - b.seq);
      assert.deepEqual(stored, expected, `${device.person} has something else in ${id}`);
      assert.equal(thread.seq, server.threads.get(id).log.length);
    }
    const queued = device.outbox.waiting().filter((/** @type {any} */ each) => each.state === "queued");
    assert.deepEqual(queued, [], `${device.person} still has something to send`);
    for (const each of device.acknowledged) {
      const [id, cmid] = each.split(" ");
      const log = server.threads.get(id)?.log ?? [];
      const times = log.filter((/** @type {any} */ event) => event.kind === "message.created" && event.message.client_msg_id === cmid).length;
      assert.ok(times === 1 || (times === 0 && device.person === "flora"), `${each} is there ${times} times`);
    }
  }
}

test("nothing is lost, told twice or out of order, whatever the network does", () => {
  let [messages, restores] = [0, 0];

  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const game = play({ Replica, Outbox }, seed, 50 + ((seed * 37) % 250));
    assertWhole(game);
    messages += game.count;
    restores += game.restores;
  }

  assert.ok(messages > SEEDS * 30 && restores > SEEDS / 2, `${messages} messages, ${restores} restores`);
});

test("an answer counts when all its parts are here, in any order, and not before", () => {
  const replica = new Replica({ since: "s0", epoch: "a1", threads: [] }, "ana");
  replica.sync("c1", true);
  const part = (/** @type {number} */ number, /** @type {string | null} */ since = null) =>
    replica.take({ type: "synced", re: "c1", threads: [], gone: [], inbox_head: null, part: number, more: !since, since });
  const types = (/** @type {import("../protocol.js").Outcome} */ { news }) => news.map(({ type }) => type);

  const early = [part(1), part(3, "s9"), part(1)];

  assert.deepEqual(early.flatMap(types), []);
  assert.deepEqual([replica.syncing, replica.since], [true, "s0"]);
  assert.deepEqual(types(part(2)), ["synced"]);
  assert.deepEqual([replica.syncing, replica.since], [false, "s9"]);
  assert.deepEqual(types(part(3, "s9")), []);
});

/** What makes it hold: without any one of these rules some history breaks. */
const RULES = [
  ["dedupe", "thread-log.js", "if (lastOf(event) <= record.seq) waiting.delete(seq)", "if (false) waiting.delete(seq)",
    "waiting.get(next) ??", "[...waiting.values()][0] ??"],
  ["the gap buffer", "thread-log.js", "waiting.get(next) ??", "[...waiting.values()].sort((a, b) => a.seq - b.seq)[0] ??"],
  ["the epoch", "thread-log.js", "if (frame.epoch !== record.epoch && !record.stale) return false;", "",
    "if (this.#waitingEpoch !== record.epoch) waiting.clear();", ""],
  ["the same client_msg_id again", "outbox.js", "this.#flying.delete(threadId);\n  }\n\n  /**\n   * The answer",
    "this.#flying.get(threadId)?.entries.forEach((e) => (e.message = { ...e.message, client_msg_id: Math.random() }));\n    this.#flying.delete(threadId);\n  }\n\n  /**\n   * The answer"],
  ["offering again after a restore", "outbox.js", "if (!again.length) return out;", "if (again) return out;"],
  ["loading anew after joining", "thread-log.js", "event.participant?.user_id === this.#userId", "false"],
  ["loading anew after resync_required", "replica.js", "log.spoil(frame.reason, false, out);", ""],
  ["keeping the token until the last page", "replica.js", "const out = nothing();\n    if (frame.type", "const out = nothing();\n    if (frame.type === 'events' && frame.re) this.since = `${frame.epoch}:99999`;\n    if (frame.type"],
  ["forgetting what was revoked", "replica.js", 'log.spoil("revoked", true, out);', ""],
];

for (const [name, file, ...changes] of /** @type {[string, string, ...string[]][]} */ (RULES)) {
  test(`without ${name} it would not hold`, async (t) => {
    const copy = await mkdtemp(join(tmpdir(), "wedsync-"));
    t.after(() => rm(copy, { recursive: true }));
    for (const each of ["protocol.js", "thread-log.js", "replica.js", "outbox.js"]) await cp(join(HERE, each), join(copy, each));
    await writeFile(join(copy, "package.json"), '{"type": "module"}');
    let source = await readFile(join(copy, file), "utf8");
    for (let at = 0; at < changes.length; at += 2) {
      assert.ok(source.includes(/** @type {string} */ (changes[at])), `${file} has no ${changes[at]}`);
      source = source.replace(/** @type {string} */ (changes[at]), /** @type {string} */ (changes[at + 1]));
    }
    await writeFile(join(copy, file), source);
    const { Replica: WithoutRule } = await import(pathToFileURL(join(copy, "replica.js")).href);
    const { Outbox: WithoutIt } = await import(pathToFileURL(join(copy, "outbox.js")).href);

    const caught = () => {
      for (let seed = 1; seed <= 150; seed += 1) assertWhole(play({ Replica: WithoutRule, Outbox: WithoutIt }, seed, 50 + ((seed * 37) % 250)));
    };

    assert.throws(caught, assert.AssertionError);
  });
}
