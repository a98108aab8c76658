// One server: what it is, why, what it did.

import { occurred } from "../model/codes.ts";
import { clock, day, latency, span } from "../model/format.ts";
import { amount } from "../model/format.ts";
import { recordOf } from "../model/drill.ts";
import { nameOf } from "../model/pair.ts";
import { hasRequests } from "../model/series.ts";
import { merged, type Seen } from "../model/state.ts";
import type { Change } from "../store.ts";
import { AdminSwitch, askForWeight } from "./actions.ts";
import { button, h, mark, tell, type Child } from "./dom.ts";
import { stateSign } from "./icon.ts";
import { configLink } from "./config.ts";
import { drilled, eventList, facts, link, toned } from "./parts.ts";
import { codePanel, errorPanel, Trend } from "./trend.ts";
import type { Bridge, View } from "./view.ts";

export class ServerView implements View {
  readonly element: HTMLElement;
  readonly title: string;
  readonly #bridge: Bridge;
  readonly #pool: string;
  readonly #server: string;
  readonly #head = h("div", { class: "head-state" });
  readonly #facts = h("div", { class: "columns" });
  readonly #line = h("div");
  readonly #events = h("div");
  readonly #gone = h("p", { class: "none", hidden: true }, "There is no such server any more.");
  readonly #switch: AdminSwitch;
  readonly #weight: HTMLButtonElement;
  readonly #trendHost = h("div");
  #trend: Trend | undefined;
  /** Those it has lines for. */
  #codes = "";

  constructor(bridge: Bridge, pool: string, server: string) {
    this.#bridge = bridge;
    this.#pool = pool;
    this.#server = server;
    this.title = `${pool}/${server}`;
    this.#switch = new AdminSwitch(bridge, () => this.#found());
    this.#weight = button("", () => askForWeight(bridge, this.#found()), { class: "quiet" });
    this.element = h("div", { class: "view" },
      h("header", { class: "lead" },
        h("p", { class: "trail" }, link("servers", { view: "servers" }), " / ", link(pool, { view: "pool", pool })),
        h("h1", { class: "mono" }, server), this.#head,
        h("div", { class: "head-actions" }, this.#switch.element, this.#weight, link("failed and slow", { view: "exchanges", filter: { pool, server } }, "quiet"), configLink(bridge, { table: "pool", name: pool, server: { name: server, address: server } }))),
      this.#gone, this.#facts,
      h("section", { class: "block" }, h("h2", {}, "Figures"), this.#trendHost),
      h("section", { class: "block" }, h("h2", {}, "How it has come to that"), this.#line),
      h("section", { class: "block" }, h("h2", {}, "Events"), this.#events));
  }

  #found(): Seen {
    const found = this.#bridge.store.find(this.#pool, this.#server);
    if (found === undefined) throw new Error(`${this.title} is not there`);
    return found;
  }

  close(): void {
    this.#trend?.close();
  }

  update(change: Change): void {
    const { store } = this.#bridge;
    const it = store.find(this.#pool, this.#server);
    this.#gone.hidden = it !== undefined || store.status === undefined;
    const codes = occurred(store.tick?.servers[this.title]?.ended);
    if (store.status !== undefined && (this.#trend === undefined || codes.join() !== this.#codes)) {
      this.#codes = codes.join();
      this.#trend?.close();
      this.#trend = this.#newTrend(hasRequests(store.status, this.#pool), codes);
      this.#trendHost.replaceChildren(this.#trend.element);
    }
    this.#trend?.update(change);
    if (it === undefined) return;
    this.#switch.update(it);
    tell(this.#weight, `weight ${it.server.weight}`);
    const now = store.now();
    if (change === "status" || change === "tick") this.#tellHead(it, now);
    if (change === "status") {
      this.#facts.replaceChildren(...this.#allFacts(it, now));
      this.#line.replaceChildren(this.#timeLine(it, now));
    }
    if (change === "events" || change === "status") {
      this.#events.replaceChildren(eventList(store.happenings.filter((event) => event.subject === this.title).slice(0, 30), this.#bridge));
    }
  }

  #newTrend(isAnswered: boolean, codes: readonly string[]): Trend {
    const [pool, server] = [this.#pool, this.#server];
    const of = `server/${pool}/${server}`;
    return new Trend(this.#bridge, [
      { title: "per second", lines: [{ of, figure: "rate", label: "requests" }], write: amount },
      errorPanel(of, isAnswered, { pool, server }),
      codePanel(of, codes, { pool, server }),
      { title: "latency", lines: [{ of, figure: "p50", label: "p50" }, { of, figure: "p99", label: "p99" }], write: latency },
      { title: "in flight", lines: [{ of, figure: "in_flight", label: "under way" }], write: amount },
    ], { isAbout: (it) => it.subject === this.title || it.subject === pool });
  }

  #tellHead(it: Seen, now: number): void {
    mark(this.#head, "data-state", it.state);
    const text = `${it.state} for ${span(now - it.since)}${it.reason === "" ? "" : `: ${it.reason}`}`;
    if (this.#head.dataset["text"] === text) return;
    this.#head.dataset["text"] = text;
    this.#head.replaceChildren(stateSign(it.state, 14), h("span", {}, text));
  }

  #allFacts(it: Seen, now: number): HTMLElement[] {
    const { server } = it;
    const { configured, admin, verdict } = server;
    const check = verdict.evidence?.last_check;
    const health: Child = h("span", { class: "toned", "data-state": merged("ready", verdict.health) }, stateSign(merged("ready", verdict.health)), `${verdict.health} since ${clock(Date.parse(verdict.since), now)}`);
    const { pair: other, drills } = this.#bridge.store.status ?? {};
    const there: Child = server.peer && h("span", { class: "toned", "data-state": merged("ready", server.peer.health) }, stateSign(merged("ready", server.peer.health)), `${server.peer.health} since ${clock(Date.parse(server.peer.since), now)}: ${server.peer.reason}`);
    const said = admin.author === "" ? admin.state : `${admin.state}, said ${admin.author}${admin.reason === "" ? "" : `: ${admin.reason}`}`;
    const until = server.override?.state?.expires;
    return [
      section("As configured", facts([
        ["address", server.address],
        ["weight", configured !== undefined && configured.weight !== server.weight ? `${server.weight} (the file says ${configured.weight})` : String(server.weight)],
        ["zone", server.zone],
        ["backup", server.backup ? "used only when no other can be" : undefined],
        ["from", server.override?.added !== undefined ? `added by ${server.override.added.author || "an operator"}` : (configured?.file ?? "the configuration")],
      ])),
      section("As found", facts([
        ["health", health],
        ["because", verdict.reason],
        [other === undefined ? "the other node" : `for ${nameOf(other)}`, there],
        ["last check", check === undefined ? "none yet" : `${check.outcome} in ${latency(check.took_ms / 1000)}, ${span(now - Date.parse(check.at))} ago`],
        ["it found", check?.found],
        ["checks", `${server.checks_total}, ${server.check_failures_total} failed`],
        ...(verdict.evidence?.components ?? []).map((part): [string, Child] => [
          part.name,
          toned(part.status === "up" ? "good" : part.status === "down" ? "bad" : "wary", `${part.status}${part.critical ? ", critical" : ""}${part.latency_ms === undefined ? "" : `, ${latency(part.latency_ms / 1000)}`}`),
        ]),
      ])),
      section("In use", facts([
        ["admin", said],
        ["since", admin.author === "" ? undefined : clock(Date.parse(admin.since), now)],
        ["until", until === undefined ? undefined : `${day(Date.parse(until))} ${clock(Date.parse(until), Date.parse(until))}`],
        ["last drill", drilled(drills && recordOf(drills, "server", this.title), now)],
        ["requests", `${server.requests_total}, ${server.failures_total} failed, ${server.retries_total} retried elsewhere`],
        ["connections", `${server.connections_total} made, ${server.idle_connections} idle`],
      ])),
    ];
  }

  #timeLine(it: Seen, now: number): HTMLElement {
    const entries = [...(it.server.verdict.time_line ?? [])].reverse();
    if (entries.length === 0) return h("p", { class: "none" }, "No verdict yet.");
    return h("ol", { class: "events" }, ...entries.map((entry) => h("li", { "data-state": merged("ready", entry.to) },
      stateSign(merged("ready", entry.to)),
      h("time", { datetime: entry.at }, clock(Date.parse(entry.at), now)),
      h("span", { class: "subject" }, entry.to),
      h("span", { class: "kind" }, entry.usable ? "usable" : "not usable"),
      h("span", { class: "message" }, entry.reason))));
  }
}

function section(title: string, content: HTMLElement): HTMLElement {
  return h("section", { class: "block" }, h("h2", {}, title), content);
}
