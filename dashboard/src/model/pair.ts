// The other node of a pair: how the link stands, what it does, where it sees things otherwise.

import type { Pair, Status, Vip } from "../api/documents.ts";
import { amount, counted, share, span } from "./format.ts";
import type { Seen, Tone } from "./state.ts";

/** Servers that are told one by one; the table has the others. */
const MOST_TOLD = 3;

/** What it is called. */
export function nameOf(pair: Pair): string {
  return pair.node ?? pair.peer;
}

export function toneOfPair(pair: Pair): Tone {
  if (!pair.up) return "bad";
  return pair.same_configuration === false ? "wary" : "good";
}

/** The link in a sentence. */
export function linkInWords(pair: Pair, now: number): string {
  const lasting = span(now - Date.parse(pair.since));
  if (!pair.up) return `The other node of the pair, ${pair.peer}, has not been heard for ${lasting}: ${pair.reason ?? "nobody knows why"}.`;
  const same = pair.same_configuration === false ? "; their configurations differ" : "";
  return `Pair with ${nameOf(pair)}, heard for ${lasting}${same}.`;
}

/** What the other node does, as far as it says. */
export function doesInWords(pair: Pair): string {
  const { figures } = pair;
  if (!pair.up || figures === undefined) return "";
  const errors = figures.errors === 0 ? "no errors" : `${amount(figures.errors)} errors/s`;
  return `${nameOf(pair)} does ${amount(figures.rate)}/s with ${errors}, holds ${counted(figures.connections, "connection")}, CPU ${share(figures.cpu)}`;
}

/** Where the two judge a server otherwise: as many sentences as are read. */
export function differences(servers: readonly Seen[], pair: Pair | undefined): string[] {
  if (pair === undefined) return [];
  const differ = servers.filter((it) => it.there !== undefined);
  const told = differ.slice(0, MOST_TOLD).map((it) => {
    const reason = it.there?.reason ? `: ${it.there.reason}` : "";
    return `${it.pool}/${it.server.name} is ${it.state} here and ${it.there?.health} for ${nameOf(pair)}${reason}`;
  });
  const rest = differ.length - told.length;
  return rest > 0 ? [...told, `${nameOf(pair)} judges ${counted(rest, "more server")} otherwise`] : told;
}

/** Who owns an address, by name where that is known. */
export function ownerInWords(vip: Vip, status: Status): string {
  const isHere = vip.state === "active" || vip.state === "leaving";
  const there = vip.peer?.owns === true ? (status.pair?.node ?? vip.peer.address) : undefined;
  if (isHere) return there === undefined ? "this node" : `this node, and by its own word by ${there}`;
  if (there !== undefined) return vip.peer?.address === there ? there : `${there} (${vip.peer?.address})`;
  return vip.owner ?? "nobody that is known";
}

/** How the other node stands to an address. */
export function peerOfVipInWords(vip: Vip): string {
  if (vip.peer === undefined) return "";
  if (vip.peer.owns) return "owns it";
  return vip.peer.claim === undefined ? "may not claim it" : `would claim it with ${vip.peer.claim}`;
}
