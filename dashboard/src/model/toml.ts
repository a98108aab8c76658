// The configuration as text: its colours, and where in it a thing stands. It need not be understood
// for that, only read line by line.

export type Kind = "comment" | "table" | "key" | "string" | "value" | "plain";

export interface Token {
  kind: Kind;
  text: string;
}

const TOKEN = /#.*|"""|'''|"(?:\\.|[^"\\])*"?|'[^']*'?|[A-Za-z0-9_.+:-]+|\s+|./g;

/** The tokens of one line. */
export function tokens(line: string): Token[] {
  if (/^\s*\[\[?[^\]]*\]\]?\s*(#.*)?$/.test(line)) {
    const comment = line.indexOf("#", line.lastIndexOf("]"));
    if (comment < 0) return [{ kind: "table", text: line }];
    return [{ kind: "table", text: line.slice(0, comment) }, { kind: "comment", text: line.slice(comment) }];
  }
  const parts = line.match(TOKEN) ?? [];
  return parts.map((text, place) => ({ kind: kindOf(text, parts, place), text }));
}

function kindOf(text: string, parts: readonly string[], place: number): Kind {
  if (text.startsWith("#")) return "comment";
  if (/^\s+$/.test(text) || /^[[\]{},=]$/.test(text)) return "plain";
  const next = parts.slice(place + 1).find((part) => !/^\s+$/.test(part));
  if (next === "=") return "key";
  return /^["']/.test(text) ? "string" : "value";
}

/** What of a configuration has a place of its own. */
export type Thing = { table: "listener" | "pool" | "vip" | "cache" | "rate"; name: string; server?: { name: string; address: string } };

/** The line, from 1, on which something is said of a thing. */
export function lineOf(text: string, thing: Thing): number | undefined {
  const lines = text.split("\n");
  const begin = lines.findIndex((line) => isHeader(line, thing.table, thing.name));
  if (begin < 0) return undefined;
  if (thing.server === undefined) return begin + 1;
  for (let place = begin + 1; place < lines.length; place += 1) {
    const line = lines[place] ?? "";
    if (/^\s*\[(?!")/.test(line) && !line.includes(",") && isForeign(line, thing)) break;
    if (line.includes(`"${thing.server.name}"`) || line.includes(`"${thing.server.address}"`)) return place + 1;
  }
  return begin + 1;
}

function isForeign(line: string, thing: Thing): boolean {
  return /^\s*\[\[?[A-Za-z]/.test(line) && !line.includes(`${thing.table}.${thing.name}`);
}

function isHeader(line: string, table: string, name: string): boolean {
  const inside = /^\s*\[\s*([^\]]+?)\s*\]/.exec(line)?.[1];
  if (inside === undefined) return false;
  const [head, ...rest] = inside.split(".");
  return head?.trim() === table && rest.join(".").trim().replace(/^["']|["']$/g, "") === name;
}
