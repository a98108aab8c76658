// Figures of the last second from the totals of two statuses, for a node that does not send them.

import type { Figures, ServerFigures, Status, Tick } from "../api/documents.ts";

export interface Sample {
  at: number;
  status: Status;
}

/** Totals that run backwards belong to another process: nothing is known then. */
function perSecond(before: number | undefined, now: number, seconds: number): number | null {
  if (before === undefined || seconds <= 0 || now < before) return null;
  return (now - before) / seconds;
}

export function tickBetween(before: Sample | undefined, now: Sample): Tick {
  const isSame = before !== undefined && before.status.process === now.status.process;
  const earlier = isSame ? before : undefined;
  const seconds = earlier === undefined ? 0 : (now.at - earlier.at) / 1000;
  const tick: Tick = { at: now.at, node: {}, listeners: {}, pools: {}, servers: {}, vips: {} };
  for (const listener of now.status.listeners) {
    const old = earlier?.status.listeners.find((it) => it.name === listener.name);
    const isHttp = listener.protocol.startsWith("http");
    const total = (it: typeof listener): number => (isHttp ? it.requests_total : it.connections_total);
    tick.listeners[listener.name] = {
      rate: perSecond(old && total(old), total(listener), seconds),
      connections: listener.connections,
    };
  }
  for (const pool of now.status.pools) {
    const old = earlier?.status.pools.find((it) => it.name === pool.name);
    const known = new Map(old?.servers.map((it) => [it.name, it]));
    const of: ServerFigures[] = pool.servers.map((server) => {
      const was = known.get(server.name);
      const figures: ServerFigures = {
        rate: perSecond(was?.requests_total, server.requests_total, seconds),
        errors: perSecond(was?.failures_total, server.failures_total, seconds),
        retries: perSecond(was?.retries_total, server.retries_total, seconds),
        in_flight: server.in_flight,
        state: server.verdict.health,
        admin: server.admin.state,
        reason: server.verdict.reason,
      };
      tick.servers[`${pool.name}/${server.name}`] = figures;
      return figures;
    });
    tick.pools[pool.name] = { ...summed(of), queue: pool.waiting ?? 0 };
  }
  for (const vip of now.status.vips) tick.vips![vip.name] = { state: vip.state, owner: vip.owner ?? null };
  return tick;
}

function summed(all: readonly Figures[]): Figures {
  const sum = (figure: keyof Figures): number | null => {
    const known = all.map((it) => it[figure]).filter((it) => typeof it === "number");
    return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
  };
  return { rate: sum("rate"), errors: sum("errors"), retries: sum("retries"), in_flight: sum("in_flight") };
}
