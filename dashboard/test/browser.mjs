// A browser that does what it is told, line by line, on stdin, and says on stdout what came of it: `ok`,
// or `no: ` and why. It starts nothing but itself; whoever drives it has a node to look at.
//
//   open URL                    loads the page
//   token TOKEN                 gives the token that the page asks for
//   says WORDS                  waits until these words are to be read
//   server POOL/SERVER STATE [WORDS]   waits until the table shows it so, with these words as its reason
//   set POOL/SERVER STATE AUTHOR       asks for a state as a person does, and confirms it
//   link WORD                   waits until the page says so of its own link to the node
//   view NAME                   goes to a view, and waits until it is there
//   exchange WORD...            waits for a row of what failed or was slow with each of these words
//   code CODE WORDS             what a termination code means, told when the keyboard comes to it
//   accessible                  what is shown keeps the rules that a program can look at (axe, WCAG 2.2 AA)
//   fill LABEL TEXT             types into a field
//   press WORDS                 a button or a link with this name
//   read SELECTOR               what stands there, after `ok`
//   moves SELECTOR              waits until what is drawn there has changed
//   crowd COUNT                 as many times as figures come, the table of servers changes no row that is out
//                               of sight, and nothing is left behind
//   sorted COLUMN               by a click on its title, as what is in sight says
//   rows POOL/SERVER...         waits until the table has these rows, in this order, and no other
//   photograph FILE             at desktop and at phone width, each with its own ending
//   clean                       nothing was refused, nothing failed, and nobody else was asked

import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { brokenRules } from "./rules.mjs";

/** For one step; a machine may have much to do. */
const PATIENCE = 20_000;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  // The sandbox of the browser needs rights that a container seldom has; what is loaded here is ours.
  args: ["--no-sandbox", "--disable-gpu"],
});
const DESK = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };
// Certificates of tests are signed by nobody.
const page = await browser.newPage({ viewport: DESK, ignoreHTTPSErrors: true });
page.setDefaultTimeout(PATIENCE);

const complaints = [];
const hosts = new Set();
let origin = "";
page.on("pageerror", (error) => complaints.push(error.message));
page.on("request", (request) => hosts.add(new URL(request.url()).origin));
page.on("console", (message) => {
  // What the node answers with an error, or not at all, is the test's doing.
  const isTraffic = message.text().startsWith("Failed to load resource");
  if (["error", "warning"].includes(message.type()) && !isTraffic) complaints.push(message.text());
});

/** What a view may hold more after many figures than before: signs of events, a line of a graph. */
const SPARE_NODES = 100;

/** Of all documents, and of what script still holds. */
async function nodes() {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  await session.send("Performance.enable");
  const { metrics } = await session.send("Performance.getMetrics");
  await session.detach();
  return metrics.find(({ name }) => name === "Nodes").value;
}

/** In the page: rows of the table that changed out of sight, though their state did not, while figures
 * came `count` times. Rows near the edge are drawn before they are seen. */
function watchRows(count) {
  const NEAR = 300;
  const touched = new Set();
  let left = count;
  return new Promise((resolve) => {
    const watch = new MutationObserver((changes) => {
      const rows = new Map();
      for (const { target, type, attributeName } of changes) {
        const row = (target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement).closest("tr[data-key]");
        if (row !== null) rows.set(row, rows.get(row) === true || (type === "attributes" && attributeName === "data-state"));
        else if (type === "childList") touched.add(`${target.nodeName} has other children`);
      }
      if (rows.size === 0) return;
      for (const [row, isOther] of rows) {
        const { top, bottom } = row.getBoundingClientRect();
        if (!isOther && (bottom < -NEAR || top > innerHeight + NEAR)) touched.add(row.dataset.key);
      }
      left -= 1;
      if (left > 0) return;
      watch.disconnect();
      resolve([...touched]);
    });
    watch.observe(document.querySelector(".servers tbody"), { subtree: true, childList: true, attributes: true, characterData: true });
  });
}

/** In the page: whether the rows in sight are in the order of a column, by what they say. */
function isOrdered(name) {
  const head = [...document.querySelectorAll(".servers thead th")];
  const place = head.findIndex((it) => it.textContent.startsWith(name));
  const sign = head[place].getAttribute("aria-sort") === "descending" ? -1 : 1;
  const rows = [...document.querySelectorAll(".servers tr[data-key]")].filter((row) => {
    const { top, bottom } = row.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  });
  const figures = rows.map((row) => Number.parseFloat(row.children[place].textContent));
  return rows.length > 9 && figures.every((figure, at) => at === 0 || sign * (figure - figures[at - 1]) >= 0);
}

const row = (server) => page.locator(`tr[data-key="${server}"]`);

const steps = {
  async open(url) {
    origin = new URL(url).origin;
    await page.goto(url);
  },
  async token(token) {
    await page.getByLabel("Token").fill(token);
    await page.getByRole("button", { name: "Open" }).click();
  },
  async says(...words) {
    await page.getByText(words.join(" ")).first().waitFor();
  },
  async server(server, state, ...words) {
    await page.locator(`tr[data-key="${server}"][data-state="${state}"]`).waitFor();
    if (words.length > 0) await row(server).locator(".reason", { hasText: words.join(" ") }).waitFor();
  },
  async set(server, state, author) {
    await row(server).getByRole("button", { name: state, exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Author").fill(author);
    await dialog.getByLabel("Reason").fill("a test");
    await dialog.locator("button[type=submit]").click();
    await dialog.waitFor({ state: "detached" });
  },
  async link(word) {
    await page.locator(".fresh", { hasText: word }).waitFor();
  },
  async view(name = "") {
    await page.evaluate((hash) => { location.hash = hash; }, `#/${name}`);
    await page.locator(`main[data-view="${name}"] *`).first().waitFor();
  },
  async exchange(...words) {
    let rows = page.locator("tr.exchange");
    for (const word of words) rows = rows.filter({ hasText: word });
    await rows.first().waitFor();
  },
  async code(code, ...words) {
    const row = page.locator("tr.exchange", { has: page.getByRole("button", { name: `${code}:` }) }).first();
    await row.locator(".where a").focus();
    await page.keyboard.press("Tab");
    await page.locator(".code-word .tip:visible", { hasText: words.join(" ") }).waitFor();
  },
  async fill(label, ...words) {
    await page.getByLabel(label).fill(words.join(" "));
  },
  async press(...words) {
    const name = words.join(" ");
    const named = page.getByRole("button", { name }).or(page.getByRole("link", { name }));
    await named.first().click();
  },
  async read(...selector) {
    return page.locator(selector.join(" ")).first().innerText();
  },
  async moves(...selector) {
    const place = page.locator(selector.join(" ")).first();
    const before = await place.innerHTML();
    await page.waitForFunction(([element, before]) => element.innerHTML !== before, [await place.elementHandle(), before]);
  },
  async crowd(count) {
    const before = await nodes();
    const touched = await page.evaluate(watchRows, Number(count));
    const after = await nodes();
    if (touched.length > 0) throw new Error(`out of sight, and changed: ${touched.slice(0, 9).join(", ")}`);
    if (after > before + SPARE_NODES) throw new Error(`${before} nodes have become ${after}`);
  },
  async sorted(...title) {
    const name = title.join(" ");
    await page.locator(".servers thead").getByRole("button", { name }).click();
    // A row that comes into sight has its figures with the next drawing.
    await page.waitForFunction(isOrdered, name);
  },
  async rows(...servers) {
    await page.waitForFunction((servers) => {
      const rows = [...document.querySelectorAll(".servers tr[data-key]")];
      return rows.map((row) => row.dataset.key).join(" ") === servers;
    }, servers.join(" "));
  },
  async photograph(file) {
    for (const [name, size] of [["desk", DESK], ["phone", PHONE]]) {
      await page.setViewportSize(size);
      const { width } = await page.evaluate(() => ({ width: document.documentElement.scrollWidth }));
      if (width > size.width) throw new Error(`it is ${width} pixels wide on a screen of ${size.width}`);
      await page.screenshot({ path: `${file}-${name}.png`, fullPage: true });
    }
    await page.setViewportSize(DESK);
  },
  async accessible() {
    const broken = await brokenRules(page);
    if (broken.length > 0) throw new Error(broken.join("; "));
  },
  async clean() {
    const others = [...hosts].filter((host) => host !== origin);
    if (others.length > 0) throw new Error(`the page has asked ${others.join(", ")}`);
    if (complaints.length > 0) throw new Error(complaints.join("; "));
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [step, ...words] = line.trim().split(" ");
  try {
    const read = await steps[step](...words);
    console.log(read === undefined ? "ok" : `ok ${read.replaceAll("\n", " ")}`);
  } catch (error) {
    console.log(`no: ${line}: ${String(error.message).replaceAll("\n", " ")}`);
  }
}
await browser.close();
process.exit();
