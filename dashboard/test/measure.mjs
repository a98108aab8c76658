// What the page costs the machine of who looks at it: the share of a second that its main thread is
// busy, by Chromium's own figures, on each view.
//
//   node mock/server.mjs --servers 500 &
//   node test/measure.mjs http://127.0.0.1:7171

import { chromium } from "playwright-core";

const [url] = process.argv.slice(2);
const SECONDS = 10;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
const session = await page.context().newCDPSession(page);
await session.send("Performance.enable");

async function figures() {
  const { metrics } = await session.send("Performance.getMetrics");
  return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
}

for (const view of ["", "servers", "events"]) {
  await page.goto(`${url}/#/${view}`);
  // wait: the first drawing is another question
  await page.waitForTimeout(5000);
  await page.evaluate(() => {
    window.longest = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
    }).observe({ type: "longtask" });
  });
  const before = await figures();
  // wait: what is measured is a span of time
  await page.waitForTimeout(SECONDS * 1000);
  const after = await figures();
  const share = (name) => `${(((after[name] - before[name]) / SECONDS) * 100).toFixed(1)} %`;
  const longest = await page.evaluate(() => window.longest);
  console.log(`${view || "overview"}: busy ${share("TaskDuration")}, script ${share("ScriptDuration")}, layout ${share("LayoutDuration")}, style ${share("RecalcStyleDuration")}, layouts ${after.LayoutCount - before.LayoutCount}, longest task ${Math.round(longest)} ms, nodes ${after.Nodes}, heap ${Math.round(after.JSHeapUsedSize / 1048576)} MiB`);
}
await browser.close();
