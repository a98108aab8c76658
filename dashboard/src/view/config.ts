// The configuration as it runs: its text, what is to be said of its lines, and what it was before.

import { getText, inWords } from "../api/client.ts";
import type { ConfigVersion, Found } from "../api/documents.ts";
import { diff } from "../model/diff.ts";
import { clock } from "../model/format.ts";
import type { Place } from "../model/place.ts";
import { lineOf, tokens, type Thing } from "../model/toml.ts";
import type { Change } from "../store.ts";
import { button, h, tell } from "./dom.ts";
import { facts, link, toned } from "./parts.ts";
import type { Bridge, View } from "./view.ts";

/** A button that shows where in the file something stands. */
export function configLink(bridge: Bridge, thing: Thing): HTMLElement {
  return button("show in the configuration", () => void show(bridge, thing), { class: "quiet" });
}

async function show(bridge: Bridge, thing: Thing): Promise<void> {
  const server = thing.server && bridge.store.find(thing.name, thing.server.name)?.server;
  const exact = server === undefined ? thing : { ...thing, server: { name: server.configured?.entry ?? server.name, address: server.address } };
  const place: Place = { view: "config" };
  try {
    const line = lineOf(await getText("/api/v1/config"), exact);
    bridge.go(line === undefined ? place : { ...place, line });
  } catch {
    bridge.go(place);
  }
}

export class Config implements View {
  readonly element: HTMLElement;
  readonly title = "Configuration";
  readonly #bridge: Bridge;
  readonly #version: string | undefined;
  readonly #line: number | undefined;
  readonly #facts = h("div");
  readonly #text = h("div", { class: "config-text" });
  readonly #versions = h("ol", { class: "versions" });
  #shown = "";

  constructor(bridge: Bridge, version: string | undefined, line: number | undefined) {
    this.#bridge = bridge;
    this.#version = version;
    this.#line = line;
    this.element = h("div", { class: "view" },
      h("header", { class: "lead" }, h("h1", {}, version === undefined ? "Configuration as it runs" : "An earlier configuration"), this.#facts),
      h("div", { class: "beside config" }, h("section", { class: "block" }, this.#text),
        h("section", { class: "block" }, h("h2", {}, "Versions"), this.#versions)));
  }

  close(): void {}

  update(change: Change): void {
    const { store } = this.#bridge;
    if (store.status === undefined || change !== "status") return;
    const { config } = store.status;
    const now = store.now();
    if (this.#version === undefined) {
      this.#facts.replaceChildren(facts([
        ["from", config.origin],
        ["version", h("span", { class: "mono" }, config.version)],
        ["applied", clock(Date.parse(config.applied), now)],
        ["needs a restart", config.needs_restart.join(", ")],
        ["refused", config.last_refusal === undefined ? undefined : toned("bad", config.last_refusal)],
      ]));
    }
    this.#versions.replaceChildren(...store.versions.map((it, place) => this.#row(it, place === 0, now)));
    const wanted = `${this.#version ?? ""} ${config.version}`;
    if (wanted === this.#shown) return;
    this.#shown = wanted;
    void this.#read(config.warnings);
  }

  #row(it: ConfigVersion, isNow: boolean, now: number): HTMLElement {
    const place: Place = isNow ? { view: "config" } : { view: "config", version: it.version };
    const isShown = isNow ? this.#version === undefined : this.#version === it.version;
    return h("li", { "aria-current": isShown ? "true" : undefined },
      link(clock(Date.parse(it.applied), now), place), h("span", { class: "notes" }, `${isNow ? "in force · " : ""}${it.origin}`),
      h("span", { class: "notes mono" }, it.version));
  }

  async #read(warnings: readonly Found[]): Promise<void> {
    try {
      const now = await getText("/api/v1/config");
      if (this.#version === undefined) this.#showText(now, warnings);
      else this.#showDifference(await getText(`/api/v1/config?version=${encodeURIComponent(this.#version)}`), now);
    } catch (error) {
      this.#shown = "";
      this.#text.replaceChildren(h("p", { class: "none" }, `The configuration cannot be read: ${inWords(error)}.`));
    }
  }

  #showText(text: string, warnings: readonly Found[]): void {
    const lines = text.replace(/\n$/, "").split("\n").map((line, place) => {
      const said = warnings.filter((it) => it.line === place + 1);
      const isPointedAt = this.#line === place + 1;
      return h("li", { class: isPointedAt ? "pointed" : undefined, id: `line-${place + 1}` },
        h("code", {}, ...tokens(line).map(({ kind, text }) => h("span", { class: `t-${kind}` }, text))),
        ...said.map((it) => h("p", { class: "said" }, toned("wary", it.help === undefined ? it.reason : `${it.reason}; ${it.help}`))));
    });
    this.#text.replaceChildren(h("ol", { class: "code", tabindex: 0, "aria-label": "The configuration, line by line" }, ...lines));
    if (this.#line !== undefined) this.#text.querySelector(".pointed")?.scrollIntoView({ block: "center" });
  }

  #showDifference(before: string, now: string): void {
    const lines = diff(before, now);
    const note = h("p", { class: "none" });
    tell(note, lines.every((line) => line.sign === " ") ? "The same as what runs now." : "− as it was then, + as it runs now.");
    this.#text.replaceChildren(note, h("ol", { class: "code diff" }, ...lines.map(({ sign, text }) =>
      h("li", { "data-sign": sign }, h("code", {}, sign === " " ? "  " : `${sign} `, ...tokens(text).map((token) => h("span", { class: `t-${token.kind}` }, token.text)))))));
  }
}
