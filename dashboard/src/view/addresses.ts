// Virtual addresses: who owns them, and what became of them.

import type { Vip } from "../api/documents.ts";
import { recordOf } from "../model/drill.ts";
import { clock, counted, span } from "../model/format.ts";
import { nameOf, ownerInWords, peerOfVipInWords } from "../model/pair.ts";
import type { Tone } from "../model/state.ts";
import type { Change } from "../store.ts";
import { askToMove } from "./actions.ts";
import { button, h } from "./dom.ts";
import { configLink } from "./config.ts";
import { drilled, eventList, facts, toned } from "./parts.ts";
import type { Bridge, View } from "./view.ts";

export class Addresses implements View {
  readonly element: HTMLElement;
  readonly title = "Addresses";
  readonly #bridge: Bridge;
  readonly #list = h("div", { class: "cards" });
  readonly #events = h("div");

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
    this.element = h("div", { class: "view" }, h("header", { class: "lead" }, h("h1", {}, "Virtual addresses")),
      this.#list, h("section", { class: "block" }, h("h2", {}, "History"), this.#events));
  }

  close(): void {}

  update(change: Change): void {
    const { store } = this.#bridge;
    if (store.status === undefined || change === "tick" || change === "link") return;
    const { vips } = store.status;
    const cards = vips.map((vip) => this.#card(vip, store.now()));
    const none = h("p", { class: "none" }, "This node shares no address. With a [vip.NAME] in its file, two nodes take one in turn.");
    this.#list.replaceChildren(...(cards.length > 0 ? cards : [none]));
    this.#events.replaceChildren(eventList(store.happenings.filter((it) => it.lane === "addresses").slice(0, 100), this.#bridge));
  }

  #card(vip: Vip, now: number): HTMLElement {
    const isHere = vip.state === "active" || vip.state === "leaving";
    const { status } = this.#bridge.store;
    const where = status === undefined ? "" : ownerInWords(vip, status);
    const other = status?.pair === undefined ? "the other node" : nameOf(status.pair);
    return h("section", { class: "block card" },
      h("h2", {}, h("span", { class: "mono" }, vip.name), toned(toneOf(vip), vip.state)),
      h("p", { class: "card-lead" }, `Owned by ${where} for ${span(now - Date.parse(vip.since))}: ${vip.reason}.`),
      facts([
        ["addresses", vip.addresses.join(", ")],
        ["interface", `${vip.interface}, router ${vip.router_id}`],
        ["priority", vip.claim === undefined ? `${vip.priority}; may not claim` : vip.claim === vip.priority ? String(vip.priority) : `${vip.priority}, claims with ${vip.claim}`],
        [other, peerOfVipInWords(vip)],
        ["since", clock(Date.parse(vip.since), now)],
        ["fails", vip.failed.join("; ")],
        ["obstacle", vip.obstacle],
        ["claimed", `${counted(vip.claims_total, "time")} since the start`],
        ["last gap", vip.gap_seconds === undefined ? undefined : `${vip.gap_seconds.toFixed(2)} s without an owner`],
        ["last drill", drilled(status && recordOf(status.drills, "vip", vip.name), now)],
        ["conflicts", vip.conflicts_total === 0 ? undefined : toned("bad", String(vip.conflicts_total))],
      ]),
      h("div", { class: "head-actions" },
        vip.moved || isHere ? button(vip.moved ? "take part again" : "give to another node", () => askToMove(this.#bridge, vip), { class: "quiet" }) : undefined,
        configLink(this.#bridge, { table: "vip", name: vip.name })));
  }
}

function toneOf(vip: Vip): Tone {
  if (vip.state === "active") return "good";
  if (vip.state === "fault") return "bad";
  return vip.state === "backup" ? "still" : "wary";
}
