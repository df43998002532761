// socket.io's own Admin UI, as its package has it, in a real Chromium.
//
//   node admin.mjs
//
// CHROMIUM in the environment is the program, where it is not /usr/bin/chromium. Standard output is one JSON object on
// each line: {"ready":"http://..."}, where the UI is served, and then one answer to each line of standard input,
// {"failed":"..."} where it could not be done within 20 s. Standard input is one JSON object on each line, and its end
// is that of this program:
//   {"connect":"http://...","password":"..."}   fills in the form of a new browser, with WebSocket only, and sends it
//   {"view":"servers"}                          goes to one of its pages, which keeps the connection
//   {"see":"text"}                              waits until the page shows it; answered with the page's text
//   {"reload":true}

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, extname, join, normalize } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const dist = join(dirname(createRequire(import.meta.url).resolve("@socket.io/admin-ui/package.json")), "ui/dist");
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png" };

const server = createServer(async (request, response) => {
  const name = normalize(new URL(request.url, "http://localhost").pathname);
  const path = name === "/" ? "/index.html" : name;
  try {
    const file = await readFile(join(dist, path));
    response.setHeader("Content-Type", types[extname(path)] ?? "application/octet-stream").end(file);
  } catch {
    response.writeHead(404).end();
  }
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const ui = `http://localhost:${server.address().port}/`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
let page;
const body = () => page.locator("body").innerText();

const answers = {
  connect: async ({ connect, password }) => {
    await page?.context().close();
    const context = await browser.newContext();
    context.setDefaultTimeout(20_000);
    page = await context.newPage();
    await page.goto(ui);
    const form = page.locator("form");
    await form.getByLabel("Server URL").fill(connect);
    await form.getByLabel("Password").fill(password);
    await form.getByText("Advanced options").click();
    await form.getByText("WebSocket only?").click();
    await form.getByRole("button", { name: "Connect" }).click();
  },
  view: ({ view }) => page.evaluate((view) => void (location.hash = `#/${view}/`), view),
  see: async ({ see }) => {
    await page.getByText(see).filter({ visible: true }).first().waitFor();
    return body();
  },
  reload: () => page.reload(),
};

print({ ready: ui });
for await (const line of createInterface({ input: process.stdin })) {
  const wanted = JSON.parse(line);
  const what = Object.keys(answers).find((name) => name in wanted);
  try {
    const answer = await answers[what](wanted);
    print({ [what]: typeof answer === "string" ? answer : true });
  } catch (error) {
    const shown = page ? await body().catch(() => "") : "";
    print({ failed: `${line}: ${error.message}`, shown });
  }
}
await browser.close();
process.exit(0);
