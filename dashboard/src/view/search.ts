// Goes to anything that has a name, by a few letters of it.

import { entries, search, type Entry } from "../model/search.ts";
import { h, mark } from "./dom.ts";
import type { Bridge } from "./view.ts";

/** What fits below the field. */
const MOST = 10;

export function openSearch(bridge: Bridge): void {
  if (document.querySelector("dialog[open]") !== null || bridge.store.status === undefined) return;
  const all = entries(bridge.store.status);
  const field = h("input", {
    type: "search", role: "combobox", "aria-expanded": "true", "aria-controls": "found", "aria-autocomplete": "list",
    "aria-label": "Search", placeholder: "server, pool, listener, address, certificate", autocomplete: "off", spellcheck: "false",
  });
  const list = h("ul", { id: "found", role: "listbox", "aria-label": "Found" });
  const dialog = h("dialog", { class: "dialog search", "aria-label": "Search" }, field, list);
  let found: Entry[] = [];
  let at = 0;
  const go = (entry: Entry | undefined): void => {
    if (entry === undefined) return;
    dialog.close();
    bridge.go(entry.place);
  };
  const show = (): void => {
    found = search(all, field.value, MOST);
    at = Math.min(at, Math.max(0, found.length - 1));
    list.replaceChildren(...found.map((entry, place) => {
      const row = h("li", { role: "option", id: `found-${place}`, "aria-selected": String(place === at) },
        h("span", { class: "what" }, entry.what), h("span", { class: "mono" }, entry.name), h("span", { class: "notes" }, entry.detail));
      row.addEventListener("click", () => go(entry));
      return row;
    }));
    mark(field, "aria-activedescendant", found.length === 0 ? undefined : `found-${at}`);
    if (found.length === 0 && field.value.trim() !== "") list.append(h("li", { class: "none" }, "Nothing has that name."));
  };
  field.addEventListener("input", () => {
    at = 0;
    show();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") at = Math.min(at + 1, found.length - 1);
    else if (event.key === "ArrowUp") at = Math.max(at - 1, 0);
    else if (event.key === "Enter") go(found[at]);
    else return;
    event.preventDefault();
    show();
  });
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
}
