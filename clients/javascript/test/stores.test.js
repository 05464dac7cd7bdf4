import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after, before, describe, test } from "node:test";
import { FileStore } from "../file-store.js";
import { IndexedDbStore, MemoryStore } from "../stores.js";
/** @typedef {import("../protocol.js").Write} Write */

/** @type {string} */ let folder;
let names = 0;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "wedsync-"));
});
after(() => rm(folder, { recursive: true }));

/** @returns {typeof import("fake-indexeddb") | null} */
function fakeIndexedDb() {
  try {
    return createRequire(import.meta.url)("fake-indexeddb");
  } catch {
    return null;
  }
}

const fake = fakeIndexedDb();
if (fake) Object.assign(globalThis, { IDBKeyRange: fake.IDBKeyRange });

/** Each opens a store, new or once more by its name. @type {Record<string, ((name: string) => Promise<import("../stores.js").Store>) | null>} */
const STORES = {
  "in memory": async () => new MemoryStore(),
  "in a file": (name) => FileStore.open(join(folder, name)),
  "in the browser": fake && ((name) => IndexedDbStore.open(name, { factory: fake.indexedDB })),
};

/** @param {string} thread @param {number} seq */
const message = (thread, seq, text = `text ${seq}`) => ({
  id: `${thread}-${seq}`, thread_id: thread, seq, sender_id: "ana", client_msg_id: `c${seq}`, message: text,
});
/** @param {string} thread @param {number} seq @returns {Write} */
const put = (thread, seq, text = `text ${seq}`) => ["put", "messages", [thread, seq], message(thread, seq, text)];

for (const [where, open] of Object.entries(STORES)) {
  describe(where, { skip: open ? false : "fake-indexeddb is not installed: make js" }, () => {
    const fresh = async () => /** @type {NonNullable<typeof open>} */ (open)(`store-${(names += 1)}`);

    test("a new store is empty", async () => {
      const store = await fresh();

      assert.deepEqual(await store.read(), { meta: {}, threads: [], outbox: [] });
      assert.deepEqual(await store.messages("flowers", Infinity, 10), []);
      await store.close();
    });

    test("what was written is read, what was deleted is not", async () => {
      const store = await fresh();
      await store.commit([["put", "meta", "since", "t1"], ["put", "threads", "flowers", { seq: 1 }], ["put", "outbox", 1, { n: 1 }]]);

      await store.commit([["put", "threads", "flowers", { seq: 2 }], ["delete", "outbox", 1], ["put", "outbox", 2, { n: 2 }]]);

      assert.deepEqual(await store.read(), { meta: { since: "t1" }, threads: [{ seq: 2 }], outbox: [{ n: 2 }] });
      await store.close();
    });

    test("messages come by thread, the last ones before a seq, ascending and replaced", async () => {
      const store = await fresh();
      await store.commit([put("flowers", 10), put("flowers", 9), put("flowers", 2), put("music", 3), put("flowers", 9, "edited")]);

      const seqs = async (/** @type {number} */ beforeSeq, /** @type {number} */ limit) =>
        (await store.messages("flowers", beforeSeq, limit)).map(({ seq }) => seq);

      assert.deepEqual(await seqs(Infinity, 10), [2, 9, 10]);
      assert.deepEqual(await seqs(Infinity, 2), [9, 10]);
      assert.deepEqual(await seqs(9, 10), [2]);
      assert.equal((await store.messages("flowers", 10, 1))[0]?.message, "edited");
      await store.close();
    });

    test("a thread's messages are dropped, in order with what else is written, and no other's", async () => {
      const store = await fresh();
      await store.commit([put("flowers", 1), put("music", 1)]);

      await store.commit([put("flowers", 2), ["drop", "flowers"], put("flowers", 3)]);

      assert.deepEqual(await store.messages("flowers", Infinity, 10), [message("flowers", 3)]);
      assert.deepEqual(await store.messages("music", Infinity, 10), [message("music", 1)]);
      await store.close();
    });

    test("what changes after it was handed over or read changes nothing", async () => {
      const store = await fresh();
      const thread = { seq: 1 };
      await store.commit([["put", "threads", "flowers", thread]]);

      thread.seq = 2;
      Object.assign(/** @type {object} */ ((await store.read()).threads[0]), { seq: 3 });

      assert.deepEqual((await store.read()).threads, [{ seq: 1 }]);
      await store.close();
    });
  });
}

for (const where of ["in a file", "in the browser"]) {
  const open = STORES[where];
  test(`what was written ${where} is there when it is opened again`, { skip: open ? false : "fake-indexeddb is not installed: make js" }, async () => {
    const first = await /** @type {NonNullable<typeof open>} */ (open)("kept");
    await first.commit([["put", "meta", "since", "t1"], put("flowers", 1), ["put", "outbox", 7, { n: 7 }]]);
    await first.close();

    const again = await /** @type {NonNullable<typeof open>} */ (open)("kept");

    assert.deepEqual(await again.read(), { meta: { since: "t1" }, threads: [], outbox: [{ n: 7 }] });
    assert.deepEqual(await again.messages("flowers", Infinity, 10), [message("flowers", 1)]);
    await again.close();
  });
}

test("a second tab waits until the first has closed the store", { skip: fake && globalThis.navigator?.locks ? false : "no locks, or no IndexedDB" }, async () => {
  const how = { factory: /** @type {NonNullable<typeof fake>} */ (fake).indexedDB };
  const first = await IndexedDbStore.open("shared", how);
  /** @type {string[]} */ const happened = [];

  const waiting = () => {
    happened.push("waits");
    void first.commit([["put", "meta", "since", "t1"]]).then(() => first.close()).then(() => happened.push("closed"));
  };

  const second = await IndexedDbStore.open("shared", { ...how, waiting });

  assert.deepEqual(happened, ["waits", "closed"]);
  assert.equal((await second.read()).meta.since, "t1");
  await second.close();
  await (await IndexedDbStore.open("shared", how)).close();
});

test("a transaction that a crash cut short never happened, wherever it was cut", async () => {
  const path = join(folder, "torn");
  const store = await FileStore.open(path);
  await store.commit([["put", "meta", "since", "whole"]]);
  await store.close();
  const whole = (await readFile(path)).length;
  const torn = '[["put","meta","since","torn"],["put","meta","epoch","a1"]]';

  for (let cut = 1; cut <= torn.length; cut += 7) {
    await truncate(path, whole);
    await appendFile(path, torn.slice(0, cut));
    const again = await FileStore.open(path);
    assert.deepEqual((await again.read()).meta, { since: "whole" });
    await again.close();
  }
});

test("a journal is written anew when it is opened, so that it does not grow for ever", async () => {
  const path = join(folder, "long");
  const store = await FileStore.open(path);
  for (let n = 0; n < 50; n += 1) await store.commit([["put", "meta", "since", `t${n}`]]);
  await store.close();

  await (await FileStore.open(path)).close();

  assert.equal(await readFile(path, "utf8"), '[["put","meta","since","t49"]]\n');
});

test("a damaged journal is named, with its line, and left as it is", async () => {
  const path = join(folder, "damaged");
  for (const damaged of ['[["put","meta","since","t1"]]\n[["pu\n', "[]\n7\n"]) {
    await writeFile(path, damaged);

    for (let again = 0; again < 2; again += 1) {
      await assert.rejects(FileStore.open(path), (/** @type {Error} */ { message, cause }) => message === `${path} is damaged in line 2` && cause instanceof Error);
    }

    assert.equal(await readFile(path, "utf8"), damaged);
  }
});

test("a journal is open once at a time, by whatever name its folder goes", async () => {
  const path = join(folder, "once");
  const first = await FileStore.open(path);

  await assert.rejects(FileStore.open(path), /once is in use by another client/);
  await assert.rejects(FileStore.open(relative(".", path)), /once is in use by another client/);
  await first.close();

  await (await FileStore.open(path)).close();
});

test("a process that is killed leaves its journal to the next one", async () => {
  const path = join(folder, "killed");
  const program = `await (await import(${JSON.stringify(new URL("../file-store.js", import.meta.url))})).FileStore.open(${JSON.stringify(path)}); console.log("open"); setInterval(() => {}, 1000)`;
  const running = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  await once(running.stdout, "data");
  await assert.rejects(FileStore.open(path), /killed is in use by another client/);

  running.kill("SIGKILL");
  await once(running, "exit");

  await (await FileStore.open(path)).close();
});

test("what is left of a journal that was being written anew is of no account", async () => {
  const path = join(folder, "interrupted");
  const store = await FileStore.open(path);
  await store.commit([["put", "meta", "since", "t1"]]);
  await store.close();
  await writeFile(`${path}.new`, '[["put","me');

  const again = await FileStore.open(path);

  assert.deepEqual((await again.read()).meta, { since: "t1" });
  await again.close();
});
