// What the page shows, as it stands in the address bar.

import { readFilter, writtenFilter, type Filter } from "./exchanges.ts";

export type Place =
  | { view: "overview" }
  | { view: "servers"; pool?: string }
  | { view: "server"; pool: string; server: string }
  | { view: "pool"; pool: string }
  | { view: "listener"; listener: string }
  | { view: "addresses" }
  | { view: "certificates" }
  | { view: "events" }
  | { view: "exchanges"; filter?: Filter }
  | { view: "explain"; method?: string; url?: string; listener?: string }
  | { view: "config"; version?: string; line?: number };

export function placeOf(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const parts = path.split("/").map(decoded);
  const asked = new URLSearchParams(query);
  const [view, one, two] = parts;
  switch (view) {
    case "servers":
      return one === undefined || one === "" ? { view } : { view, pool: one };
    case "server":
      return one !== undefined && two !== undefined ? { view, pool: one, server: two } : { view: "servers" };
    case "pool":
      return one !== undefined ? { view, pool: one } : { view: "servers" };
    case "listener":
      return one !== undefined ? { view, listener: one } : { view: "overview" };
    case "addresses":
    case "certificates":
    case "events":
      return { view };
    case "exchanges":
      return { view, filter: readFilter(asked) };
    case "explain": {
      const [method, url, listener] = ["method", "url", "listener"].map((name) => asked.get(name));
      return {
        view,
        ...(method ? { method } : {}),
        ...(url ? { url } : {}),
        ...(listener ? { listener } : {}),
      };
    }
    case "config": {
      const version = asked.get("version");
      const line = Number(asked.get("line"));
      return {
        view,
        ...(version === null ? {} : { version }),
        ...(Number.isInteger(line) && line > 0 ? { line } : {}),
      };
    }
    default:
      return { view: "overview" };
  }
}

export function hashOf(place: Place): string {
  const part = encodeURIComponent;
  switch (place.view) {
    case "overview":
      return "#/";
    case "servers":
      return place.pool === undefined ? "#/servers" : `#/servers/${part(place.pool)}`;
    case "server":
      return `#/server/${part(place.pool)}/${part(place.server)}`;
    case "pool":
      return `#/pool/${part(place.pool)}`;
    case "listener":
      return `#/listener/${part(place.listener)}`;
    case "exchanges":
      return `#/exchanges${asQuery(writtenFilter(place.filter ?? {}))}`;
    case "explain": {
      const { view: _, ...asked } = place;
      return `#/explain${asQuery(new URLSearchParams(asked).toString())}`;
    }
    case "config": {
      const asked = new URLSearchParams();
      if (place.version !== undefined) asked.set("version", place.version);
      if (place.line !== undefined) asked.set("line", String(place.line));
      return `#/config${asQuery(asked.toString())}`;
    }
    default:
      return `#/${place.view}`;
  }
}

function asQuery(text: string): string {
  return text === "" ? "" : `?${text}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
