// Validates an AsyncAPI description with the parser of the AsyncAPI project; any finding, of whatever weight, is a failure.
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const [, , path] = process.argv;
const found = await new Parser().validate(await readFile(path, "utf8"));
for (const { code, message, path: where } of found) console.error(`${path}: ${where.join(".")}: ${message} (${code})`);
process.exitCode = found.length ? 1 : 0;
