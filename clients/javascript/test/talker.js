/** Writes as fast as its disk allows, and says what it can no longer lose, until it is killed. */

import { Device } from "./stack.js";

const [file = "", thread = "", from = "0"] = process.argv.slice(2);
const ana = await Device.open("ana", { file });
for (let n = Number(from); ; n += 1) {
  await ana.client.send(thread, `number ${n}`);
  process.stdout.write(`${n}\n`);
  await new Promise((resolve) => setTimeout(resolve, 5));
}
