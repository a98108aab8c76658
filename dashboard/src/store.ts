// What the page knows of the node, and who is told when it changes.

import type { ConfigVersion, Figures, History, NodeEvent, ServerFigures, Status, Tick } from "./api/documents.ts";
import { figureOf } from "./model/codes.ts";
import { happening, joined, remembered, type Happening } from "./model/events.ts";
import type { Link } from "./model/freshness.ts";
import { Ring } from "./model/ring.ts";
import { seen, type Seen } from "./model/state.ts";

/** What has changed: the node as a whole, its figures, what happened, or how it is reached. */
export type Change = "status" | "tick" | "events" | "link";

/** Seconds of figures that the page keeps itself. */
export const KEPT = 300;

/** Events come in bursts, when many servers go at once: what comes within so many milliseconds is shown
 * at once. */
const BURST = 100;

/** A clock that differs by less is not worth correcting. */
const SMALL_SKEW = 2000;

export class Store {
  status: Status | undefined;
  tick: Tick | undefined;
  servers: Seen[] = [];
  happenings: Happening[] = [];
  versions: ConfigVersion[] = [];
  link: Link = "connecting";
  /** When the last figures came, by this machine's clock. */
  lastAt: number | undefined;
  /** How far apart figures are meant to be. */
  period = 1000;
  /** Whether the node keeps figures; not known before it was asked. */
  hasHistory: boolean | undefined;
  /** When each of the kept figures was, in seconds. */
  readonly times = new Ring(KEPT);
  readonly #rings = new Map<string, Ring>();
  readonly #listeners = new Set<(change: Change) => void>();
  #skew = 0;
  /** Told, and not shown yet. */
  #fresh: Happening[] = [];

  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #told(change: Change): void {
    for (const listener of [...this.#listeners]) listener(change);
  }

  /** The node's time now. */
  now(): number {
    return Date.now() + this.#skew;
  }

  setLink(link: Link): void {
    // Being refused again is news: the token that was given is not the one.
    if (this.link === link && link !== "refused") return;
    this.link = link;
    this.#told("link");
  }

  setStatus(status: Status, versions: ConfigVersion[]): void {
    this.status = status;
    this.versions = versions;
    this.#see();
    this.#forget();
    const before = this.happenings.length;
    this.happenings = joined(this.happenings, remembered(status, versions));
    this.#told("status");
    if (this.happenings.length !== before) this.#told("events");
  }

  setTick(tick: Tick): void {
    const skew = tick.at - Date.now();
    this.#skew = Math.abs(skew) < SMALL_SKEW ? 0 : skew;
    this.tick = tick;
    this.lastAt = Date.now();
    this.times.push(tick.at / 1000);
    for (const [name, figures] of Object.entries(tick.listeners)) {
      this.#keep(`listener/${name}`, { ...figures, ...byCode(figures) });
    }
    for (const [name, figures] of Object.entries(tick.pools)) this.#keep(`pool/${name}`, { ...figures, ...byCode(figures) });
    for (const [name, figures] of Object.entries(tick.servers)) {
      const { rate, errors, answered_4xx, answered_5xx, p50, p99, in_flight } = figures;
      this.#keep(`server/${name}`, { rate, errors, answered_4xx, answered_5xx, p50, p99, in_flight, ...byCode(figures) });
    }
    this.#keep("node", { ...tick.node });
    this.#see();
    this.#told("tick");
  }

  /** Begins the kept figures anew with what the node remembers: between those of before and those to
   * come there may be a gap. */
  setPast(history: History): void {
    this.#rings.clear();
    this.times.clear();
    for (const { of, figure, values } of history.series) {
      const ring = new Ring(KEPT);
      for (const value of values) ring.push(value);
      this.#rings.set(`${of} ${figure}`, ring);
    }
  }

  add(event: NodeEvent): void {
    if (this.#fresh.push(happening(event)) > 1) return;
    setTimeout(() => {
      this.happenings = joined(this.happenings, this.#fresh);
      this.#fresh = [];
      this.#told("events");
    }, BURST);
  }

  /** The kept values of a figure, the newest last. */
  ring(of: string, figure: string): Ring | undefined {
    return this.#rings.get(`${of} ${figure}`);
  }

  find(pool: string, server: string): Seen | undefined {
    return this.servers.find((it) => it.pool === pool && it.server.name === server);
  }

  #keep(of: string, figures: Record<string, unknown>): void {
    for (const [figure, value] of Object.entries(figures)) {
      if (value !== null && value !== undefined && typeof value !== "number") continue;
      const key = `${of} ${figure}`;
      let ring = this.#rings.get(key);
      if (ring === undefined) {
        if (value === undefined) continue;
        ring = new Ring(KEPT);
        this.#rings.set(key, ring);
      }
      ring.push(value);
    }
  }

  /** Servers come and go; of those that are gone nothing is kept. */
  #forget(): void {
    const there = new Set(this.servers.map((it) => `server/${it.pool}/${it.server.name}`));
    for (const key of this.#rings.keys()) {
      const of = key.slice(0, key.lastIndexOf(" "));
      if (of.startsWith("server/") && !there.has(of)) this.#rings.delete(key);
    }
  }

  #see(): void {
    const figures: Record<string, ServerFigures> = this.tick?.servers ?? {};
    const pools = this.status?.pools ?? [];
    this.servers = pools.flatMap((pool) => pool.servers.map((it) => seen(pool.name, it, figures[`${pool.name}/${it.name}`])));
  }
}

/** What ended by each termination code, under the words of the history. */
function byCode({ ended }: Figures): Record<string, number> {
  return Object.fromEntries(Object.entries(ended ?? {}).map(([code, rate]) => [figureOf(code), rate]));
}
