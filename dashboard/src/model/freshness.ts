// Whether what is shown is still true.

import { span } from "./format.ts";

export type Link = "connecting" | "live" | "reconnecting" | "refused" | "paused";

export interface Freshness {
  tone: "good" | "wary" | "bad" | "still";
  word: string;
  /** How old what is shown is, when that is not a matter of course. */
  detail: string;
  /** Figures are older than they look. */
  isStale: boolean;
}

/** Figures that were missed so many times are no coincidence. */
const MISSED = 3.5;

/** A stream that says nothing for so long is given up. */
export const SILENT_AFTER = 10_000;

export function freshness(link: Link, lastAt: number | undefined, now: number, period = 1000): Freshness {
  const age = lastAt === undefined ? undefined : now - lastAt;
  const detail = age === undefined ? "" : `figures are ${span(age)} old`;
  switch (link) {
    case "connecting":
      return { tone: "still", word: "connecting", detail: "", isStale: false };
    case "refused":
      return { tone: "bad", word: "token needed", detail: "", isStale: true };
    case "paused":
      return { tone: "still", word: "paused", detail, isStale: true };
    case "reconnecting":
      return { tone: "bad", word: "reconnecting", detail, isStale: true };
    case "live":
      if (age === undefined) return { tone: "still", word: "connecting", detail: "", isStale: false };
      if (age > MISSED * period) return { tone: "wary", word: "stale", detail, isStale: true };
      return { tone: "good", word: "live", detail: "", isStale: false };
  }
}

/** How long the next try waits: doubled each time, so that a node that starts is met soon and one
 * that is gone is not pestered. */
export function backOff(failures: number): number {
  return Math.min(5000, 250 * 2 ** Math.min(failures, 10));
}
