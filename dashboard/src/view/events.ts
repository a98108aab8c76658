// Everything that happened, below the figures of that time.

import { isAbout } from "../model/events.ts";
import { amount, counted } from "../model/format.ts";
import type { Change } from "../store.ts";
import { h, tell } from "./dom.ts";
import { eventList } from "./parts.ts";
import { errorPanel, Trend } from "./trend.ts";
import type { Bridge, View } from "./view.ts";

export class Events implements View {
  readonly element: HTMLElement;
  readonly title = "Events";
  readonly #bridge: Bridge;
  readonly #words = h("input", { type: "search", placeholder: "filter events", "aria-label": "Filter events" });
  readonly #count = h("span", { class: "trend-note" });
  readonly #list = h("div");
  readonly #trendHost = h("div");
  #trend: Trend | undefined;
  #shape = "";

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
    this.#words.addEventListener("input", () => this.#fill());
    this.element = h("div", { class: "view" }, h("header", { class: "lead" }, h("h1", {}, "Events")),
      h("section", { class: "block" }, h("h2", {}, "Figures"), this.#trendHost),
      h("section", { class: "block" }, h("div", { class: "choice" }, this.#words, this.#count), this.#list));
  }

  close(): void {
    this.#trend?.close();
  }

  update(change: Change): void {
    const { status } = this.#bridge.store;
    if (status === undefined) return;
    const shape = JSON.stringify(status.listeners.map((it) => [it.name, it.protocol]));
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#trend?.close();
      this.#trend = new Trend(this.#bridge, [
        { title: "per second", lines: status.listeners.map(({ name }) => ({ of: `listener/${name}`, figure: "rate", label: name })), write: amount },
        errorPanel(status.listeners.map(({ name }) => `listener/${name}`), status.listeners.some((it) => it.protocol.startsWith("http")), {}),
      ]);
      this.#trendHost.replaceChildren(this.#trend.element);
    }
    this.#trend?.update(change);
    if (change === "events" || change === "status") this.#fill();
  }

  #fill(): void {
    const found = this.#bridge.store.happenings.filter((it) => isAbout(it, this.#words.value));
    tell(this.#count, counted(found.length, "event"));
    this.#list.replaceChildren(eventList(found, this.#bridge));
  }
}
