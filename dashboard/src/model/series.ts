// Figures of several things as one, step by step; null where nothing is known.

import type { Status } from "../api/documents.ts";

export type Column = readonly (number | null)[];

/** All of them together: known where any of them is. */
export function sum(columns: readonly Column[]): (number | null)[] {
  const [first = [], ...others] = columns;
  const add = (one: number | null, other: number | null): number | null => (one === null || other === null ? (one ?? other) : one + other);
  return others.reduce<(number | null)[]>((total, column) => total.map((value, place) => add(value, column[place] ?? null)), [...first]);
}

/** What is left of one without a part of it. Parts are rounded by themselves: none is more than the whole. */
export function without(whole: Column, part: Column): (number | null)[] {
  return whole.map((value, place) => {
    const less = part[place] ?? null;
    return value === null || less === null ? null : Math.max(0, value - less);
  });
}

/** Whether requests go to this pool: streams have no answers to tell apart. */
export function hasRequests(status: Status, pool: string): boolean {
  return status.listeners.some((it) => it.protocol.startsWith("http") && it.pools?.includes(pool) === true);
}
