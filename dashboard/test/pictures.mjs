// The pictures of the documents: of a demo that is visited, broken and mended while the graphs fill up,
// and is gone afterwards. Takes some seven minutes.
//
//   node test/pictures.mjs PATH/evenkeel FOLDER
//
// With pngquant they take a third of the room.

import { chromium } from "playwright-core";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { Agent, get } from "node:https";
import { mkdir } from "node:fs/promises";
import { createInterface } from "node:readline";

/** Of the demo to come up, and of a page to load. */
const PATIENCE = 60_000;

/** Between two visits of the site, more or less. */
const VISIT_EVERY = 90;

/** Colours that a picture keeps. */
const COLOURS = "128";

/** What happens, by the second. Shown is lb1, which by then has taken the address over. */
const STORY = [
  [15, ["demo", "kill", "ws1"]],
  [35, ["demo", "start", "ws1"]],
  [70, ["demo", "kill", "lb0"]],
  [95, ["demo", "start", "lb0"]],
  [130, ["server", "drain", "web/ws1", "--author", "ann", "--reason", "new kernel"]],
  [165, ["server", "ready", "web/ws1", "--author", "ann"]],
  [195, ["demo", "stop", "db1"]],
  [215, ["demo", "start", "db1"]],
  [238, ["demo", "kill", "ws0"]],
  [240, ["demo", "kill", "ws1"]],
  [244, ["demo", "start", "ws0"]],
  [250, ["demo", "start", "ws1"]],
  [290, ["demo", "kill", "cs0"]],
];
/** By then the checks have found it. */
const SHOWN_AT = 305;

const VIEWS = {
  page: "#/",
  "page-servers": "#/servers",
  "page-server": "#/server/comm/cs0",
  "page-pool": "#/pool/web",
  "page-listener": "#/listener/front",
  "page-addresses": "#/addresses",
  "page-certificates": "#/certificates",
  "page-exchanges": "#/exchanges?last=15m",
  "page-events": "#/events",
};

/** Those that are shown on a phone as well. */
const ON_A_PHONE = ["page", "page-servers", "page-pool", "page-listener", "page-addresses", "page-events"];

/** What people ask for; the last ones are not there, or not for everybody. */
const PAGES = ["", "", "", "", "", "login", "health", "old-page", "api/devices"];

const DESK = { viewport: { width: 1280, height: 960 }, deviceScaleFactor: 1.5 };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 };

const [program, folder] = process.argv.slice(2);
await mkdir(folder, { recursive: true });

const demo = spawn(program, ["demo"], { stdio: ["ignore", "pipe", "inherit"] });
try {
  const { site, front, balancer } = await told(demo);
  const agent = new Agent({ rejectUnauthorized: false });
  const visits = setInterval(() => {
    visit(site, agent);
    visit(front + PAGES[Math.floor(Math.random() * PAGES.length)], agent);
  }, VISIT_EVERY);
  const began = Date.now();
  for (const [second, words] of STORY) {
    await until(began, second);
    const where = words[0] === "demo" ? [] : ["--admin", balancer];
    execFileSync(program, [...words, ...where], { stdio: "inherit" });
  }
  await until(began, SHOWN_AT);
  await take(balancer);
  clearInterval(visits);
} finally {
  const ended = new Promise((resolve) => demo.on("exit", resolve));
  demo.kill("SIGINT");
  await ended;
}

/** What the demo says of where it is. */
async function told(demo) {
  const found = {};
  const late = setTimeout(() => demo.kill("SIGINT"), PATIENCE);
  for await (const line of createInterface({ input: demo.stdout })) {
    found.site ??= /^ *site +(\S+)/.exec(line)?.[1];
    found.front ??= /^ *front +(\S+)/.exec(line)?.[1];
    found.balancer ??= /^ *balancer .* (\S+?)\/? \(lb1\)/.exec(line)?.[1];
    if (line.startsWith("up after")) break;
  }
  clearTimeout(late);
  if (found.site === undefined || found.front === undefined || found.balancer === undefined) throw new Error("the demo does not say where it is");
  // What it says from now on is not of interest, but has to go somewhere.
  demo.stdout.resume();
  return found;
}

/** People come in waves. */
function visit(url, agent) {
  if (Math.random() > 0.55 + 0.45 * Math.sin(Date.now() / 19_000)) return;
  const request = get(url, { agent }, (answer) => answer.resume());
  // Some are broken off, which is what is to be seen.
  request.on("error", () => undefined);
}

async function until(began, second) {
  const left = began + second * 1000 - Date.now();
  // wait: the graphs show five minutes
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, left)));
}

async function take(url) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  const taken = [];
  for (const colorScheme of ["light", "dark"]) {
    for (const [screen, on] of [[DESK, ""], [PHONE, "-phone"]]) {
      const context = await browser.newContext({ ...screen, colorScheme });
      const page = await context.newPage();
      page.setDefaultTimeout(PATIENCE);
      for (const [name, hash] of Object.entries(VIEWS)) {
        if (on !== "" && !ON_A_PHONE.includes(name)) continue;
        await page.goto(`${url}/${hash}`);
        await page.locator(".fresh", { hasText: "live" }).waitFor();
        // wait: figures come each second, and a table without them shows nothing
        await page.waitForTimeout(2500);
        const path = `${folder}/${name}${on}${colorScheme === "dark" ? "-dark" : ""}.png`;
        // What is below the last line of a short view is not of interest.
        const whole = await page.locator(".frame").boundingBox();
        const { width, height } = screen.viewport;
        await page.screenshot({ path, clip: { x: 0, y: 0, width, height: Math.min(height, Math.ceil(whole.height)) } });
        taken.push(path);
      }
      await context.close();
    }
  }
  await browser.close();
  const { error } = spawnSync("pngquant", ["--force", "--strip", "--skip-if-larger", "--ext", ".png", COLOURS, ...taken]);
  if (error !== undefined) console.log(`the pictures stay as large as they are: ${error.message}`);
}
