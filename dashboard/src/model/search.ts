// What a few typed letters may mean.

import type { Status } from "../api/documents.ts";
import type { Place } from "./place.ts";

export interface Entry {
  what: string;
  name: string;
  detail: string;
  place: Place;
}

/** Everything that has a name. */
export function entries(status: Status): Entry[] {
  const found: Entry[] = [];
  for (const pool of status.pools) {
    found.push({ what: "pool", name: pool.name, detail: pool.balance, place: { view: "pool", pool: pool.name } });
    for (const server of pool.servers) {
      const detail = server.address === server.name ? "" : server.address;
      const place: Place = { view: "server", pool: pool.name, server: server.name };
      found.push({ what: "server", name: `${pool.name}/${server.name}`, detail, place });
    }
  }
  for (const listener of status.listeners) {
    const place: Place = { view: "listener", listener: listener.name };
    found.push({ what: "listener", name: listener.name, detail: listener.addresses.join(", "), place });
    for (const certificate of listener.certificates ?? []) {
      found.push({ what: "certificate", name: certificate.names.join(", "), detail: certificate.file, place: { view: "certificates" } });
    }
  }
  for (const vip of status.vips) {
    found.push({ what: "address", name: vip.name, detail: vip.addresses.join(", "), place: { view: "addresses" } });
  }
  return found;
}

/** The best matches first: names that begin so, then names that contain it, then details. */
export function search(all: readonly Entry[], typed: string, most: number): Entry[] {
  const words = typed.trim().toLowerCase().split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return [];
  const ranked: { entry: Entry; rank: number }[] = [];
  for (const entry of all) {
    const ranks = words.map((word) => rankOf(entry, word));
    if (ranks.includes(0)) continue;
    ranked.push({ entry, rank: ranks.reduce((sum, rank) => sum + rank, 0) });
  }
  ranked.sort((one, other) => other.rank - one.rank || one.entry.name.length - other.entry.name.length);
  return ranked.slice(0, most).map((it) => it.entry);
}

function rankOf(entry: Entry, word: string): number {
  const name = entry.name.toLowerCase();
  if (name === word) return 5;
  if (name.startsWith(word)) return 4;
  if (name.includes(`/${word}`)) return 3;
  if (name.includes(word)) return 2;
  return `${entry.what} ${entry.detail}`.toLowerCase().includes(word) ? 1 : 0;
}
