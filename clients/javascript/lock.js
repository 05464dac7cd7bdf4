/** What one client at a time has: a socket of this machine that nobody else can listen on, and that ends with the process. */

import { createHash } from "node:crypto";
import { once } from "node:events";
import { realpath, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

/**
 * Throws if another client of this machine has it. Where there is no place for the socket it is not told.
 * @param {string} path @returns {Promise<() => Promise<void>>} what gives it back
 */
export async function lock(path) {
  const address = place(join(await realpath(dirname(path)), basename(path)));
  const server = createServer((caller) => caller.destroy()).unref();
  const listen = () => once(server.listen({ path: address, exclusive: true }), "listening");
  try {
    await listen();
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EADDRINUSE") return async () => undefined;
    if (await answers(address)) throw new Error(`${path} is in use by another client`);
    await rm(address, { force: true }); // left by a process that was killed
    await listen();
  }
  return () => new Promise((resolve) => server.close(() => resolve()));
}

/** Of so few characters that every system takes it. @param {string} path */
function place(path) {
  const name = `wedsync-${createHash("sha256").update(path).digest("hex").slice(0, 24)}`;
  return process.platform === "win32" ? `\\\\.\\pipe\\${name}` : join(tmpdir(), `${name}-${process.getuid?.()}`);
}

/** Whether there is a process behind it. @param {string} address @returns {Promise<boolean>} */
function answers(address) {
  return new Promise((resolve) => {
    const caller = connect(address, () => {
      caller.destroy();
      resolve(true);
    });
    caller.on("error", (/** @type {NodeJS.ErrnoException} */ { code }) => resolve(code !== "ECONNREFUSED" && code !== "ENOENT"));
  });
}
