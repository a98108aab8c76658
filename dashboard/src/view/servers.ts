// The table of servers. A row is made once and then only changed where it differs.

import { amount, clock, latency, span, UNKNOWN } from "../model/format.ts";
import { nameOf } from "../model/pair.ts";
import { hashOf } from "../model/place.ts";
import { path } from "../model/ring.ts";
import { counts, modeInWords, STATES, type Seen, type ServerState } from "../model/state.ts";
import { BY_POOL, chosen, clicked, ordered, type Column, type Order } from "../model/table.ts";
import type { Change } from "../store.ts";
import { AdminSwitch, askForState, askForWeight } from "./actions.ts";
import { arrange, button, h, mark, s, tell } from "./dom.ts";
import { reshape, stateSign } from "./icon.ts";
import type { Bridge, View } from "./view.ts";

/** An order by figures holds so long: what is read or aimed at does not jump away each second. */
const REORDER = 2500;

/** Seconds a sparkline shows, and its size. */
const SPARK = 60;
const SPARK_WIDTH = 84;
const SPARK_HEIGHT = 20;

const COLUMNS: readonly { title: string; column?: Column; kind?: string }[] = [
  { title: "State", column: "state" },
  { title: "Server", column: "server" },
  { title: "Reason" },
  { title: "Since", column: "since", kind: "figure" },
  { title: "Rate", column: "rate", kind: "rate" },
  { title: "p99", column: "p99", kind: "figure" },
  { title: "Errors", column: "errors", kind: "figure" },
  { title: "In flight", column: "in_flight", kind: "figure" },
  { title: "Admin", kind: "admin" },
];

/** What the table is asked to leave out. */
export interface Focus {
  pool?: string;
  /** Words and states to choose by are offered. */
  hasChoice: boolean;
  /** It is a view of its own, with a title. */
  isWhole?: boolean;
  /** With more servers than this, those that are up are left out. */
  onlyTroubled?: number;
}

export class Servers implements View {
  readonly element: HTMLElement;
  readonly title = "Servers";
  readonly #bridge: Bridge;
  readonly #focus: Focus;
  readonly #body = h("tbody", { role: "rowgroup" });
  readonly #head: Map<Column, HTMLElement> = new Map();
  readonly #rows = new Map<string, Row>();
  readonly #pools = new Map<string, PoolRow>();
  readonly #seen: IntersectionObserver;
  readonly #chips = new Map<ServerState, HTMLButtonElement>();
  readonly #words = h("input", { type: "search", placeholder: "filter by name, address, zone, reason", "aria-label": "Filter servers" });
  readonly #none = h("p", { class: "none", hidden: true });
  readonly #states = new Set<ServerState>();
  #order: Order = BY_POOL;
  #arrangedAt = 0;

  constructor(bridge: Bridge, focus: Focus) {
    this.#bridge = bridge;
    this.#focus = focus;
    this.#seen = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const row = this.#rows.get((target as HTMLElement).dataset["key"] ?? "");
        if (row === undefined) continue;
        row.isVisible = isIntersecting;
        if (isIntersecting) row.tell(row.it, bridge.store.now(), bridge);
      }
    }, { rootMargin: "200px" });
    const titles = COLUMNS.map(({ title, column, kind }) => {
      if (column === undefined) return h("th", { scope: "col", role: "columnheader", class: kind }, title);
      const cell = h("th", { scope: "col", role: "columnheader", class: kind }, button(title, () => this.#sort(column)));
      this.#head.set(column, cell);
      return cell;
    });
    const table = h("table", { class: "servers", role: "table" }, h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...titles)), this.#body);
    this.#body.addEventListener("keydown", (event) => this.#onKey(event));
    this.#words.addEventListener("input", () => this.#arrange());
    const chips = STATES.map((state) => {
      const chip = button("", () => this.#toggle(state), { class: "chip", "data-state": state, "aria-pressed": "false" });
      this.#chips.set(state, chip);
      return chip;
    });
    const section = h("section", { class: focus.hasChoice ? "block" : undefined, "aria-label": "Servers" },
      focus.hasChoice && h("div", { class: "choice" }, this.#words, ...chips),
      table, this.#none);
    const title = focus.pool === undefined ? "Servers" : `Servers of ${focus.pool}`;
    this.element = focus.isWhole === true
      ? h("div", { class: "view" }, h("header", { class: "lead" }, h("h1", {}, title)), section)
      : section;
  }

  close(): void {
    this.#seen.disconnect();
  }

  update(change: Change): void {
    if (change === "status") this.#forget();
    const isOld = this.#order !== BY_POOL && Date.now() - this.#arrangedAt > REORDER;
    if (change === "status" || (change === "tick" && isOld)) this.#arrange();
    if (change === "events" || change === "link") return;
    this.#tell();
  }

  #sort(column: Column): void {
    this.#order = clicked(this.#order, column);
    this.#arrange();
    this.#tell();
  }

  #toggle(state: ServerState): void {
    if (!this.#states.delete(state)) this.#states.add(state);
    this.#arrange();
    this.#tell();
  }

  /** Which rows there are, in which order. */
  #arrange(): void {
    this.#arrangedAt = Date.now();
    const { servers, status } = this.#bridge.store;
    const choice = { words: this.#words.value, states: this.#states, ...(this.#focus.pool === undefined ? {} : { pool: this.#focus.pool }) };
    const isShort = servers.length > (this.#focus.onlyTroubled ?? Number.POSITIVE_INFINITY);
    const worth = isShort ? servers.filter((it) => it.state !== "up") : servers;
    const shown = ordered(chosen(worth, choice), this.#order);
    const children: Element[] = [];
    let pool = "";
    for (const it of shown) {
      if (this.#order === BY_POOL && this.#focus.pool === undefined && it.pool !== pool) {
        pool = it.pool;
        children.push(this.#pool(pool).element);
      }
      children.push(this.#row(it).element);
    }
    arrange(this.#body, children);
    this.#none.hidden = shown.length > 0 || status === undefined;
    tell(this.#none, isShort ? `All ${servers.length} are up.` : "No server matches.");
    for (const [column, cell] of this.#head) {
      const isBy = this.#order.column === column;
      mark(cell, "aria-sort", !isBy ? undefined : this.#order.isDescending ? "descending" : "ascending");
    }
  }

  /** Servers come and go, and one may come back elsewhere under the same name. */
  #forget(): void {
    const { store } = this.#bridge;
    for (const [key, row] of this.#rows) {
      const { pool, server } = row.it;
      if (notes(store.find(pool, server.name)) === row.notes) continue;
      this.#seen.unobserve(row.element);
      this.#rows.delete(key);
    }
  }

  #row(it: Seen): Row {
    const key = `${it.pool}/${it.server.name}`;
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = new Row(this.#bridge, it);
      this.#rows.set(key, row);
      this.#seen.observe(row.element);
    }
    row.it = it;
    return row;
  }

  #pool(name: string): PoolRow {
    let row = this.#pools.get(name);
    if (row === undefined) {
      row = new PoolRow(name);
      this.#pools.set(name, row);
    }
    return row;
  }

  #tell(): void {
    const { store } = this.#bridge;
    const now = store.now();
    for (const it of store.servers) {
      const row = this.#rows.get(`${it.pool}/${it.server.name}`);
      if (row !== undefined && row.element.isConnected) row.tell(it, now, this.#bridge);
    }
    for (const [name, row] of this.#pools) row.tell(name, this.#bridge);
    const found = counts(store.servers.filter((it) => this.#focus.pool === undefined || it.pool === this.#focus.pool).map((it) => it.state));
    for (const [state, chip] of this.#chips) {
      tell(chip, `${found[state]} ${state}`);
      mark(chip, "aria-pressed", String(this.#states.has(state)));
      chip.hidden = found[state] === 0 && !this.#states.has(state);
    }
  }

  /** j and k, or the arrows, go through the rows; r, d, m and w ask for a change. */
  #onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const element = (event.target as HTMLElement).closest("tr");
    const row = this.#rows.get(element?.dataset["key"] ?? "");
    if (element === null || row === undefined) return;
    switch (event.key) {
      case "ArrowDown":
      case "j":
        step(element, "nextElementSibling");
        break;
      case "ArrowUp":
      case "k":
        step(element, "previousElementSibling");
        break;
      case "r":
        askForState(this.#bridge, row.it, "ready");
        break;
      case "d":
        askForState(this.#bridge, row.it, "drain");
        break;
      case "m":
        askForState(this.#bridge, row.it, "maint");
        break;
      case "w":
        askForWeight(this.#bridge, row.it);
        break;
      default:
        return;
    }
    event.preventDefault();
  }
}

function step(from: Element, way: "nextElementSibling" | "previousElementSibling"): void {
  let next = from[way];
  while (next !== null && next.querySelector("a.name") === null) next = next[way];
  next?.querySelector<HTMLElement>("a.name")?.focus();
}

class Row {
  readonly element: HTMLTableRowElement;
  /** What stands behind its name. */
  readonly notes: string;
  /** Not before it was seen to be: the first drawing is of what is in sight, too. */
  isVisible = false;
  it: Seen;
  readonly #sign = stateSign("up");
  readonly #word = h("span", { class: "word" });
  readonly #why = h("span");
  readonly #there = h("span", { class: "there", hidden: true });
  readonly #reason = h("td", { role: "cell", class: "reason" }, this.#why, this.#there);
  readonly #since = h("td", { role: "cell", class: "figure" });
  readonly #rate = h("span", { class: "value" });
  readonly #line = s("path");
  readonly #p99 = h("td", { role: "cell", class: "figure" });
  readonly #errors = h("td", { role: "cell", class: "figure" });
  readonly #flight = h("td", { role: "cell", class: "figure" });
  readonly #switch: AdminSwitch;
  readonly #weight: HTMLButtonElement;

  constructor(bridge: Bridge, it: Seen) {
    this.it = it;
    const { name } = it.server;
    this.notes = notes(it) ?? "";
    const spark = s("svg", { class: "spark", viewBox: `0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`, width: SPARK_WIDTH, height: SPARK_HEIGHT, "aria-hidden": "true" }, this.#line);
    this.#switch = new AdminSwitch(bridge, () => this.it);
    this.#weight = button("", () => askForWeight(bridge, this.it), { class: "quiet weight" });
    this.element = h("tr", { role: "row", "data-key": `${it.pool}/${name}` },
      h("td", { role: "cell", class: "state" }, this.#sign, this.#word),
      h("th", { scope: "row", role: "rowheader" },
        h("a", { class: "name", href: hashOf({ view: "server", pool: it.pool, server: name }) }, name),
        h("span", { class: "notes" }, this.notes)),
      this.#reason, this.#since,
      h("td", { role: "cell", class: "rate" }, spark, this.#rate),
      this.#p99, this.#errors, this.#flight,
      h("td", { role: "cell", class: "admin" }, this.#switch.element, this.#weight));
  }

  tell(it: Seen, now: number, bridge: Bridge): void {
    this.it = it;
    mark(this.element, "data-state", it.state);
    reshape(this.#sign, it.state);
    tell(this.#word, it.state);
    tell(this.#why, it.reason);
    mark(this.#reason, "title", it.reason);
    this.#tellThere(it, bridge);
    this.#switch.update(it);
    tell(this.#weight, `weight ${it.server.weight}`);
    if (!this.isVisible) return;
    tell(this.#since, span(now - it.since));
    mark(this.#since, "title", clock(it.since, now));
    tell(this.#rate, amount(it.figures?.rate));
    tell(this.#p99, latency(it.figures?.p99));
    tell(this.#errors, amount(it.figures?.errors));
    mark(this.#errors, "data-tone", (it.figures?.errors ?? 0) > 0 ? "bad" : undefined);
    tell(this.#flight, it.figures?.in_flight === undefined ? UNKNOWN : String(it.figures.in_flight ?? UNKNOWN));
    const values = bridge.store.ring(`server/${it.pool}/${it.server.name}`, "rate")?.last(SPARK) ?? [];
    mark(this.#line, "d", path(values, SPARK, SPARK_WIDTH, SPARK_HEIGHT));
  }

  /** Where the other node of the pair sees something else. */
  #tellThere({ there }: Seen, bridge: Bridge): void {
    mark(this.#there, "hidden", there === undefined ? "" : undefined);
    mark(this.element, "data-differs", there === undefined ? undefined : "");
    if (there === undefined) return;
    const { pair } = bridge.store.status ?? {};
    const other = pair === undefined ? "the other node" : nameOf(pair);
    mark(this.#there, "data-state", there.health);
    tell(this.#there, `${there.health} for ${other}: ${there.reason}`);
  }
}

/** What is to be known of a server that has no column of its own; of none, nothing. */
function notes(it: Seen | undefined): string | undefined {
  if (it === undefined) return undefined;
  const { name, address, zone, backup } = it.server;
  const all = [address === name ? "" : address, zone === undefined ? "" : `zone ${zone}`, backup ? "backup" : ""];
  return all.filter((note) => note !== "").join(" · ");
}

class PoolRow {
  readonly element: HTMLTableRowElement;
  readonly #detail = h("span", { class: "notes" });
  readonly #mode = h("span", { class: "mode" });

  constructor(name: string) {
    this.element = h("tr", { role: "row", class: "pool-row" },
      h("th", { colspan: COLUMNS.length, scope: "rowgroup", role: "rowheader" },
        h("a", { class: "pool-name", href: hashOf({ view: "pool", pool: name }) }, name), this.#detail, this.#mode));
  }

  tell(name: string, { store }: Bridge): void {
    const pool = store.status?.pools.find((it) => it.name === name);
    if (pool === undefined) return;
    const used = pool.servers.filter((it) => it.in_use).length;
    const figures = store.tick?.pools[name];
    const rate = figures?.rate === undefined || figures.rate === null ? "" : ` · ${amount(figures.rate)}/s`;
    tell(this.#detail, `${pool.balance} · ${used} of ${pool.servers.length} in use${rate}`);
    const lacks = (pool.degraded ?? []).map((it) => it.dependency);
    tell(this.#mode, [modeInWords(pool), lacks.length > 0 ? `all lack ${lacks.join(", ")}` : ""].filter((part) => part !== "").join(" · "));
  }
}
