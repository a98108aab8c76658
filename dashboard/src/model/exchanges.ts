// Exchanges that failed or were slow: which are asked for, and how they are told.

import type { Recorded, RecordedExchange } from "../api/documents.ts";
import { counted, span } from "./format.ts";
import type { Tone } from "./state.ts";

/** Which exchanges; what is not said may be anything. */
export interface Filter {
  pool?: string;
  /** Of `pool`. */
  server?: string;
  listener?: string;
  status?: number;
  code?: string;
  isSlow?: boolean;
  /** A span up to now, as the API writes it. */
  last?: Last;
  /** Around this moment, in seconds since 1970, in place of `last`. */
  at?: number;
  /** So many seconds before and after it. */
  within?: number;
}

export const LASTS = ["5m", "15m", "1h"] as const;
export type Last = (typeof LASTS)[number];

export const USUAL_LAST: Last = "15m";

/** A peak is no wider than a dot on the graph, and no narrower than what people can hit. */
export const LEAST_WITHIN = 5;

/** How long the node remembers, in seconds. */
export const REMEMBERED = 3600;

/** As it stands in the address bar. */
export function writtenFilter(filter: Filter): string {
  const asked = shared(filter);
  if (filter.last !== undefined && filter.last !== USUAL_LAST) asked.set("last", filter.last);
  if (filter.at !== undefined) asked.set("at", String(filter.at));
  if (filter.within !== undefined) asked.set("within", String(filter.within));
  return asked.toString();
}

export function readFilter(asked: URLSearchParams): Filter {
  const filter: Filter = {};
  const server = asked.get("server");
  const slash = server?.indexOf("/") ?? -1;
  const pool = asked.get("pool");
  if (server !== null && slash > 0) {
    filter.pool = server.slice(0, slash);
    filter.server = server.slice(slash + 1);
  } else if (pool !== null) filter.pool = pool;
  const listener = asked.get("listener");
  if (listener !== null) filter.listener = listener;
  const status = Number(asked.get("status"));
  if (Number.isInteger(status) && status >= 100) filter.status = status;
  const code = asked.get("code");
  if (code !== null) filter.code = code;
  if (asked.get("slow") === "true") filter.isSlow = true;
  const last = LASTS.find((it) => it === asked.get("last"));
  if (last !== undefined) filter.last = last;
  const [at, within] = [Number(asked.get("at")), Number(asked.get("within"))];
  if (Number.isFinite(at) && at > 0) {
    filter.at = Math.round(at);
    filter.within = Number.isFinite(within) ? Math.max(LEAST_WITHIN, Math.round(within)) : LEAST_WITHIN;
  }
  return filter;
}

/** What the node is asked. */
export function question(filter: Filter, limit: number): string {
  const asked = shared(filter);
  if (filter.at !== undefined) {
    const within = filter.within ?? LEAST_WITHIN;
    asked.set("from", String((filter.at - within) * 1000));
    asked.set("to", String((filter.at + within) * 1000));
  } else asked.set("last", filter.last ?? USUAL_LAST);
  asked.set("limit", String(limit));
  // The page has heard of them already.
  asked.set("events", "false");
  return asked.toString();
}

function shared(filter: Filter): URLSearchParams {
  const asked = new URLSearchParams();
  if (filter.server !== undefined) asked.set("server", `${filter.pool ?? ""}/${filter.server}`);
  else if (filter.pool !== undefined) asked.set("pool", filter.pool);
  if (filter.listener !== undefined) asked.set("listener", filter.listener);
  if (filter.status !== undefined) asked.set("status", String(filter.status));
  if (filter.code !== undefined) asked.set("code", filter.code);
  if (filter.isSlow === true) asked.set("slow", "true");
  return asked;
}

const LAST_IN_WORDS: Record<Last, string> = { "5m": "the last 5 minutes", "15m": "the last 15 minutes", "1h": "the last hour" };

/** What was found, in a sentence. `clockOf` writes a moment as people read it. */
export function found(recorded: Recorded, filter: Filter, clockOf: (at: number) => string): string {
  const { matched } = recorded;
  const what = filter.isSlow === true ? " slow" : "";
  const ended = [
    filter.status === undefined ? "" : ` answered ${filter.status}`,
    filter.code === undefined ? "" : ` ending with ${filter.code}`,
  ].join("");
  const where = filter.server !== undefined ? ` at ${filter.pool}/${filter.server}` : filter.pool !== undefined ? ` at pool ${filter.pool}` : "";
  const through = filter.listener === undefined ? "" : ` through listener ${filter.listener}`;
  const within = (filter.within ?? LEAST_WITHIN) * 1000;
  const when = filter.at === undefined
    ? ` in ${LAST_IN_WORDS[filter.last ?? USUAL_LAST]}`
    : ` between ${clockOf(filter.at * 1000 - within)} and ${clockOf(filter.at * 1000 + within)}`;
  const which = `${ended}${where}${through}${when}`;
  const isAny = filter.isSlow !== true && ended === "";
  if (matched === 0 && isAny) return `Nothing failed or was slow${which}.`;
  if (matched === 0) return `No${what} exchange${which}.`;
  const count = counted(matched, `${what.trim()} exchange`.trim());
  return isAny ? `${count} failed or ${matched === 1 ? "was" : "were"} slow${which}.` : `${count}${which}.`;
}

/** That some of that time were not kept one by one; nothing, if all were. */
export function unseen(recorded: Recorded): string {
  if (recorded.unseen === 0) return "";
  return `${recorded.unseen} more failed or were slow in that time, too many to be kept one by one.`;
}

/** A path as it may be shown to who looks over a shoulder: values in the query are often secrets. */
export function shownTarget(target: string): string {
  const mark = target.indexOf("?");
  if (mark < 0) return target;
  const fields = target.slice(mark + 1).split("&").map((field) => {
    const equals = field.indexOf("=");
    return equals < 0 ? field : `${field.slice(0, equals)}=…`;
  });
  // A query without names is a value as a whole.
  const isNameless = fields.length === 1 && !target.slice(mark).includes("=");
  return `${target.slice(0, mark)}?${isNameless ? "…" : fields.join("&")}`;
}

/** Without its query. */
export function pathOf(target: string): string {
  return target.split("?", 1)[0] ?? target;
}

/** What a row says of its request. */
export function requestInWords(it: RecordedExchange): string {
  return it.method === "" ? "a stream" : `${it.method} ${it.host}${shownTarget(it.target)}`;
}

export function whereOf(it: RecordedExchange): string {
  if (it.pool === "") return it.listener;
  return it.server === "" ? it.pool : `${it.pool}/${it.server}`;
}

/** Why, beside a cell that says where. */
export function whyOf(it: RecordedExchange): string {
  return it.fault === "" ? it.cause : it.fault;
}

export type Phase = "request" | "wait" | "connect" | "answer" | "rest";

export interface Timer {
  phase: Phase;
  /** As the access log calls it; what is left has no name there. */
  name: string;
  what: string;
  /** Not reached: nothing. */
  seconds: number | undefined;
}

/** Where the time went, in its order; together they are the whole. */
export function timers(it: RecordedExchange): Timer[] {
  const [wait, connect, answer] = [it.wait_seconds, it.connect_seconds, it.response_seconds];
  const known = it.request_seconds + (wait ?? 0) + (connect ?? 0) + (answer ?? 0);
  return [
    { phase: "request", name: "TR", what: "reading the request", seconds: it.request_seconds },
    { phase: "wait", name: "Tw", what: "waiting for a server, and earlier tries", seconds: wait ?? undefined },
    { phase: "connect", name: "Tc", what: "connecting to it", seconds: connect ?? undefined },
    { phase: "answer", name: "Tr", what: "waiting for its answer to begin", seconds: answer ?? undefined },
    { phase: "rest", name: "", what: "the body, or what followed a failure", seconds: Math.max(0, it.active_seconds - known) },
  ];
}

/** The parts of a bar of this width, none so small that it is not seen. */
export function bar(all: readonly Timer[], width: number): { phase: Phase; x: number; width: number }[] {
  const shown = all.filter((it) => (it.seconds ?? 0) > 0);
  const whole = shown.reduce((sum, it) => sum + (it.seconds ?? 0), 0);
  if (whole === 0) return [];
  let x = 0;
  const parts: { phase: Phase; x: number; width: number }[] = [];
  for (const { phase, seconds } of shown) {
    const part = ((seconds ?? 0) / whole) * width;
    if (part >= 0.5) parts.push({ phase, x: round(x), width: round(part) });
    x += part;
  }
  return parts;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Failures of the service are bad; what clients did, or what was only slow, is worth a look. */
export function toneOfExchange(it: RecordedExchange): Tone {
  if ((it.status ?? 0) >= 500) return "bad";
  if (it.code === "--") return "wary";
  return it.code.toLowerCase().startsWith("c") || it.code === "PR" ? "wary" : "bad";
}

/** One in a list that is read anew: the same one has the same key. */
export function keysOf(all: readonly RecordedExchange[]): string[] {
  const seen = new Map<string, number>();
  return all.map((it) => {
    const base = [it.at, it.client, it.listener, it.method, it.target, it.request_id, it.active_seconds].join(" ");
    const count = seen.get(base) ?? 0;
    seen.set(base, count + 1);
    return `${base} ${count}`;
  });
}

/** Whether an exchange has these words in it. */
export function hasWords(it: RecordedExchange, words: string): boolean {
  const text = [requestInWords(it), whereOf(it), it.listener, it.route, it.client, it.request_id, it.trace_id ?? "", it.code, it.status ?? "", it.cause].join(" ").toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** How long ago, for who cannot see the day. */
export function ago(at: number, now: number): string {
  return `${span(now - at)} ago`;
}
