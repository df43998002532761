// Clients of a gateway that follow rooms with the package in client/, for tests that are written elsewhere.
//
//   node follow.mjs URL [--since ID] [--throw NUMBER] CLIENT...
//
// CLIENT is a transport and the rooms that one socket follows: "websocket#a,b", "polling#a". ID is where all begin; 0
// without it. With NUMBER the function that takes rows throws at each so manieth row.
//
// Standard input is one JSON object on each line, and its end is that of this program:
//   {"cut":0}          the first socket loses its connection, without a word to the gateway
//   {"close":0}        the first socket's rooms are followed no more
//   {"report":true}    prints a line for what was asked, an array with one object for each followed room:
//     since    what the package says
//     asked    how often it has subscribed
//     rows     how many rows it gave
//     twice    how many of these it had given before
//     resent   how many rows came that had come before, from the gateway
//     replayed the numbers that it said when it was live, one for each connect
//     errors   the codes that it reported
//   {"ids":true}       prints an array with the ids that were given, sorted, for each followed room

import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { io } from "socket.io-client";
import { rows } from "../../client/dist/index.js";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { since: { type: "string", default: "0" }, throw: { type: "string", default: "0" } },
});
const [url, ...specs] = positionals;
const nth = Number(options.throw);

const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const follow = (socket, room) => {
  const came = new Set();
  const given = new Set();
  const report = { asked: 0, rows: 0, twice: 0, resent: 0, replayed: [], errors: [] };
  socket.on("rows", (bundle) => {
    if (bundle.room !== room) return;
    for (const { id } of bundle.rows) came.has(id) ? (report.resent += 1) : came.add(id);
  });
  socket.onAnyOutgoing((event, wanted) => {
    if (event === "subscribe" && wanted.room === room) report.asked += 1;
  });
  const following = rows(socket, room, {
    since: options.since,
    everyMs: 20,
    onRow: ({ id }) => {
      report.rows += 1;
      given.has(id) ? (report.twice += 1) : given.add(id);
      if (nth && report.rows % nth === 0) throw new Error("as told");
    },
    onLive: ({ replayed }) => report.replayed.push(replayed),
    onError: ({ code }) => report.errors.push(code),
  });
  return { following, given, report };
};

const clients = specs.map((spec) => {
  const [transport, rooms] = spec.split("#");
  const socket = io(url, {
    // Each its own connection.
    forceNew: true,
    reconnectionDelay: 20,
    reconnectionDelayMax: 200,
    transports: [transport],
  });
  return { socket, rooms: rooms.split(",").map((room) => follow(socket, room)) };
});
const followed = clients.flatMap(({ rooms }) => rooms);

for await (const line of createInterface({ input: process.stdin })) {
  const { cut, close, report, ids } = JSON.parse(line);
  if (cut !== undefined) {
    const { engine } = clients[cut].socket.io;
    // Long-polling has no connection that lasts: there it is left without the gateway's answer.
    engine?.transport?.ws ? engine.transport.ws.terminate() : engine?.close();
  }
  if (close !== undefined) clients[close].rooms.forEach(({ following }) => following.close());
  if (report) print(followed.map(({ following, report }) => ({ since: following.since, ...report })));
  if (ids) print(followed.map(({ given }) => [...given].sort((one, other) => one - other)));
}
process.exit(0);
