// For each line of JSON on standard input, one line with the bytes that notepack.io makes of it, in hexadecimal.

import { createInterface } from "node:readline";
import { createRequire } from "node:module";

// The copy that the official emitter uses.
const require = createRequire(createRequire(import.meta.url).resolve("@socket.io/redis-emitter"));
const notepack = require("notepack.io");

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(notepack.encode(JSON.parse(line)).toString("hex") + "\n");
}
