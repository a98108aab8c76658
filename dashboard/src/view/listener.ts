// One listener: what comes in there, and where it goes.

import { occurred } from "../model/codes.ts";
import { amount, bytes, latency } from "../model/format.ts";
import type { Change } from "../store.ts";
import { h } from "./dom.ts";
import { configLink } from "./config.ts";
import { facts, link } from "./parts.ts";
import { codePanel, errorPanel, Trend } from "./trend.ts";
import type { Bridge, View } from "./view.ts";

/** Of each route. */
const FIGURES = ["Rate", "Errors", "4xx", "p99"] as const;

export class ListenerView implements View {
  readonly element: HTMLElement;
  readonly title: string;
  readonly #bridge: Bridge;
  readonly #name: string;
  readonly #facts = h("div");
  readonly #routes = h("div");
  readonly #trendHost = h("div");
  #trend: Trend | undefined;
  /** Those it has lines for. */
  #codes = "";

  constructor(bridge: Bridge, listener: string) {
    this.#bridge = bridge;
    this.#name = listener;
    this.title = `listener ${listener}`;
    this.element = h("div", { class: "view" },
      h("header", { class: "lead" },
        h("p", { class: "trail" }, link("overview", { view: "overview" })),
        h("h1", { class: "mono" }, listener), this.#facts,
        h("div", { class: "head-actions" }, link("failed and slow", { view: "exchanges", filter: { listener } }, "quiet"), configLink(bridge, { table: "listener", name: listener }))),
      this.#routes,
      h("section", { class: "block" }, h("h2", {}, "Figures"), this.#trendHost));
  }

  close(): void {
    this.#trend?.close();
  }

  update(change: Change): void {
    const { store } = this.#bridge;
    const listener = store.status?.listeners.find((it) => it.name === this.#name);
    if (listener === undefined) {
      if (store.status !== undefined) this.#facts.replaceChildren(h("p", { class: "none" }, "There is no such listener any more."));
      return;
    }
    if (change === "status") {
      const pools = listener.pools ?? [];
      const certificates = listener.certificates ?? [];
      this.#facts.replaceChildren(facts([
        ["speaks", listener.protocol],
        ["at", listener.addresses.join(", ")],
        ["goes to", pools.length === 0 ? undefined : h("span", {}, ...pools.map((pool) => link(pool, { view: "pool", pool }, "listed")))],
        ["certificates", certificates.length === 0 ? undefined : link(String(certificates.length), { view: "certificates" })],
        ["connections", `${listener.connections} held, ${listener.connections_total} accepted`],
        ["requests", listener.protocol.startsWith("http") ? String(listener.requests_total) : undefined],
      ]));
    }
    if (change === "tick") this.#tellRoutes();
    const codes = occurred(store.tick?.listeners[this.#name]?.ended);
    if (this.#trend === undefined || codes.join() !== this.#codes) {
      this.#codes = codes.join();
      this.#trend?.close();
      this.#trend = this.#newTrend(listener.protocol.startsWith("http"), codes);
      this.#trendHost.replaceChildren(this.#trend.element);
    }
    this.#trend.update(change);
  }

  #newTrend(isAnswered: boolean, codes: readonly string[]): Trend {
    const of = `listener/${this.#name}`;
    return new Trend(this.#bridge, [
      { title: "per second", lines: [{ of, figure: "rate", label: "rate" }], write: amount },
      errorPanel(of, isAnswered, { listener: this.#name }),
      codePanel(of, codes, { listener: this.#name }),
      { title: "connections", lines: [{ of, figure: "connections", label: "held" }], write: amount },
      { title: "bytes per second", lines: [{ of, figure: "bytes_in", label: "from clients" }, { of, figure: "bytes_out", label: "to clients" }], write: bytes },
    ]);
  }

  #tellRoutes(): void {
    const routes = Object.entries(this.#bridge.store.tick?.routes ?? {}).filter(([name]) => name.startsWith(`${this.#name}/`));
    if (routes.length === 0) return;
    const rows = routes.map(([name, { rate, errors, answered_4xx, p99 }]) => h("tr", {},
      h("th", { scope: "row", class: "mono" }, name.slice(this.#name.length + 1)),
      ...[amount(rate), amount(errors), amount(answered_4xx), latency(p99)].map((text, place) => h("td", { class: "figure", "data-title": FIGURES[place] }, text))));
    this.#routes.replaceChildren(h("section", { class: "block" }, h("h2", {}, "Routes"),
      h("table", { class: "plain" },
        h("thead", {}, h("tr", {}, ...["Route", ...FIGURES].map((title, place) => h("th", { scope: "col", class: place > 0 ? "figure" : undefined }, title)))),
        h("tbody", {}, ...rows))));
  }
}
