// The keys there are.

import { button, h } from "./dom.ts";

const KEYS: readonly [string, string][] = [
  ["/", "search"],
  ["1 … 8", "go to a view"],
  ["t", "light, dark, or as the system is"],
  ["j k", "next and previous server of the table"],
  ["r d m w", "on a server: ready, drain, maint, weight"],
  ["Enter", "on a server: all about it"],
  ["?", "this list"],
];

export function openHelp(): void {
  if (document.querySelector("dialog[open]") !== null) return;
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "help-title" },
    h("h2", { id: "help-title" }, "Keys"),
    h("dl", { class: "facts" }, ...KEYS.flatMap(([keys, what]) => [h("dt", {}, ...keys.split(" ").map((key) => h("kbd", {}, key))), h("dd", {}, what)])),
    h("div", { class: "buttons" }, button("Close", () => dialog.close(), { autofocus: true })));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
