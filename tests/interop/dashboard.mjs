// The dashboard in a real Chromium.
//
//   node dashboard.mjs
//
// CHROMIUM in the environment is the program, where it is not /usr/bin/chromium. Standard output is one JSON object on
// each line: {"ready":true}, and then one answer to each line of standard input, {"failed":"..."} where it could not be
// done within 20 s. Standard input is one JSON object on each line, and its end is that of this program:
//   {"open":"http://...","theme":"dark","width":390,"zone":"Asia/Kolkata","now":"2100-01-01T00:00:00Z","axe":true}
//                                           a new browser without cookies, where it is always that time; all but the
//                                           address may be missing
//   {"see":"text"}  {"miss":"text"}         waits until the page shows it, or does not; answered with the page's text
//   {"text":"selector"}                     the texts of what there is
//   {"label":"selector"}                    the accessible label of one
//   {"hint":"selector"}                     what is shown where the pointer rests on the first one
//   {"value":"selector"}                    what is in a field
//   {"keyboard":true}                       that of what the keyboard is on
//   {"fill":"label","with":"text"}  {"press":"name of a button"}  {"click":"selector"}  {"reload":true}
//   {"title":true}                          the page's title
//   {"key":"Escape"}                        presses a key
//   {"type":"text"}                         types where the keyboard is
//   {"focused":"selector"}                  waits until the first one of these has the keyboard
//   {"answered":"/path"}                    waits for the answer of 200 to the next time that the page asks for it
//   {"saved":"name of a link"}              follows it, and answers with the bytes that are saved, as base64
//   {"cookies":true}                        those that the browser has
//   {"rules":true}                          axe-core's rules that the page violates (opened with axe)
//   {"tasks":true}                          how long the long tasks were since the page was loaded, in milliseconds; and, last, one of
//                                         200 that is made to see that they are noted
//   {"complaints":true}                     errors on the console, and requests to other hosts, since it was opened
//   {"shot":"path"}                         a picture of the whole page

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
let page;
let complaints = [];

async function open({ open, theme = "light", width = 1280, zone, now, axe: rules = false }) {
  await page?.context().close();
  const context = await browser.newContext({ colorScheme: theme, viewport: { width, height: 900 }, timezoneId: zone });
  // Sooner than the test gives up, so that it hears why.
  context.setDefaultTimeout(20_000);
  page = await context.newPage();
  if (now) await page.clock.setFixedTime(now);
  complaints = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => new URL(request.url()).host !== new URL(open).host && complaints.push(request.url()));
  // Before the page's own scripts, because its policy lets in no others.
  if (rules) await page.addInitScript({ content: axe });
  await page.addInitScript(() => {
    globalThis.longTasks = [];
    const note = (list) => list.getEntries().forEach(({ duration }) => globalThis.longTasks.push(duration));
    new PerformanceObserver(note).observe({ type: "longtask", buffered: true });
  });
  await page.goto(open);
}

const body = () => page.locator("body").innerText();

const answers = {
  open,
  see: async ({ see }) => {
    await page.getByText(see).filter({ visible: true }).first().waitFor();
    return body();
  },
  miss: async ({ miss }) => {
    await page.getByText(miss).filter({ visible: true }).first().waitFor({ state: "detached" });
    return body();
  },
  text: ({ text }) => page.locator(text).allInnerTexts(),
  keyboard: () => page.evaluate(() => document.activeElement?.getAttribute("aria-label")),
  hint: ({ hint }) => page.locator(hint).first().getAttribute("title"),
  value: ({ value }) => page.locator(value).inputValue(),
  label: ({ label }) => page.locator(label).getAttribute("aria-label"),
  fill: async (wanted) => page.getByLabel(wanted.fill, { exact: true }).fill(wanted.with),
  press: ({ press }) => page.getByRole("button", { name: press, exact: true }).click(),
  click: ({ click }) => page.locator(click).first().click(),
  title: () => page.title(),
  key: ({ key }) => page.keyboard.press(key),
  type: ({ type }) => page.keyboard.type(type),
  focused: async ({ focused }) => void (await page.waitForFunction((wanted) => document.activeElement === document.querySelector(wanted), focused)),
  answered: async ({ answered }) => {
    const request = await page.waitForRequest((request) => new URL(request.url()).pathname === answered);
    const answer = await request.response();
    if (answer?.status() !== 200) throw new Error("no answer");
  },
  saved: async ({ saved }) => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: saved, exact: true }).click()]);
    return readFileSync(await download.path()).toString("base64");
  },
  reload: () => page.reload(),
  cookies: () => page.context().cookies(),
  rules: async () => {
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  },
  tasks: () =>
    page.evaluate(async () => {
      const before = globalThis.longTasks.length;
      const busy = (until) => { while (performance.now() < until); };
      setTimeout(() => busy(performance.now() + 200));
      while (globalThis.longTasks.length === before) await new Promise((resolve) => setTimeout(resolve, 20));
      return globalThis.longTasks;
    }),
  complaints: () => complaints,
  shot: ({ shot }) => page.screenshot({ path: shot, fullPage: true }),
};

print({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const wanted = JSON.parse(line);
  const what = Object.keys(answers).find((name) => name in wanted);
  try {
    const answer = await answers[what](wanted);
    print({ [what]: answer === undefined || what === "reload" || what === "shot" ? true : answer });
  } catch (error) {
    const shown = page ? await body().catch(() => "") : "";
    print({ failed: `${line}: ${error.message}`, shown });
  }
}
await browser.close();
process.exit(0);
