// The recorded messages that the Rust emitter is held against are what the installed official emitter writes.
//
// So an upgrade of the package that changes the format shows here, before it shows on somebody's server.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Emitter } from "@socket.io/redis-emitter";

const fixture = JSON.parse(readFileSync(new URL("../fixtures/emitter-vectors.json", import.meta.url)));
const recorded = fixture.filter((vector) => vector.package === "@socket.io/redis-emitter@5.1.0");

// The names that the recorded calls use.
const published = [];
const client = { publish: (channel, payload) => published.push([channel, Buffer.from(payload).toString("hex")]) };
const jsonParser = { encode: (value) => JSON.stringify(value), decode: JSON.parse };
const names = {
  e: new Emitter(client),
  e4: new Emitter(client),
  k: new Emitter(client, { key: "myapp" }),
  cp: new Emitter(client, { parser: jsonParser }),
};

// Its parser is another package, msgpack5, which no server here uses.
const withoutItsParser = ["custom-parser-msgpack5"];

for (const vector of recorded.filter(({ case: name }) => !withoutItsParser.includes(name))) {
  test(`${vector.case} is what the official emitter writes`, () => {
    published.length = 0;
    // The calls are our own fixture's text, not anybody's input.
    new Function(...Object.keys(names), vector.code)(...Object.values(names));
    assert.deepEqual(published, [[vector.channel, vector.payload_hex]]);
  });
}
