// Takes a picture of every view at two widths in both themes, for people to look at, and says where one
// is wider than its window or breaks a rule of accessibility.
//
//   node test/look.mjs URL FOLDER [TOKEN]

import { chromium } from "playwright-core";
import { mkdir } from "node:fs/promises";
import { brokenRules } from "./rules.mjs";

const [url, folder, token = "", only = ""] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const status = await (await fetch(`${url}/api/v1/status`, { headers: token === "" ? {} : { authorization: `Bearer ${token}` } })).json();
const [pool] = status.pools;
const troubled = status.pools.flatMap((pool) => pool.servers.map((server) => ({ pool, server }))).find(({ server }) => server.verdict.health === "down");
const { pool: ofServer, server } = troubled ?? { pool, server: pool.servers[0] };
const views = {
  overview: "#/",
  servers: "#/servers",
  server: `#/server/${encodeURIComponent(ofServer.name)}/${encodeURIComponent(server.name)}`,
  pool: `#/pool/${encodeURIComponent(pool.name)}`,
  listener: `#/listener/${encodeURIComponent(status.listeners[0].name)}`,
  addresses: "#/addresses",
  certificates: "#/certificates",
  exchanges: "#/exchanges",
  events: "#/events",
  explain: "#/explain",
  config: "#/config?line=6",
};
const widths = (process.env.WIDTHS ?? "1280,390").split(",").map(Number);
const schemes = (process.env.SCHEMES ?? "light,dark").split(",");
for (const width of widths) {
  for (const scheme of schemes) {
    const context = await browser.newContext({ viewport: { width, height: 1900 }, colorScheme: scheme, deviceScaleFactor: width === 390 ? 2 : 1 });
    const page = await context.newPage();
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && console.log(width, scheme, message.text()));
    page.on("pageerror", (error) => console.log(width, scheme, error.message));
    for (const [name, hash] of Object.entries(views)) {
      if (only !== "" && !only.split(",").includes(name)) continue;
      await page.goto(`${url}/${hash}`);
      // wait: figures come each second, and a graph of one point shows nothing
      await page.waitForTimeout(2600);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (over > 0) console.log(name, width, scheme, `is ${over} px too wide`);
      for (const broken of await brokenRules(page)) console.log(name, width, scheme, broken);
      await page.screenshot({ path: `${folder}/${name}-${width}-${scheme}.png`, fullPage: true });
    }
    await context.close();
  }
}
await browser.close();
