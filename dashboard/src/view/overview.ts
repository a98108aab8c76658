// All of it at a glance.

import type { Status } from "../api/documents.ts";
import { drillInWords, inOrder, placeOfDrill, recordInWords, toneOfRecord } from "../model/drill.ts";
import { amount, bytes, clock, latency, span, unbroken } from "../model/format.ts";
import { differences, doesInWords, linkInWords, toneOfPair } from "../model/pair.ts";
import { headline } from "../model/state.ts";
import type { Change } from "../store.ts";
import { h, mark, tell } from "./dom.ts";
import { Flow } from "./flow.ts";
import { toneSign } from "./icon.ts";
import { eventList, link } from "./parts.ts";
import { Servers } from "./servers.ts";
import { errorPanel, Trend, type Panel } from "./trend.ts";
import type { Bridge, View } from "./view.ts";

/** The latest are enough here; there is a page with all of them. */
const MOST_EVENTS = 8;

/** Drills that are told; the page of a server or an address tells of its own. */
const MOST_DRILLS = 5;

/** The table of so many servers is on this page; of more, those that are not up. */
const MOST_SERVERS = 24;

export class Overview implements View {
  readonly element: HTMLElement;
  readonly title = "Overview";
  readonly #bridge: Bridge;
  readonly #headline = h("h1", { class: "headline" });
  readonly #facts = h("p", { class: "node-facts" });
  readonly #pair = h("p", { class: "pair-facts", hidden: true });
  readonly #drill = h("p", { class: "drill-facts", hidden: true }, toneSign("wary"), h("span"));
  readonly #drills = h("div");
  readonly #problems = h("ul", { class: "problems" });
  readonly #flow: Flow;
  readonly #events = h("div");
  readonly #trendHost = h("div");
  readonly #tableHost = h("div");
  #parts: View[];
  #shape = "";

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
    this.#flow = new Flow(bridge);
    this.#parts = [];
    this.element = h("div", { class: "view" },
      h("header", { class: "lead" }, this.#headline, this.#facts, this.#pair, this.#drill, this.#problems),
      this.#flow.element,
      h("div", { class: "beside" },
        h("section", { class: "block" }, h("h2", {}, "Traffic"), this.#trendHost),
        h("section", { class: "block" }, h("h2", {}, "Latest events ", link("all", { view: "events" }, "more")), this.#events)),
      h("section", { class: "block" }, h("h2", {}, "Servers ", link("all", { view: "servers" }, "more")), this.#tableHost),
      h("section", { class: "block" }, h("h2", {}, "Drills"), this.#drills));
  }

  close(): void {
    this.#flow.close();
    for (const part of this.#parts) part.close();
  }

  update(change: Change): void {
    const { store } = this.#bridge;
    const { status } = store;
    if (status === undefined) return;
    const shape = JSON.stringify([status.listeners.map((it) => [it.name, it.protocol]), status.pools.map((it) => it.name)]);
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#rebuild();
      for (const part of this.#parts) part.update("status");
    }
    if (change === "status" || change === "tick") this.#tellLead();
    if (change === "status") this.#drills.replaceChildren(this.#lastDrills(status, store.now()));
    if (change === "events" || change === "status") this.#events.replaceChildren(eventList(store.happenings.slice(0, MOST_EVENTS), this.#bridge));
    this.#flow.update();
    for (const part of this.#parts) part.update(change);
  }

  #rebuild(): void {
    const { status } = this.#bridge.store;
    if (status === undefined) return;
    for (const part of this.#parts) part.close();
    const listeners = status.listeners.map((it) => it.name);
    const pools = status.pools.map((it) => it.name);
    const isAnswered = status.listeners.some((it) => it.protocol.startsWith("http"));
    const panels: Panel[] = [
      { title: "per second", lines: listeners.map((name) => ({ of: `listener/${name}`, figure: "rate", label: name })), write: amount },
      errorPanel(listeners.map((name) => `listener/${name}`), isAnswered, {}),
      { title: "p99", lines: pools.map((name) => ({ of: `pool/${name}`, figure: "p99", label: name })), write: latency },
    ];
    const trend = new Trend(this.#bridge, panels);
    const table = new Servers(this.#bridge, { hasChoice: false, onlyTroubled: MOST_SERVERS });
    this.#parts = [trend, table];
    this.#trendHost.replaceChildren(trend.element);
    this.#tableHost.replaceChildren(table.element);
  }

  #tellPair({ pair }: Status, now: number): void {
    this.#pair.hidden = pair === undefined;
    if (pair === undefined) return;
    const tone = toneOfPair(pair);
    if (this.#pair.dataset["tone"] !== tone) {
      this.#pair.dataset["tone"] = tone;
      this.#pair.replaceChildren(toneSign(tone), h("span"));
    }
    const text = [linkInWords(pair, now).replace(/\.$/, ""), doesInWords(pair)].filter((part) => part !== "").join(" · ");
    tell(this.#pair.lastElementChild ?? this.#pair, text);
  }

  #tellDrill({ drills }: Status, now: number): void {
    this.#drill.hidden = drills.under_way === undefined;
    if (drills.under_way !== undefined) tell(this.#drill.lastElementChild ?? this.#drill, drillInWords(drills.under_way, now));
  }

  #lastDrills({ drills }: Status, now: number): HTMLElement {
    const rows = inOrder(drills).slice(0, MOST_DRILLS).map((record) => h("li", { "data-tone": toneOfRecord(record) },
      toneSign(toneOfRecord(record)),
      h("time", { datetime: record.ended, title: clock(Date.parse(record.ended), now) }, `${span(now - Date.parse(record.ended))} ago`),
      h("span", { class: "kind" }, record.kind === "vip" ? "address" : "server"),
      link(record.object, placeOfDrill(record), "subject"),
      h("span", { class: "message" }, recordInWords(record, now))));
    if (rows.length > 0) return h("ol", { class: "events" }, ...rows);
    return h("p", { class: "none" }, "None yet. ", h("code", {}, "evenkeel drill server POOL/SERVER"), " takes a server out for a moment beside real clients, and puts it back.");
  }

  #tellLead(): void {
    const { store } = this.#bridge;
    const { status, tick } = store;
    if (status === undefined) return;
    const now = store.now();
    const { tone, text } = headline(status, store.servers, now);
    if (this.#headline.dataset["tone"] !== tone) {
      this.#headline.dataset["tone"] = tone;
      this.#headline.replaceChildren(toneSign(tone, 20), h("span"));
    }
    tell(this.#headline.lastElementChild ?? this.#headline, unbroken(text));
    const parts = [`running for ${span(now - Date.parse(status.started))}`, `${status.connections} connections`];
    if (typeof tick?.node.cpu === "number") parts.push(`CPU ${Math.round(tick.node.cpu * 100)} %`);
    if (typeof tick?.node.memory_bytes === "number") parts.push(`${bytes(tick.node.memory_bytes)} memory`);
    if (status.shed_level > 0) parts.push(`sheds below priority ${status.shed_level}`);
    tell(this.#facts, unbroken(parts.join(" · ")));
    this.#tellPair(status, now);
    this.#tellDrill(status, now);
    const problems = [
      ...status.problems,
      ...differences(store.servers, status.pair),
      ...(status.config.last_refusal === undefined ? [] : [`the last change of the configuration was refused: ${status.config.last_refusal}`]),
      ...status.config.needs_restart.map((what) => `takes effect at the next start: ${what}`),
    ];
    mark(this.#problems, "hidden", problems.length === 0 ? "" : undefined);
    if (this.#problems.dataset["text"] !== problems.join("\n")) {
      this.#problems.dataset["text"] = problems.join("\n");
      this.#problems.replaceChildren(...problems.map((text) => h("li", {}, toneSign("wary"), text)));
    }
  }
}
