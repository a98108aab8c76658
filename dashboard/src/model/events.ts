// What has happened: what the node tells while the page is open, and what its status remembers.

import type { ConfigVersion, NodeEvent, Status } from "../api/documents.ts";
import type { Tone } from "./state.ts";

export type Lane = "servers" | "pools" | "addresses" | "node";

export const LANES: readonly Lane[] = ["addresses", "servers", "pools", "node"];

export interface Happening {
  at: number;
  kind: string;
  subject: string;
  message: string;
  lane: Lane;
  tone: Tone;
}

/** So many are kept; the oldest go first. */
export const MOST_HAPPENINGS = 1000;

const BAD = new Set([
  "server-down", "vip-conflict", "vip-fault", "vip-mute", "config-refused", "certificate-expired",
  "certificate-refused", "upgrade-failed", "state-unwritable", "acme-failed", "drill-aborted",
]);
const GOOD = new Set([
  "server-up", "pool-recovered", "vip-restored", "config-applied", "certificate-replaced", "acme-arrived", "name-resolved",
  "drill-passed",
]);

export function happening(event: NodeEvent): Happening {
  const { kind, subject, message } = event;
  return { at: Date.parse(event.at), kind, subject, message, lane: laneOf(kind, subject), tone: toneOfEvent(kind, message) };
}

function laneOf(kind: string, subject: string): Lane {
  if (kind.startsWith("drill-")) return subject.includes("/") ? "servers" : "addresses";
  if (kind.startsWith("server-")) return "servers";
  if (kind.startsWith("pool-") || kind.startsWith("name-")) return "pools";
  return kind.startsWith("vip-") ? "addresses" : "node";
}

function toneOfEvent(kind: string, message: string): Tone {
  if (BAD.has(kind)) return "bad";
  if (GOOD.has(kind)) return "good";
  if (kind === "pool-mode") return /normal/.test(message) ? "good" : "bad";
  if (kind === "server-admin") return /\bready\b/.test(message) ? "good" : "wary";
  return kind === "node-started" || kind === "server-added" || kind === "vip-state" ? "still" : "wary";
}

/** What the status tells of the time before the page was opened. */
export function remembered(status: Status, versions: readonly ConfigVersion[]): Happening[] {
  const events: NodeEvent[] = [];
  for (const pool of status.pools) {
    for (const server of pool.servers) {
      const subject = `${pool.name}/${server.name}`;
      for (const entry of server.verdict.time_line ?? []) {
        if (entry.from === undefined || entry.from === entry.to || entry.to === "checking") continue;
        events.push({ at: entry.at, kind: `server-${entry.to}`, subject, message: entry.reason });
      }
      const { state, author, reason, since } = server.admin;
      if (state !== "ready" || author !== "") {
        const by = author === "" ? "" : ` by ${author}`;
        events.push({ at: since, kind: "server-admin", subject, message: `${state}${by}${reason === "" ? "" : `: ${reason}`}` });
      }
    }
  }
  for (const vip of status.vips) {
    events.push({ at: vip.since, kind: "vip-state", subject: vip.name, message: `${vip.state}: ${vip.reason}` });
  }
  for (const { passed, message, object, ended } of status.drills.records) {
    events.push({ at: ended, kind: passed ? "drill-passed" : "drill-aborted", subject: object, message });
  }
  for (const version of versions) {
    events.push({ at: version.applied, kind: "config-applied", subject: version.origin, message: `configuration ${version.version}` });
  }
  events.push({ at: status.started, kind: "node-started", subject: status.node, message: `evenkeel ${status.version}, process ${status.process}` });
  return events.map(happening);
}

/** The same event may be told live and remembered later, in other words: kind and subject within so
 * many milliseconds are one. */
const SAME_WITHIN = 1500;

/** Joins what is new to what is known: newest first, each once. Words that were told live stay. */
export function joined(known: readonly Happening[], more: readonly Happening[]): Happening[] {
  const all = [...known];
  const byThing = new Map<string, number[]>();
  const thing = (it: Happening): string => `${it.kind} ${it.subject}`;
  for (const it of known) byThing.set(thing(it), [...(byThing.get(thing(it)) ?? []), it.at]);
  for (const it of more) {
    const times = byThing.get(thing(it)) ?? [];
    if (times.some((at) => Math.abs(at - it.at) <= SAME_WITHIN)) continue;
    byThing.set(thing(it), [...times, it.at]);
    all.push(it);
  }
  all.sort((one, other) => other.at - one.at);
  return all.slice(0, MOST_HAPPENINGS);
}

/** Whether an event matches the words somebody typed. */
export function isAbout(it: Happening, words: string): boolean {
  const text = `${it.kind} ${it.subject} ${it.message}`.toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}
