// Exchanges that failed or were slow: why, and each of the last.

import { get, inWords, isStatus } from "../api/client.ts";
import type { Recorded, RecordedExchange } from "../api/documents.ts";
import { CODES } from "../model/codes.ts";
import {
  ago, found, hasWords, keysOf, LASTS, question, REMEMBERED, unseen, USUAL_LAST, type Filter, type Last,
} from "../model/exchanges.ts";
import { amount, clock } from "../model/format.ts";
import { hashOf } from "../model/place.ts";
import type { Change } from "../store.ts";
import { arrange, button, h, mark, tell } from "./dom.ts";
import { ExchangeRow, phaseLegend } from "./exchange-row.ts";
import { Trend } from "./trend.ts";
import type { Bridge, View } from "./view.ts";

/** Exchanges at first, and with each "more"; the node has no more than the last. */
const LIMITS = [100, 1000, 10_000] as const;

/** Causes that are shown; of the others the table tells. */
const MOST_CAUSES = 6;

/** How long what was read is new enough. */
const REREAD = 5_000;

const TITLES = ["Time", "Request", "Where", "Status", "Code", "Took", "Why"];

const LAST_LABELS: Record<Last, string> = { "5m": "5 min", "15m": "15 min", "1h": "1 h" };
const LAST_SECONDS: Record<Last, number> = { "5m": 300, "15m": 900, "1h": 3600 };

export class Exchanges implements View {
  readonly element: HTMLElement;
  readonly title = "Failed and slow";
  readonly #bridge: Bridge;
  readonly #words = h("input", { type: "search", placeholder: "filter by path, client, trace, cause", "aria-label": "Filter exchanges" });
  readonly #place = h("select", { "aria-label": "Listener, pool or server" });
  readonly #status = h("select", { "aria-label": "Status" });
  readonly #code = h("select", { "aria-label": "Termination code" });
  readonly #slow: HTMLButtonElement;
  readonly #lasts: HTMLButtonElement[];
  readonly #peak: HTMLButtonElement;
  readonly #sentence = h("p", { class: "found", role: "status" });
  readonly #causes = h("ul", { class: "causes" });
  readonly #body = h("tbody", { role: "rowgroup" });
  readonly #table: HTMLElement;
  readonly #none = h("p", { class: "none" });
  readonly #more: HTMLButtonElement;
  readonly #trendHost = h("div");
  readonly #rows = new Map<string, ExchangeRow>();
  /** What has been met, so that it can be chosen again after something else was. */
  readonly #statuses = new Set<number>();
  #filter: Filter;
  #recorded: Recorded | undefined;
  #trend: Trend | undefined;
  #shape = "";
  #limit: number = LIMITS[0];
  #readAt = 0;
  /** Which question is the newest: an older answer that comes later is nobody's. */
  #asked = 0;

  constructor(bridge: Bridge, filter: Filter) {
    this.#bridge = bridge;
    this.#filter = filter;
    this.#words.addEventListener("input", () => this.#fill());
    this.#place.addEventListener("change", () => this.#choose({ ...without(this.#filter, "pool", "server", "listener"), ...placed(this.#place.value) }));
    this.#status.addEventListener("change", () => {
      const rest = without(this.#filter, "status");
      this.#choose(this.#status.value === "" ? rest : { ...rest, status: Number(this.#status.value) });
    });
    this.#code.addEventListener("change", () => {
      const rest = without(this.#filter, "code");
      this.#choose(this.#code.value === "" ? rest : { ...rest, code: this.#code.value });
    });
    this.#slow = button("only slow", () => {
      const rest = without(this.#filter, "isSlow");
      this.#choose(this.#filter.isSlow === true ? rest : { ...rest, isSlow: true });
    }, { class: "chip" });
    this.#lasts = LASTS.map((last) => button(LAST_LABELS[last], () => this.#choose({ ...without(this.#filter, "at", "within"), last })));
    this.#peak = button("", () => this.#choose(without(this.#filter, "at", "within")), { class: "chip", "aria-pressed": "true", "aria-label": "Leave this moment" });
    this.#more = button("more", () => {
      this.#limit = LIMITS.find((limit) => limit > this.#limit) ?? this.#limit;
      void this.#read();
    }, { class: "quiet" });
    const titles = TITLES.map((title) => h("th", { scope: "col", role: "columnheader", class: title === "Took" ? "took" : undefined }, title));
    this.#table = h("table", { class: "exchanges", role: "table" },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...titles)), this.#body);
    this.element = h("div", { class: "view" },
      h("header", { class: "lead" }, h("h1", {}, "Failed and slow"),
        h("p", { class: "node-facts" }, "Exchanges of the last hour that were answered 5xx, failed by no fault of the client's, or took longer to begin than ", h("code", {}, "slow"), " of ", h("code", {}, "[history]"), " allows.")),
      h("section", { class: "block" }, h("h2", {}, "Errors"),
        h("div", { class: "choice" },
          h("span", { class: "switch", role: "group", "aria-label": "Time" }, ...this.#lasts), this.#peak,
          this.#place, this.#status, this.#code, this.#slow, this.#words),
        this.#trendHost),
      h("section", { class: "block" },
        this.#sentence, this.#causes, phaseLegend(), this.#table, this.#none,
        h("div", { class: "head-actions" }, this.#more)));
    this.#tellChoice();
    void this.#read();
  }

  close(): void {
    this.#asked += 1;
    this.#trend?.close();
  }

  update(change: Change): void {
    const { status } = this.#bridge.store;
    if (status === undefined) return;
    const shape = JSON.stringify([status.listeners.map((it) => it.name), status.pools.map((it) => [it.name, it.servers.map((server) => server.name)])]);
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#fillPlaces();
      this.#drawTrend();
    }
    this.#trend?.update(change);
    if (change === "tick" && Date.now() - this.#readAt > REREAD) void this.#read();
  }

  /** Another question, in the same place: going back leaves the view. */
  #choose(filter: Filter): void {
    const hadPlace = [this.#filter.listener, this.#filter.pool, this.#filter.server].join("/");
    this.#filter = filter;
    this.#limit = LIMITS[0];
    history.replaceState(null, "", hashOf({ view: "exchanges", filter }));
    this.#tellChoice();
    if ([filter.listener, filter.pool, filter.server].join("/") !== hadPlace) this.#drawTrend();
    // A moment is looked at where it was found.
    else if (filter.at === undefined) this.#trend?.show(LAST_SECONDS[filter.last ?? USUAL_LAST]);
    void this.#read();
  }

  #tellChoice(): void {
    const { at, isSlow, last, status, code } = this.#filter;
    LASTS.forEach((it, place) => {
      const element = this.#lasts[place];
      if (element !== undefined) mark(element, "aria-pressed", String(at === undefined && it === (last ?? USUAL_LAST)));
    });
    this.#peak.hidden = at === undefined;
    if (at !== undefined) tell(this.#peak, `around ${this.#clock(at * 1000)} ×`);
    mark(this.#slow, "aria-pressed", String(isSlow === true));
    if (status !== undefined) this.#statuses.add(status);
    options(this.#status, "any status", [...this.#statuses].sort().map((it) => [String(it), String(it)]), status === undefined ? "" : String(status));
    options(this.#code, "any code", CODES.map((it) => [it.code, `${it.code} – ${it.meaning.replaceAll("`", "")}`]), code ?? "");
    this.#fillPlaces();
  }

  #fillPlaces(): void {
    const { status } = this.#bridge.store;
    const { pool, server, listener } = this.#filter;
    const places: [string, string][] = [
      ...(status?.listeners ?? []).map((it): [string, string] => [`listener=${it.name}`, `listener ${it.name}`]),
      ...(status?.pools ?? []).flatMap((it): [string, string][] => [
        [`pool=${it.name}`, `pool ${it.name}`],
        ...it.servers.map((server): [string, string] => [`server=${it.name}/${server.name}`, `${it.name}/${server.name}`]),
      ]),
    ];
    const chosen = server !== undefined ? `server=${pool}/${server}` : pool !== undefined ? `pool=${pool}` : listener !== undefined ? `listener=${listener}` : "";
    if (chosen !== "" && !places.some(([value]) => value === chosen)) places.push([chosen, chosen.slice(chosen.indexOf("=") + 1)]);
    options(this.#place, "anywhere", places, chosen);
  }

  /** The errors of what is looked at: a peak is a time to look at. */
  #drawTrend(): void {
    const { status } = this.#bridge.store;
    if (status === undefined) return;
    const { pool, server, listener } = this.#filter;
    const of = server !== undefined ? [`server/${pool}/${server}`] : pool !== undefined ? [`pool/${pool}`] : listener !== undefined ? [`listener/${listener}`] : status.listeners.map((it) => `listener/${it.name}`);
    const lines = of.map((it) => ({ of: it, figure: "errors", label: it.slice(it.indexOf("/") + 1) }));
    this.#trend?.close();
    this.#trend = new Trend(this.#bridge, [{ title: "errors per second", lines, write: amount, failures: {} }], {
      seconds: LAST_SECONDS[this.#filter.last ?? USUAL_LAST],
      onPeak: ({ at, within }) => this.#choose({ ...without(this.#filter, "last"), ...(at === undefined ? {} : { at }), ...(within === undefined ? {} : { within }) }),
    });
    this.#trendHost.replaceChildren(this.#trend.element);
  }

  async #read(): Promise<void> {
    this.#readAt = Date.now();
    this.#asked += 1;
    const asked = this.#asked;
    try {
      const recorded = await get<Recorded>(`/api/v1/exchanges?${question(this.#filter, this.#limit)}`);
      if (asked !== this.#asked) return;
      this.#recorded = recorded;
      this.#fill();
    } catch (error) {
      if (asked !== this.#asked) return;
      const why = isStatus(error, 404) ? "this node does not remember exchanges" : inWords(error);
      tell(this.#sentence, `No answer: ${why}.`);
      mark(this.#sentence, "data-tone", "bad");
    }
  }

  #clock(at: number): string {
    return clock(at, this.#bridge.store.now());
  }

  #fill(): void {
    const recorded = this.#recorded;
    if (recorded === undefined) return;
    const now = this.#bridge.store.now();
    const isForgotten = (this.#filter.at ?? now / 1000) < now / 1000 - REMEMBERED;
    const sentence = isForgotten
      ? "The node remembers exchanges for an hour: that moment is longer ago."
      : `${found(recorded, this.#filter, (at) => this.#clock(at))} ${unseen(recorded)}`.trim();
    tell(this.#sentence, sentence);
    mark(this.#sentence, "data-tone", undefined);
    for (const it of recorded.exchanges) if (it.status !== null) this.#statuses.add(it.status);
    this.#tellChoice();
    this.#fillCauses(recorded);
    const words = this.#words.value.trim();
    const shown = recorded.exchanges.filter((it) => words === "" || hasWords(it, words));
    this.#fillRows(shown, now);
    this.#table.hidden = shown.length === 0;
    this.#none.hidden = shown.length > 0 || recorded.exchanges.length === 0;
    tell(this.#none, "No exchange has these words.");
    const rest = recorded.matched - recorded.exchanges.length;
    this.#more.hidden = rest <= 0 || this.#limit === LIMITS.at(-1);
    tell(this.#more, `show more: ${rest} older ones`);
  }

  #fillCauses(recorded: Recorded): void {
    const text = JSON.stringify(recorded.causes.slice(0, MOST_CAUSES));
    if (this.#causes.dataset["text"] === text) return;
    this.#causes.dataset["text"] = text;
    this.#causes.hidden = recorded.causes.length === 0;
    this.#causes.replaceChildren(...recorded.causes.slice(0, MOST_CAUSES).map(({ words, count }) => h("li", {},
      h("b", {}, String(count)),
      button(words, () => {
        this.#words.value = this.#words.value === words ? "" : words;
        this.#fill();
      }, { class: "cause", title: "show only these" }))));
  }

  #fillRows(shown: readonly RecordedExchange[], now: number): void {
    const keys = keysOf(shown);
    const kept = new Set(keys);
    for (const key of this.#rows.keys()) if (!kept.has(key)) this.#rows.delete(key);
    const elements = shown.flatMap((it, place) => {
      const key = keys[place] ?? "";
      let row = this.#rows.get(key);
      if (row === undefined) {
        row = new ExchangeRow(this.#bridge, it);
        this.#rows.set(key, row);
      }
      row.tell(clock(it.at, now), ago(it.at, now));
      return row.elements;
    });
    arrange(this.#body, elements);
  }
}

function without(filter: Filter, ...names: (keyof Filter)[]): Filter {
  return Object.fromEntries(Object.entries(filter).filter(([name]) => !names.includes(name as keyof Filter)));
}

/** What one choice of a place stands for. */
function placed(value: string): Filter {
  const equals = value.indexOf("=");
  const [kind, name] = [value.slice(0, Math.max(0, equals)), value.slice(equals + 1)];
  const slash = name.indexOf("/");
  if (kind === "server") return { pool: name.slice(0, slash), server: name.slice(slash + 1) };
  if (kind === "pool") return { pool: name };
  return kind === "listener" ? { listener: name } : {};
}

/** Fills a choice, unless it is so already: one that is open stays open. */
function options(select: HTMLSelectElement, any: string, all: readonly (readonly [string, string])[], chosen: string): void {
  const text = JSON.stringify(all);
  if (select.dataset["text"] !== text) {
    select.dataset["text"] = text;
    select.replaceChildren(h("option", { value: "" }, any), ...all.map(([value, label]) => h("option", { value }, label)));
  }
  if (select.value !== chosen) select.value = chosen;
  mark(select, "data-chosen", chosen === "" ? undefined : "");
}
