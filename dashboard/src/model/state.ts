// What a server, a pool and the whole node are, in one word and one sentence.

import type { AdminState, Health, PeerView, Pool, Server, ServerFigures, Status } from "../api/documents.ts";
import { counted, span } from "./format.ts";

/** A server as it is shown: what the operator wants and what was found, in one. */
export type ServerState = "up" | "checking" | "drain" | "down" | "maint";

/** The gravest first: the order in which tables and sentences name them. */
export const STATES: readonly ServerState[] = ["down", "checking", "drain", "maint", "up"];

/** A server in maintenance is not checked, so nothing else is known; a server that is down is so
 * whatever it was asked to finish. */
export function merged(admin: AdminState, health: string): ServerState {
  if (admin === "maint") return "maint";
  if (health === "down") return "down";
  if (admin === "drain") return "drain";
  return health === "up" ? "up" : "checking";
}

/** A server with the newest that is known of it. */
export interface Seen {
  pool: string;
  server: Server;
  state: ServerState;
  admin: AdminState;
  reason: string;
  /** When it became what it is. */
  since: number;
  /** How the other node of the pair judges it, where that is otherwise. */
  there: PeerView | undefined;
  figures: ServerFigures | undefined;
}

/** Lays the last second over the last status. */
export function seen(pool: string, server: Server, figures: ServerFigures | undefined): Seen {
  const admin = figures?.admin ?? server.admin.state;
  const health = isHealth(figures?.state) ? figures.state : server.verdict.health;
  const state = merged(admin, health);
  const byOperator = state === "drain" || state === "maint";
  return {
    pool,
    server,
    state,
    admin,
    reason: byOperator ? said(server) : (figures?.reason ?? server.verdict.reason),
    since: Date.parse(byOperator ? server.admin.since : server.verdict.since),
    there: server.peer !== undefined && admin !== "maint" && server.peer.health !== health ? server.peer : undefined,
    figures,
  };
}

function isHealth(word: string | undefined): word is Health {
  return word === "up" || word === "down" || word === "checking";
}

function said(server: Server): string {
  const { author, reason } = server.admin;
  if (author === "") return reason;
  return reason === "" ? `by ${author}` : `${reason} (${author})`;
}

export type Counts = Record<ServerState, number>;

export function counts(states: Iterable<ServerState>): Counts {
  const found: Counts = { up: 0, checking: 0, drain: 0, down: 0, maint: 0 };
  for (const state of states) found[state] += 1;
  return found;
}

/** How grave something is, for its colour: never shown without a word. */
export type Tone = "good" | "wary" | "bad" | "still";

export function toneOf(state: ServerState): Tone {
  if (state === "up") return "good";
  if (state === "down") return "bad";
  return state === "maint" ? "still" : "wary";
}

export function toneOfPool(pool: Pool): Tone {
  if (pool.mode === "empty") return "bad";
  if (pool.mode !== "normal" || (pool.degraded ?? []).length > 0) return "wary";
  return pool.servers.some((server) => !server.in_use && !server.backup && server.admin.state === "ready")
    ? "wary"
    : "good";
}

/** A pool's mode in words; nothing for the usual one. */
export function modeInWords(pool: Pool): string {
  switch (pool.mode) {
    case "normal":
      return "";
    case "backup":
      return "on backup servers";
    case "panic":
      return "fewer than half are up: all are used";
    case "empty":
      return "no server can be used";
  }
}

/** The state of things in a sentence or two, the gravest first. */
export interface Headline {
  tone: Tone;
  text: string;
  /** The servers it speaks of, so that they can be gone to. */
  about: { pool: string; server: string }[];
}

/** So many servers are told by name. */
const MOST_NAMED = 3;

export function headline(status: Status, servers: readonly Seen[], now: number): Headline {
  const empty = status.pools.filter((pool) => pool.mode === "empty");
  const gravity = (it: Seen): number => STATES.indexOf(it.state);
  const out = servers.filter((it) => it.state !== "up").sort((one, other) => gravity(one) - gravity(other));
  const down = out.filter((it) => it.state === "down");
  const sentences: string[] = [];
  if (status.state === "draining") sentences.push("This node finishes what runs and then stops.");
  for (const pool of empty) sentences.push(`Pool ${pool.name} has no server that can be used.`);
  for (const vip of status.vips.filter((vip) => vip.state === "fault")) {
    sentences.push(`Address ${vip.name} cannot be claimed here: ${vip.reason}.`);
  }
  if (servers.length === 0) sentences.push("No pool has a server.");
  else if (out.length === 0) sentences.push(allUp(servers.length));
  else if (out.length <= MOST_NAMED) sentences.push(...out.map((it) => sentence(it, now)));
  else sentences.push(summary(servers));
  const bad = empty.length > 0 || down.length > 0 || status.vips.some((vip) => vip.state === "fault");
  const wary = out.length > 0 || servers.length === 0 || status.state === "draining";
  return {
    tone: bad ? "bad" : wary ? "wary" : "good",
    text: sentences.join(" "),
    about: out.slice(0, MOST_NAMED).map((it) => ({ pool: it.pool, server: it.server.name })),
  };
}

function allUp(count: number): string {
  if (count <= 2) return count === 1 ? "The only server is up." : "Both servers are up.";
  return `All ${count} servers are up.`;
}

function sentence(it: Seen, now: number): string {
  const name = `${it.pool}/${it.server.name}`;
  const why = it.reason === "" ? "" : `: ${it.reason}`;
  const lasting = span(now - it.since);
  switch (it.state) {
    case "down":
      return `${name} has been down for ${lasting}${why}.`;
    case "checking":
      return `${name} is being checked${why}.`;
    case "drain":
      return `${name} drains${why}.`;
    default:
      return `${name} is in maintenance${why}.`;
  }
}

/** Words for so many in a state, in the order of their weight. */
export function summary(servers: readonly Seen[]): string {
  const found = counts(servers.map((it) => it.state));
  if (servers.length > 0 && found.up === servers.length) return allUp(found.up);
  const words: Record<ServerState, string> = {
    down: "down",
    checking: "being checked",
    drain: "draining",
    maint: "in maintenance",
    up: "up",
  };
  const parts = STATES.filter((state) => found[state] > 0).map((state) => `${found[state]} ${words[state]}`);
  return `Of ${counted(servers.length, "server")} ${listed(parts)}.`;
}

function listed(parts: readonly string[]): string {
  if (parts.length < 2) return parts.join("");
  return `${parts.slice(0, -1).join(", ")} and ${parts[parts.length - 1]}`;
}
