// One pool: its servers, and its figures.

import { occurred } from "../model/codes.ts";
import { amount, clock, latency } from "../model/format.ts";
import { hasRequests } from "../model/series.ts";
import { modeInWords, summary, toneOfPool } from "../model/state.ts";
import type { Change } from "../store.ts";
import { h } from "./dom.ts";
import { configLink } from "./config.ts";
import { eventList, facts, link, toned } from "./parts.ts";
import { Servers } from "./servers.ts";
import { codePanel, errorPanel, Trend, type Line } from "./trend.ts";
import type { Bridge, View } from "./view.ts";

export class PoolView implements View {
  readonly element: HTMLElement;
  readonly title: string;
  readonly #bridge: Bridge;
  readonly #pool: string;
  readonly #lead = h("div", { class: "lead" });
  readonly #events = h("div");
  readonly #trendHost = h("div");
  readonly #table: Servers;
  #trend: Trend | undefined;
  #names = "";

  constructor(bridge: Bridge, pool: string) {
    this.#bridge = bridge;
    this.#pool = pool;
    this.title = `pool ${pool}`;
    this.#table = new Servers(bridge, { pool, hasChoice: true });
    this.element = h("div", { class: "view" },
      h("header", { class: "lead" },
        h("p", { class: "trail" }, link("servers", { view: "servers" })),
        h("h1", { class: "mono" }, pool), this.#lead,
        h("div", { class: "head-actions" }, link("failed and slow", { view: "exchanges", filter: { pool } }, "quiet"), configLink(bridge, { table: "pool", name: pool }))),
      this.#table.element,
      h("section", { class: "block" }, h("h2", {}, "Figures"), this.#trendHost),
      h("section", { class: "block" }, h("h2", {}, "Events"), this.#events));
  }

  close(): void {
    this.#table.close();
    this.#trend?.close();
  }

  update(change: Change): void {
    const { store } = this.#bridge;
    const pool = store.status?.pools.find((it) => it.name === this.#pool);
    if (pool === undefined) {
      if (store.status !== undefined) this.#lead.replaceChildren(h("p", { class: "none" }, "There is no such pool any more."));
      return;
    }
    const isAnswered = store.status !== undefined && hasRequests(store.status, pool.name);
    const codes = occurred(store.tick?.pools[pool.name]?.ended);
    const names = [isAnswered, ...codes, ...pool.servers.map((it) => it.name)].join("\n");
    if (this.#trend === undefined || names !== this.#names) {
      this.#names = names;
      this.#trend?.close();
      this.#trend = this.#newTrend(pool.servers.map((it) => it.name), isAnswered, codes);
      this.#trendHost.replaceChildren(this.#trend.element);
    }
    if (change === "status") {
      const listeners = store.status?.listeners.filter((it) => it.pools?.includes(pool.name)) ?? [];
      this.#lead.replaceChildren(
        h("p", { class: "head-state" }, toned(toneOfPool(pool), modeInWords(pool) || summary(store.servers.filter((it) => it.pool === pool.name)))),
        facts([
          ["balance", pool.balance],
          ["used by", listeners.length === 0 ? undefined : h("span", {}, ...listeners.map((it) => link(it.name, { view: "listener", listener: it.name }, "listed")))],
          ["waiting", (pool.waiting ?? 0) === 0 ? undefined : `${pool.waiting} requests for a server with room`],
          ["all lack", (pool.degraded ?? []).map((it) => it.dependency).join(", ")],
          ["removed", (pool.removed ?? []).map((it) => `${it.name} (${it.said.author}, ${clock(Date.parse(it.said.since), store.now())})`).join(", ")],
        ]));
    }
    if (change === "status" || change === "events") {
      const isOurs = (subject: string): boolean => subject === this.#pool || subject.startsWith(`${this.#pool}/`);
      this.#events.replaceChildren(eventList(store.happenings.filter((it) => isOurs(it.subject)).slice(0, 30), this.#bridge));
    }
    this.#table.update(change);
    this.#trend.update(change);
  }

  #newTrend(names: readonly string[], isAnswered: boolean, codes: readonly string[]): Trend {
    const of = `pool/${this.#pool}`;
    const each = (figure: string): Line[] => names.map((name) => ({ of: `server/${this.#pool}/${name}`, figure, label: name }));
    const line = (figure: string, label: string): Line[] => [{ of, figure, label }];
    const isFew = names.length <= 6;
    return new Trend(this.#bridge, [
      { title: "per second", lines: isFew ? each("rate") : line("rate", "all servers"), write: amount },
      errorPanel(of, isAnswered, { pool: this.#pool }),
      codePanel(of, codes, { pool: this.#pool }),
      { title: "errors of servers per second", lines: isFew ? each("errors") : [], write: amount, failures: { pool: this.#pool } },
      { title: "latency", lines: [...line("p50", "p50"), ...line("p99", "p99")], write: latency },
      { title: "under way", lines: [...line("in_flight", "in flight"), ...line("queue", "waiting")], write: amount },
    ], { isAbout: (it) => it.subject === this.#pool || it.subject.startsWith(`${this.#pool}/`) });
  }
}
