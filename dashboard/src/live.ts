// Keeps the store true: one status, then figures each second and events as they come; all of it again
// when the node was away.

import { get, isStatus, stream } from "./api/client.ts";
import type { ConfigVersion, History, NodeEvent, Status, Tick } from "./api/documents.ts";
import { SILENT_AFTER, backOff } from "./model/freshness.ts";
import { tickBetween, type Sample } from "./model/rates.ts";
import type { Store } from "./store.ts";

/** With more servers than this a node without a live stream is asked less often. */
const MANY_SERVERS = 100;

/** Events come in bursts; one look at the status is enough for each. */
const REFRESH_PAUSE = 250;

/** What no event tells of is seen after so long. */
const REFRESH_ANYWAY = 15_000;

/** A hidden page holds its streams so long: browsers allow few to one node. */
const HIDDEN_PATIENCE = 30_000;

export class Live {
  readonly #store: Store;
  #session = new AbortController();
  #failures = 0;
  #wake: (() => void) | undefined;
  #refreshing: ReturnType<typeof setTimeout> | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Never returns. */
  async run(): Promise<void> {
    this.#leaveWhenHidden();
    for (;;) {
      this.#session = new AbortController();
      try {
        await this.#hold(this.#session.signal);
        this.#store.setLink("reconnecting");
      } catch (error) {
        this.#store.setLink(isStatus(error, 401) ? "refused" : "reconnecting");
      } finally {
        this.#session.abort();
      }
      if (document.visibilityState === "hidden") this.#store.setLink("paused");
      await this.#pause();
    }
  }

  /** Tries again at once: somebody has given a token, or looks at the page again. */
  retry(): void {
    this.#failures = 0;
    this.#session.abort();
    this.#wake?.();
  }

  /** Has the status read again soon. */
  refresh(): void {
    if (this.#refreshing !== undefined) return;
    this.#refreshing = setTimeout(() => {
      this.#refreshing = undefined;
      // What stands in its way ends the session too, and is told there.
      this.#read().catch(() => undefined);
    }, REFRESH_PAUSE);
  }

  async #pause(): Promise<void> {
    const isWaiting = this.#store.link === "refused" || document.visibilityState === "hidden";
    const pause = isWaiting ? 2 ** 30 : backOff(this.#failures);
    this.#failures += 1;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pause);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #read(): Promise<Status> {
    const [status, versions] = await Promise.all([
      get<Status>("/api/v1/status"),
      get<ConfigVersion[]>("/api/v1/config/versions"),
    ]);
    this.#store.setStatus(status, versions);
    return status;
  }

  async #hold(signal: AbortSignal): Promise<void> {
    const status = await this.#read();
    this.#failures = 0;
    this.#store.lastAt = Date.now();
    this.#store.setLink("live");
    void this.#remember();
    const anyway = setInterval(() => this.refresh(), REFRESH_ANYWAY);
    try {
      await Promise.race([this.#figures(status, signal), this.#events(signal), this.#silence(signal)]);
    } finally {
      clearInterval(anyway);
    }
  }

  /** What the last minute was like, for the small lines in the tables. */
  async #remember(): Promise<void> {
    try {
      const query = new URLSearchParams({ of: "server/*/*", figures: "rate", last: "60s", step: "1" });
      this.#store.setPast(await get<History>(`/api/v1/history?${query}`));
    } catch {
      // A node that remembers nothing shows what is seen from now on.
    }
  }

  async #figures(status: Status, signal: AbortSignal): Promise<void> {
    try {
      this.#store.period = 1000;
      for await (const { event, data } of stream("/api/v1/live", signal)) {
        if (event === "tick") this.#take(JSON.parse(data) as Tick);
      }
    } catch (error) {
      // There are none, or as many readers as may be.
      if (!isStatus(error, 404) && !isStatus(error, 503)) throw error;
      await this.#poll(status, signal);
    }
  }

  #take(tick: Tick): void {
    this.#store.setTick(tick);
    const differs = this.#store.servers.some((it) => {
      const { state, admin } = it.figures ?? {};
      return (state !== undefined && state !== it.server.verdict.health) || (admin !== undefined && admin !== it.server.admin.state);
    });
    if (differs) this.refresh();
  }

  /** For a node that has no live stream: figures are what lies between two statuses. */
  async #poll(first: Status, signal: AbortSignal): Promise<void> {
    const servers = first.pools.reduce((sum, pool) => sum + pool.servers.length, 0);
    this.#store.period = servers > MANY_SERVERS ? 3000 : 1000;
    let before: Sample = { at: Date.now(), status: first };
    this.#store.setTick(tickBetween(undefined, before));
    while (!signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, this.#store.period));
      const now: Sample = { status: await this.#read(), at: Date.now() };
      this.#store.setTick(tickBetween(before, now));
      before = now;
    }
  }

  async #events(signal: AbortSignal): Promise<void> {
    for await (const { event, data } of stream("/api/v1/events", signal)) {
      if (event !== "lost") this.#store.add(JSON.parse(data) as NodeEvent);
      this.refresh();
    }
  }

  /** Ends when no figures have come for too long: a connection can be dead without ending. */
  async #silence(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && Date.now() - (this.#store.lastAt ?? 0) < Math.max(SILENT_AFTER, 3 * this.#store.period)) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }

  #leaveWhenHidden(): void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(timer);
      if (document.visibilityState === "hidden") timer = setTimeout(() => this.#session.abort(), HIDDEN_PATIENCE);
      else if (this.#store.link === "paused" || this.#store.link === "reconnecting") this.retry();
    });
  }
}
