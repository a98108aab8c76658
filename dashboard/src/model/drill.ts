// Drills: the one under way, and what came of the last one of each server and address.

import type { Drill, DrillRecord, Drills } from "../api/documents.ts";
import { counted, span } from "./format.ts";
import type { Place } from "./place.ts";
import type { Tone } from "./state.ts";

/** Where what is drilled is to be seen. */
export function placeOfDrill({ kind, object }: Pick<Drill, "kind" | "object">): Place {
  const slash = object.indexOf("/");
  if (kind === "vip" || slash < 0) return { view: "addresses" };
  return { view: "server", pool: object.slice(0, slash), server: object.slice(slash + 1) };
}

/** How far it is. */
export function stageInWords({ kind, stage }: Drill): string {
  if (stage === "begun") return "nothing was touched yet";
  if (stage === "back") return "it is put back";
  return kind === "server" ? "it is taken out" : "it is moved to the other node";
}

/** The one under way, in a sentence. */
export function drillInWords(drill: Drill, now: number): string {
  const { object, author, reason, since, requests, errors } = drill;
  const by = author === "" ? "" : ` by ${author}`;
  const why = reason === "" ? "" : ` (${reason})`;
  const failed = errors === 0 ? "none failed" : `${errors} failed`;
  return `A drill of ${object}${by}${why} has been under way for ${span(now - Date.parse(since))}: ${stageInWords(drill)}; ${counted(requests, "request")}, ${failed}.`;
}

export function toneOfRecord({ passed }: DrillRecord): Tone {
  return passed ? "good" : "bad";
}

/** What came of the last one. */
export function recordInWords(record: DrillRecord, now: number): string {
  const { passed, message, last_success } = record;
  const text = `${passed ? "passed" : "aborted"}${message === "" ? "" : `: ${message}`}`;
  if (passed) return text;
  const before = last_success === undefined ? "none has passed" : `one last passed ${span(now - Date.parse(last_success))} ago`;
  return `${text}; ${before}`;
}

/** The last one of a server or an address. */
export function recordOf({ records }: Drills, kind: Drill["kind"], object: string): DrillRecord | undefined {
  return records.find((it) => it.kind === kind && it.object === object);
}

/** The latest first. */
export function inOrder({ records }: Drills): DrillRecord[] {
  return [...records].sort((one, other) => Date.parse(other.ended) - Date.parse(one.ended));
}
