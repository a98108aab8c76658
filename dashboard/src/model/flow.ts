// Where the boxes and lines of the picture of the service lie. Numbers in, numbers out: the browser
// is never asked how large something has become.

import type { Pool, Status } from "../api/documents.ts";
import type { Seen } from "./state.ts";

export type BoxKind = "clients" | "vip" | "node" | "other" | "listener" | "pool";

export interface Box {
  id: string;
  kind: BoxKind;
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Wire {
  id: string;
  from: string;
  to: string;
  path: string;
  /** Where its figure stands. */
  labelX: number;
  labelY: number;
  /** No traffic comes this way now. */
  isIdle: boolean;
}

/** A server as a line of text, or one cell of a field when there are many. */
export interface Spot {
  pool: string;
  server: string;
  x: number;
  y: number;
  width: number;
  height: number;
  isCell: boolean;
}

export interface Picture {
  width: number;
  height: number;
  isNarrow: boolean;
  boxes: Box[];
  wires: Wire[];
  spots: Spot[];
}

/** Below this width the picture has two columns. */
const NARROW = 720;

const BOX = 46;
const GAP = 16;
const ROW = 26;
const CELL = 11;
const POOL_HEAD = 46;

/** More servers in a pool than this are cells. */
const MOST_ROWS = 8;

/** More servers in all than this are cells, whatever their pools. */
const MOST_ROWS_IN_ALL = 40;

interface Columns {
  clients: [number, number];
  vip: [number, number] | undefined;
  node: [number, number];
  listener: [number, number];
  pool: [number, number];
  servers: [number, number];
}

/** Pools in the order in which listeners speak of them, so that few lines cross; those that none
 * speaks of come last. */
export function poolsInOrder(status: Status): Pool[] {
  const byName = new Map(status.pools.map((pool) => [pool.name, pool]));
  const found = new Set<Pool>();
  for (const listener of status.listeners) {
    for (const name of listener.pools ?? []) {
      const pool = byName.get(name);
      if (pool !== undefined) found.add(pool);
    }
  }
  for (const pool of status.pools) found.add(pool);
  return [...found];
}

export function picture(status: Status, width: number): Picture {
  return width < NARROW ? narrow(status, width) : wide(status, width);
}

function columns(width: number, hasVips: boolean): Columns {
  // Shares of the width, box and gap in turn.
  const shares = hasVips
    ? { clients: [0, 0.075], vip: [0.115, 0.135], node: [0.29, 0.115], listener: [0.445, 0.145], pool: [0.635, 0.15], servers: [0.8, 0.2] }
    : { clients: [0, 0.085], node: [0.135, 0.13], listener: [0.32, 0.175], pool: [0.555, 0.17], servers: [0.745, 0.255] };
  const at = ([x, w]: readonly number[]): [number, number] => [Math.round((x ?? 0) * width), Math.round((w ?? 0) * width)];
  return {
    clients: at(shares.clients),
    vip: shares.vip === undefined ? undefined : at(shares.vip),
    node: at(shares.node),
    listener: at(shares.listener),
    pool: at(shares.pool),
    servers: at(shares.servers),
  };
}

function wide(status: Status, width: number): Picture {
  const at = columns(width, status.vips.length > 0);
  const pools = poolsInOrder(status);
  const all = status.pools.reduce((sum, pool) => sum + pool.servers.length, 0);
  const boxes: Box[] = [];
  const spots: Spot[] = [];
  let y = 0;
  for (const pool of pools) {
    const field = spotsOf(pool, at.servers[0], y, at.servers[1], all > MOST_ROWS_IN_ALL);
    const height = Math.max(BOX, field.height);
    for (const spot of field.spots) spots.push({ ...spot, y: spot.y + (height - field.height) / 2 });
    boxes.push({ id: `pool/${pool.name}`, kind: "pool", x: at.pool[0], y: y + (height - BOX) / 2, width: at.pool[1], height: BOX });
    y += height + GAP;
  }
  const poolAt = new Map(boxes.map((box) => [box.id, box]));
  const wanted = status.listeners.map((listener) => middleOf((listener.pools ?? []).map((name) => poolAt.get(`pool/${name}`)), y));
  const listeners = stacked(wanted, status.listeners.map((it) => `listener/${it.name}`), "listener", at.listener);
  boxes.push(...listeners);
  const height = Math.max(y - GAP, ...listeners.map((box) => box.y + box.height), BOX, (BOX + GAP) * status.vips.length - GAP, status.pair === undefined ? 0 : 3 * BOX + 2 * GAP);
  const middle = (height - BOX) / 2;
  boxes.push({ id: "node", kind: "node", x: at.node[0], y: middle, width: at.node[1], height: BOX });
  if (at.vip !== undefined) {
    const count = status.vips.length;
    const targets = status.vips.map((_, place) => height / 2 + (place - (count - 1) / 2) * (BOX + GAP));
    boxes.push(...stacked(targets, status.vips.map((it) => `vip/${it.name}`), "vip", at.vip));
  }
  if (status.pair !== undefined) boxes.push({ id: "peer", kind: "other", x: at.node[0], y: middle + BOX + GAP, width: at.node[1], height: BOX });
  boxes.push({ id: "clients", kind: "clients", x: at.clients[0], y: middle, width: at.clients[1], height: BOX });
  return { width, height, isNarrow: false, boxes, wires: wires(status, boxes), spots };
}

/** Boxes as near as they can be to where they want to be, none over another, in the order given. */
function stacked(wanted: readonly number[], ids: readonly string[], kind: BoxKind, [x, width]: [number, number]): Box[] {
  const tops: number[] = [];
  let least = 0;
  for (const middle of wanted) {
    const top = Math.max(least, middle - BOX / 2);
    tops.push(top);
    least = top + BOX + GAP;
  }
  // What was pushed down together is lifted to where its middle wants to be, as far as there is room.
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const lift = Math.min(tops[0] ?? 0, Math.max(0, mean(tops) + BOX / 2 - mean(wanted)));
  return ids.map((id, place) => ({ id, kind, x, y: (tops[place] ?? 0) - lift, width, height: BOX }));
}

function middleOf(boxes: readonly (Box | undefined)[], height: number): number {
  const known = boxes.filter((box) => box !== undefined);
  if (known.length === 0) return height / 2;
  return known.reduce((sum, box) => sum + box.y + box.height / 2, 0) / known.length;
}

function spotsOf(pool: Pool, x: number, y: number, width: number, areCells: boolean): { spots: Spot[]; height: number } {
  const isCell = areCells || pool.servers.length > MOST_ROWS;
  if (!isCell) {
    const spots = pool.servers.map((server, place) => ({
      pool: pool.name, server: server.name, x, y: y + place * ROW, width, height: ROW - 2, isCell,
    }));
    return { spots, height: spots.length * ROW };
  }
  const perLine = Math.max(1, Math.floor(width / CELL));
  const spots = pool.servers.map((server, place) => ({
    pool: pool.name,
    server: server.name,
    x: x + (place % perLine) * CELL,
    y: y + Math.floor(place / perLine) * CELL,
    width: CELL - 2,
    height: CELL - 2,
    isCell,
  }));
  return { spots, height: Math.ceil(pool.servers.length / perLine) * CELL };
}

function wires(status: Status, boxes: readonly Box[]): Wire[] {
  const at = new Map(boxes.map((box) => [box.id, box]));
  const found: Wire[] = [];
  const join = (from: string, to: string, isIdle = false): void => {
    const [one, other] = [at.get(from), at.get(to)];
    if (one !== undefined && other !== undefined) found.push(wire(one, other, isIdle));
  };
  if (status.vips.length === 0) join("clients", "node");
  for (const vip of status.vips) {
    const isHere = vip.state === "active" || vip.state === "leaving";
    join("clients", `vip/${vip.name}`, !isHere);
    join(`vip/${vip.name}`, "node", !isHere);
    if (vip.peer?.owns === true) join(`vip/${vip.name}`, "peer");
  }
  for (const listener of status.listeners) {
    join("node", `listener/${listener.name}`);
    for (const pool of listener.pools ?? []) join(`listener/${listener.name}`, `pool/${pool}`);
  }
  return found;
}

function wire(from: Box, to: Box, isIdle: boolean): Wire {
  const [x1, y1] = [from.x + from.width, from.y + from.height / 2];
  const [x2, y2] = [to.x, to.y + to.height / 2];
  const bend = (x2 - x1) / 2;
  return {
    id: `${from.id}>${to.id}`,
    from: from.id,
    to: to.id,
    path: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`,
    labelX: (x1 + x2) / 2,
    labelY: (y1 + y2) / 2,
    isIdle,
  };
}

/** On a phone: listeners to the left, pools with their servers to the right; clients, addresses and
 * the node are told in words above it. */
function narrow(status: Status, width: number): Picture {
  const listenerWidth = Math.round(width * 0.3);
  const poolX = Math.round(width * 0.39);
  const poolWidth = width - poolX;
  const boxes: Box[] = [];
  const spots: Spot[] = [];
  const all = status.pools.reduce((sum, pool) => sum + pool.servers.length, 0);
  let y = 0;
  for (const pool of poolsInOrder(status)) {
    const field = spotsOf(pool, poolX, y + POOL_HEAD + 4, poolWidth, all > MOST_ROWS_IN_ALL);
    spots.push(...field.spots);
    boxes.push({ id: `pool/${pool.name}`, kind: "pool", x: poolX, y, width: poolWidth, height: POOL_HEAD });
    y += POOL_HEAD + 4 + field.height + GAP;
  }
  const poolAt = new Map(boxes.map((box) => [box.id, box]));
  const wanted = status.listeners.map((it) => middleOf((it.pools ?? []).map((name) => poolAt.get(`pool/${name}`)), y));
  const listeners = stacked(wanted, status.listeners.map((it) => `listener/${it.name}`), "listener", [0, listenerWidth]);
  boxes.push(...listeners);
  const height = Math.max(y - GAP, ...listeners.map((box) => box.y + box.height), BOX);
  return { width, height, isNarrow: true, boxes, wires: wires(status, boxes), spots };
}

/** What the picture stands for, without figures: it is laid out anew only when this changes. */
export function shape(status: Status, servers: readonly Seen[]): string {
  return JSON.stringify([
    status.listeners.map((it) => [it.name, it.pools]),
    status.vips.map((it) => [it.name, it.state, it.peer?.owns]),
    status.pair !== undefined,
    status.pools.map((it) => it.name),
    servers.map((it) => [it.pool, it.server.name]),
  ]);
}

/** How thick a line is drawn: with the logarithm of its rate, so that small ones are seen too. */
export function thickness(rate: number | null | undefined): number {
  if (rate === null || rate === undefined || rate <= 0) return 1;
  return Math.min(7, 1.25 + Math.log10(1 + rate) * 1.5);
}
