// Which rules of accessibility a page breaks, as far as a program can see: axe, WCAG 2.2 A and AA, and
// what axe calls best practice.

import axe from "axe-core";

/** A line for each rule and thing. */
export async function brokenRules(page) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target, any }) => `${id} at ${target.join(" ")}: ${any[0]?.message ?? help}`));
}
