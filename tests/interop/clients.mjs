// Real socket.io clients of any server, for tests that are written elsewhere.
//
//   node clients.mjs URL [--version NUMBER] [--transport NAME]... [--auth JSON] [--query JSON] [--resubscribe] CLIENT...
//
// CLIENT is a namespace and a name for it: "/#", "/#one", "/chat#two". NAME is websocket or polling; without any it is
// what a browser does: polling first, then websocket. NUMBER is that of socket.io-client: 4, 3 or 2.
// JSON is an object with the option `auth`, or `query`, of each client: {"/#one":{"token":"..."}}. With --resubscribe
// a client that has connected again subscribes to the rooms in its name, "/#a,b", as the README tells it to.
//
// Standard output is one JSON object on each line:
//   {"ready":{"/#one":"ID",...}}                           all clients are connected, with the ids of their sockets
//   {"client":"/#one","event":"row","args":[...]}          an event reached a client
//   {"client":"/#one","disconnected":"transport close"}    a client lost its connection; it will connect again
//   {"client":"/#one","connected":"ID"}                    it has connected again
//   {"client":"/#one","refused":"..."}                     a server did not let it connect
//   {"client":"/#one","answer":[...]}                      a server acknowledged
// Standard input is one JSON object on each line, and its end is that of this program:
//   {"client":"/#one","emit":["event",...]}                it emits, and waits for the acknowledgement
//   {"client":"/#one","transport":true}                    prints {"client":"/#one","transport":"websocket"}

import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    transport: { type: "string", multiple: true, default: ["polling", "websocket"] },
    version: { type: "string", default: "4" },
    resubscribe: { type: "boolean", default: false },
    auth: { type: "string", default: "{}" },
    query: { type: "string", default: "{}" },
  },
});
const library = await import(options.version === "4" ? "socket.io-client" : `socket.io-client-${options.version}`);
const connect = library.io ?? library.default;
const [url, ...specs] = positionals;

const [auth, query] = [options.auth, options.query].map((text) => JSON.parse(text));

const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const clients = new Map(
  specs.map((spec) => {
    const client = connect(url + spec.slice(0, spec.indexOf("#")), {
      // Each its own connection.
      forceNew: true,
      reconnectionDelay: 20,
      reconnectionDelayMax: 100,
      transports: options.transport,
      auth: auth[spec],
      query: query[spec],
    });
    const heard = (event, ...args) => print({ client: spec, event, args });
    if (client.onAny) {
      client.onAny(heard);
    } else {
      // Version 2 knows no handler of all events.
      client.onevent = (packet) => heard(...packet.data);
    }
    client.on("disconnect", (reason) => print({ client: spec, disconnected: reason }));
    return [spec, client];
  }),
);
await Promise.all(
  [...clients].map(
    ([spec, client]) =>
      new Promise((resolve) => {
        client.once("connect", () => {
          client.on("connect", () => {
            print({ client: spec, connected: client.id });
            if (options.resubscribe) {
              const rooms = spec.slice(spec.indexOf("#") + 1).split(",");
              client.emit("subscribe", rooms, (...answer) => print({ client: spec, answer }));
            }
          });
          resolve();
        });
        client.on("connect_error", (error) => {
          // What the server itself says; whatever else it is, the client tries again.
          if (error.type !== "TransportError" && error.message !== "timeout") {
            print({ client: spec, refused: error.message });
            resolve();
          }
        });
      }),
  ),
);
print({ ready: Object.fromEntries([...clients].map(([spec, client]) => [spec, client.id])) });

for await (const line of createInterface({ input: process.stdin })) {
  const { client: spec, emit, transport } = JSON.parse(line);
  const client = clients.get(spec);
  if (emit) client.emit(...emit, (...answer) => print({ client: spec, answer }));
  if (transport) print({ client: spec, transport: client.io.engine.transport.name });
}
process.exit(0);
