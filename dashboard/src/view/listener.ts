// One listener: what comes in there, and where it goes.

import { amount, bytes, latency } from "../model/format.ts";
import type { Change } from "../store.ts";
import { h } from "./dom.ts";
import { configLink } from "./config.ts";
import { facts, link } from "./parts.ts";
import { Trend } from "./trend.ts";
import type { Bridge, View } from "./view.ts";

export class ListenerView implements View {
  readonly element: HTMLElement;
  readonly title: string;
  readonly #bridge: Bridge;
  readonly #name: string;
  readonly #facts = h("div");
  readonly #routes = h("div");
  readonly #trend: Trend;

  constructor(bridge: Bridge, listener: string) {
    this.#bridge = bridge;
    this.#name = listener;
    this.title = `listener ${listener}`;
    const of = `listener/${listener}`;
    this.#trend = new Trend(bridge, [
      { title: "per second", lines: [{ of, figure: "rate", label: "rate" }], write: amount },
      { title: "errors per second", lines: [{ of, figure: "errors", label: "errors", colour: "bad" }], write: amount, failures: { listener } },
      { title: "connections", lines: [{ of, figure: "connections", label: "held" }], write: amount },
      { title: "bytes per second", lines: [{ of, figure: "bytes_in", label: "from clients" }, { of, figure: "bytes_out", label: "to clients" }], write: bytes },
    ]);
    this.element = h("div", { class: "view" },
      h("header", { class: "lead" },
        h("p", { class: "trail" }, link("overview", { view: "overview" })),
        h("h1", { class: "mono" }, listener), this.#facts,
        h("div", { class: "head-actions" }, link("failed and slow", { view: "exchanges", filter: { listener } }, "quiet"), configLink(bridge, { table: "listener", name: listener }))),
      this.#routes,
      h("section", { class: "block" }, h("h2", {}, "Figures"), this.#trend.element));
  }

  close(): void {
    this.#trend.close();
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
    this.#trend.update(change);
  }

  #tellRoutes(): void {
    const routes = Object.entries(this.#bridge.store.tick?.routes ?? {}).filter(([name]) => name.startsWith(`${this.#name}/`));
    if (routes.length === 0) return;
    const rows = routes.map(([name, { rate, errors, p99 }]) => h("tr", {},
      h("th", { scope: "row", class: "mono" }, name.slice(this.#name.length + 1)),
      h("td", { class: "figure" }, amount(rate)), h("td", { class: "figure" }, amount(errors)), h("td", { class: "figure" }, latency(p99))));
    this.#routes.replaceChildren(h("section", { class: "block" }, h("h2", {}, "Routes"),
      h("table", { class: "plain" },
        h("thead", {}, h("tr", {}, ...["Route", "Rate", "Errors", "p99"].map((title, place) => h("th", { scope: "col", class: place > 0 ? "figure" : undefined }, title)))),
        h("tbody", {}, ...rows))));
  }
}
