// Pages in a real Chromium that load socket.io's client from a gateway and connect to it.
//
//   node browser.mjs
//
// CHROMIUM in the environment is the program, where it is not /usr/bin/chromium. A page's host may have any name: all
// names lead to this machine. Standard output is one JSON object on each line:
//   {"ready":PORT}                                         pages are served on this port
//   {"page":"one","connected":"websocket","answer":{...}}  it is connected, by this transport, and has subscribed
//   {"page":"one","refused":"..."}                         it could not connect
//   {"page":"one","failed":"..."}                          it could not load the script
//   {"page":"one","event":"row","args":[...]}              an event reached it
// Standard input is one JSON object on each line, and its end is that of this program:
//   {"page":"one","host":"app.example","gateway":"http://...","script":"socket.io.js","transport":"polling","room":"a"}
//   {"page":"one","host":"app.example","html":"..."}       a page of one's own; what it logs is told as
//   {"page":"one","logged":"..."}

import { createServer } from "node:http";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

/** What runs in the page. */
function connect({ gateway, transport, room }, io) {
  const socket = io(gateway, { transports: [transport], reconnection: false });
  socket.onAny((event, ...args) => report({ event, args }));
  socket.on("connect_error", (error) => report({ refused: error.message }));
  socket.on("connect", async () => {
    const answer = await socket.emitWithAck("subscribe", room);
    report({ connected: socket.io.engine.transport.name, answer });
  });
}

const html = ({ script, ...wanted }) => {
  const url = JSON.stringify(`${wanted.gateway}/socket.io/${script}`);
  const start = `(${connect})(${JSON.stringify(wanted)}, io)`;
  const failed = `report({ failed: "the script" })`;
  return script.includes(".esm.")
    ? `<script type="module">import(${url}).then(({ io }) => ${start}, () => ${failed})</script>`
    : `<script src=${url} onerror='${failed}'></script><script>globalThis.io && ${start}</script>`;
};

const server = createServer((request, response) => {
  const { searchParams } = new URL(request.url, "http://localhost");
  const wanted = searchParams.get("wanted");
  // Browsers ask for an icon too.
  if (!wanted) return response.writeHead(404).end();
  response.setHeader("Content-Type", "text/html; charset=utf-8");
  const page = JSON.parse(wanted);
  response.end(page.html ?? `<!doctype html><title>rows</title>${html(page)}`);
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address();

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--host-resolver-rules=MAP * 127.0.0.1"],
});
print({ ready: port });

for await (const line of createInterface({ input: process.stdin })) {
  const { page: name, host, ...wanted } = JSON.parse(line);
  const page = await (await browser.newContext()).newPage();
  await page.exposeFunction("report", (what) => print({ page: name, ...what }));
  if (wanted.html) page.on("console", (message) => message.type() === "log" && print({ page: name, logged: message.text() }));
  const url = new URL(`http://${host}:${port}/`);
  url.searchParams.set("wanted", JSON.stringify(wanted));
  await page.goto(url.href);
}
await browser.close();
process.exit(0);
