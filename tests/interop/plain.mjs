// A plain socket.io server with the Redis adapter, which does no more than the benchmark needs.
//
//   node plain.mjs REDIS_URL
//
// A client's event `subscribe` with a room lets it join that room. It prints {"ready":PORT}, and ends with its standard
// input.

import { createServer } from "node:http";
import { once } from "node:events";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const publisher = createClient({ url: process.argv[2] });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

const http = createServer();
const io = new Server(http, { adapter: createAdapter(publisher, subscriber) });
io.on("connection", (socket) => {
  socket.on("subscribe", async (room, acknowledge) => {
    await socket.join(room);
    acknowledge({ ok: true });
  });
});
// Room for clients that come all at once.
http.listen({ port: 0, host: "127.0.0.1", backlog: 4096 });
await once(http, "listening");
console.log(JSON.stringify({ ready: http.address().port }));
for await (const _ of process.stdin);
process.exit(0);
