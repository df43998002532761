// A real socket.io server with the Redis adapter, and real clients of it, for tests that are written elsewhere.
//
//   node server.mjs REDIS_URL [--key PREFIX] [--on EVENT]... CLIENT...
//
// CLIENT is a namespace and the rooms that one client is in: "/#" (none), "/#room1", "/chat#a,b".
// A room of digits only is joined as a number. Every namespace that a client names is served.
//
// Standard output is one JSON object on each line:
//   {"ready":PORT}                                       all clients are in their rooms, all subscriptions stand
//   {"client":"/#room1","event":"row","args":[...]}      an event reached a client
//   {"client":"/#room1","disconnected":"io server ..."}  a client lost its connection
//   {"server":"/chat","event":"reload","args":[...]}     a serverSideEmit of an EVENT given by --on
//   {"result":...} or {"error":"..."}                    what became of an expression
// Standard input is one JavaScript expression on each line, of `io`, the server, and `emitter`, an official emitter on
// the same Redis. Its end is that of this program, so it never outlives the test.

import { createServer } from "node:http";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { createAdapter } from "@socket.io/redis-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";
import { Server } from "socket.io";
import { io as connect } from "socket.io-client";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { key: { type: "string", default: "socket.io" }, on: { type: "string", multiple: true, default: [] } },
});
const [redisUrl, ...specs] = positionals;

const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const roomsOf = (spec) =>
  spec.slice(spec.indexOf("#") + 1).split(",").filter(Boolean)
    .map((room) => (/^\d+$/.test(room) ? Number(room) : room));

const namespaceOf = (spec) => spec.slice(0, spec.indexOf("#"));

const publisher = createClient({ url: redisUrl });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

const http = createServer();
const server = new Server(http, { adapter: createAdapter(publisher, subscriber, { key: options.key }) });
for (const name of new Set(specs.map(namespaceOf))) {
  const namespace = server.of(name);
  namespace.on("connection", (socket) => {
    socket.join(roomsOf(socket.handshake.auth.spec));
    socket.emit("in rooms");
  });
  for (const event of options.on) {
    namespace.on(event, (...args) => print({ server: name, event, args }));
  }
}
http.listen(0, "127.0.0.1");
await once(http, "listening");
const { port } = http.address();

await Promise.all(
  specs.map(async (spec) => {
    const client = connect(`http://127.0.0.1:${port}${namespaceOf(spec)}`, {
      auth: { spec },
      // Each its own connection, so that one that is closed takes no other with it.
      forceNew: true,
      reconnection: false,
      transports: ["websocket"],
    });
    await new Promise((resolve) => client.once("in rooms", resolve));
    client.onAny((event, ...args) => print({ client: spec, event, args }));
    client.on("disconnect", (reason) => print({ client: spec, disconnected: reason }));
  }),
);
// The adapter does not wait for its subscriptions. Redis confirms those of one connection in order.
await subscriber.subscribe("rowcast-interop-ready", () => {});
print({ ready: port });

const emitter = new Emitter(publisher, { key: options.key });
for await (const line of createInterface({ input: process.stdin })) {
  try {
    // The test's own text, not anybody's input.
    const result = await new Function("io", "emitter", `return (${line})`)(server, emitter);
    // What it has published is out once Redis answers what was sent after it.
    await publisher.ping();
    print({ result: result === emitter || result === undefined ? null : result });
  } catch (error) {
    print({ error: String(error) });
  }
}
process.exit(0);
