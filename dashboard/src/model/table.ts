// Order and choice of the servers in a table.

import type { Seen, ServerState } from "./state.ts";
import { STATES } from "./state.ts";

export type Column = "pool" | "state" | "server" | "since" | "rate" | "p99" | "errors" | "in_flight";

export interface Order {
  column: Column;
  isDescending: boolean;
}

/** Pool by pool, as the file has them. */
export const BY_POOL: Order = { column: "pool", isDescending: false };

/** What a click on a column's title makes of the order: the telling end first, then the other, then
 * the file's order again. */
export function clicked(order: Order, column: Column): Order {
  const first = column === "rate" || column === "p99" || column === "errors" || column === "in_flight" || column === "since";
  if (order.column !== column) return { column, isDescending: first };
  return order.isDescending === first ? { column, isDescending: !first } : BY_POOL;
}

export function ordered(servers: readonly Seen[], order: Order): Seen[] {
  if (order.column === "pool") return [...servers];
  const sign = order.isDescending ? -1 : 1;
  const key = keyOf(order.column);
  return [...servers].sort((one, other) => {
    const [a, b] = [key(one), key(other)];
    if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1;
    return sign * (typeof a === "string" && typeof b === "string" ? a.localeCompare(b, "en", { numeric: true }) : Number(a) - Number(b));
  });
}

/** Servers of which a figure is not known come last, whatever the direction. */
function keyOf(column: Column): (it: Seen) => number | string | undefined {
  switch (column) {
    case "state":
      return (it) => STATES.indexOf(it.state);
    case "server":
      return (it) => it.server.name;
    case "since":
      return (it) => it.since;
    case "pool":
      return (it) => it.pool;
    default:
      return (it) => it.figures?.[column] ?? undefined;
  }
}

export interface Choice {
  words: string;
  states: ReadonlySet<ServerState>;
  pool?: string;
}

/** Without a state chosen all states are. */
export function chosen(servers: readonly Seen[], choice: Choice): Seen[] {
  const words = choice.words.toLowerCase().split(/\s+/).filter((word) => word !== "");
  return servers.filter((it) => {
    if (choice.pool !== undefined && it.pool !== choice.pool) return false;
    if (choice.states.size > 0 && !choice.states.has(it.state)) return false;
    const text = `${it.pool}/${it.server.name} ${it.server.address} ${it.server.zone ?? ""} ${it.reason}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
