// The picture of the service: from the clients to the servers, with what passes on each line.

import type { Figures, Status } from "../api/documents.ts";
import { picture, shape, thickness, type Box, type Picture, type Spot } from "../model/flow.ts";
import { amount, bytes, counted, shortened, UNKNOWN } from "../model/format.ts";
import { linkInWords, nameOf, toneOfPair } from "../model/pair.ts";
import { hashOf, type Place } from "../model/place.ts";
import { modeInWords, toneOfPool, type Seen, type Tone } from "../model/state.ts";
import { h, mark, s, tell } from "./dom.ts";
import { shapeOf } from "./icon.ts";
import type { Bridge, View } from "./view.ts";

/** Width of a letter of the type in boxes, so that names are cut where they would not fit. */
const LETTER = 7.3;

interface BoxParts {
  box: Box;
  group: SVGElement;
  title: SVGTextElement;
  detail: SVGTextElement;
}

export class Flow implements View {
  readonly element: HTMLElement;
  readonly title = "";
  readonly #bridge: Bridge;
  readonly #above: HTMLElement;
  readonly #host: HTMLElement;
  readonly #sizes: ResizeObserver;
  #width = 0;
  #shape = "";
  #picture: Picture | undefined;
  #boxes = new Map<string, BoxParts>();
  #wires = new Map<string, { path: SVGPathElement; label: SVGTextElement }>();
  #spots: { spot: Spot; group: SVGElement; sign: SVGPathElement; rate: SVGTextElement | undefined; title: SVGTitleElement; name: string }[] = [];

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
    this.#above = h("p", { class: "flow-above" });
    this.#host = h("div", { class: "flow-host" });
    this.element = h("section", { class: "flow", "aria-label": "The way of the traffic" }, this.#above, this.#host);
    this.#sizes = new ResizeObserver((entries) => {
      const width = Math.floor(entries[0]?.contentRect.width ?? 0);
      if (width === this.#width || width === 0) return;
      this.#width = width;
      this.#draw();
    });
    this.#sizes.observe(this.#host);
  }

  update(): void {
    const { status, servers } = this.#bridge.store;
    if (status === undefined || this.#width === 0) return;
    if (shape(status, servers) !== this.#shape) this.#draw();
    else this.#tell(status);
  }

  close(): void {
    this.#sizes.disconnect();
  }

  #draw(): void {
    const { status, servers } = this.#bridge.store;
    if (status === undefined) return;
    this.#shape = shape(status, servers);
    const drawn = picture(status, this.#width);
    this.#picture = drawn;
    this.#boxes.clear();
    this.#wires.clear();
    const root = s("svg", { width: drawn.width, height: drawn.height, viewBox: `0 0 ${drawn.width} ${drawn.height}`, role: "group", "aria-label": "Clients, addresses, listeners, pools and servers" });
    for (const wire of drawn.wires) {
      const path = s("path", { class: "wire", d: wire.path, "data-idle": wire.isIdle || undefined });
      const label = s("text", { class: "wire-label", x: wire.labelX, y: wire.labelY - 6, "text-anchor": "middle" });
      root.append(path, label);
      this.#wires.set(wire.id, { path, label });
    }
    for (const box of drawn.boxes) root.append(this.#box(box));
    this.#spots = drawn.spots.map((spot) => {
      const parts = drawSpot(spot);
      root.append(parts.group);
      return parts;
    });
    this.#host.replaceChildren(root);
    this.#tell(status);
  }

  #box(box: Box): SVGElement {
    const title = s("text", { class: "box-title", x: box.x + 12, y: box.y + 19 });
    const detail = s("text", { class: "box-detail", x: box.x + 12, y: box.y + 36 });
    const place = placeOfBox(box);
    const group = s("a", { class: "box", "data-kind": box.kind, href: place === undefined ? undefined : hashOf(place) },
      s("rect", { x: box.x + 0.5, y: box.y + 0.5, width: box.width - 1, height: box.height - 1, rx: 6 }),
      s("rect", { class: "box-edge", x: box.x, y: box.y + 9, width: 3, height: box.height - 18, rx: 1.5 }),
      title, " ", detail);
    this.#boxes.set(box.id, { box, group, title, detail });
    return group;
  }

  #say(id: string, title: string, detail: string, tone: Tone, spoken: string): void {
    const parts = this.#boxes.get(id);
    if (parts === undefined) return;
    const most = Math.floor((parts.box.width - 20) / LETTER);
    tell(parts.title, shortened(title, most));
    tell(parts.detail, shortened(detail, Math.floor(most * 1.12)));
    mark(parts.group, "data-tone", tone);
    // What is seen comes first: who speaks to the machine says what is seen.
    mark(parts.group, "aria-label", `${parts.title.textContent} ${parts.detail.textContent} ${spoken}`);
  }

  #tell(status: Status): void {
    const { store } = this.#bridge;
    const tick = store.tick;
    const listeners = status.listeners.map((it) => tick?.listeners[it.name]);
    const all = total(listeners);
    this.#say("clients", "Clients", `${status.connections} held`, "still", `${counted(status.connections, "client connection")} held`);
    this.#say("node", status.node, status.state === "draining" ? "draining" : `${counted(status.workers, "worker")}`, status.state === "draining" ? "wary" : "good", `Node ${status.node}, ${status.state}`);
    const { pair } = status;
    if (pair !== undefined) {
      const detail = !pair.up ? "not heard" : pair.figures === undefined ? "heard" : `${amount(pair.figures.rate)}/s`;
      this.#say("peer", nameOf(pair), detail, toneOfPair(pair), linkInWords(pair, store.now()));
    }
    for (const vip of status.vips) {
      const isHere = vip.state === "active";
      const owner = vip.peer?.owns === true ? pair?.node : undefined;
      const detail = isHere ? (vip.addresses[0] ?? "") : vip.state === "backup" ? `at ${owner ?? vip.owner ?? "another node"}` : vip.state;
      const tone: Tone = isHere ? "good" : vip.state === "fault" ? "bad" : "still";
      this.#say(`vip/${vip.name}`, vip.name, detail, tone, `Address ${vip.name}, ${vip.state}: ${vip.reason}`);
    }
    for (const listener of status.listeners) {
      const ports = [...new Set(listener.addresses.map((address) => address.slice(address.lastIndexOf(":"))))].join(" ");
      this.#say(`listener/${listener.name}`, listener.name, `${listener.protocol} ${ports}`, "good", `Listener ${listener.name}, ${listener.protocol}`);
    }
    for (const pool of status.pools) {
      const used = pool.servers.filter((it) => it.in_use).length;
      const detail = modeInWords(pool) || `${used} of ${pool.servers.length} in use`;
      this.#say(`pool/${pool.name}`, pool.name, detail, toneOfPool(pool), `Pool ${pool.name}, ${used} of ${pool.servers.length} servers in use`);
    }
    this.#tellWires(status, all);
    this.#tellSpots();
    const isNarrow = this.#picture?.isNarrow === true;
    tell(this.#above, isNarrow ? above(status, all) : "");
  }

  #tellWires(status: Status, all: number | null): void {
    const tick = this.#bridge.store.tick;
    for (const [id, { path, label }] of this.#wires) {
      const [from = "", to = ""] = id.split(">");
      const isIdle = path.hasAttribute("data-idle");
      let rate: number | null | undefined;
      let held: number | null | undefined;
      let isTold = true;
      if (to.startsWith("listener/")) {
        const figures = tick?.listeners[to.slice("listener/".length)];
        [rate, held] = [figures?.rate, figures?.connections];
      }
      else if (to.startsWith("pool/")) {
        const listener = status.listeners.find((it) => `listener/${it.name}` === from);
        const pool = to.slice("pool/".length);
        const feeders = status.listeners.filter((it) => it.pools?.includes(pool));
        // How a listener's traffic divides between its pools is known by the pools, if each is its own.
        if (feeders.length === 1) [rate, held] = [tick?.pools[pool]?.rate, tick?.pools[pool]?.in_flight];
        else if ((listener?.pools ?? []).length === 1) rate = tick?.listeners[listener?.name ?? ""]?.rate;
        else isTold = false;
      } else if (to === "peer") rate = status.pair?.figures?.rate;
      else rate = isIdle ? 0 : all;
      mark(path, "stroke-width", thickness(rate).toFixed(1));
      mark(path, "data-flows", (rate ?? 0) > 0 || (held ?? 0) > 0 ? "" : undefined);
      const isShort = from === "clients" && to.startsWith("vip/");
      const text = rate === null || rate === undefined ? "" : carried(rate, held);
      tell(label, !isTold || isIdle || isShort ? "" : (streamed(status, to, tick?.listeners) ?? text));
    }
  }

  #tellSpots(): void {
    const known = new Map(this.#bridge.store.servers.map((it) => [`${it.pool}/${it.server.name}`, it]));
    for (const { spot, group, sign, rate, title, name } of this.#spots) {
      const it = known.get(`${spot.pool}/${spot.server}`);
      if (it === undefined) continue;
      mark(group, "data-state", it.state);
      if (!spot.isCell) mark(sign, "d", shapeOf(it.state));
      const words = spoken(it);
      tell(title, words);
      const { rate: passes, in_flight: held } = it.figures ?? {};
      const shown = it.state === "up" || (passes ?? 0) > 0 ? carried(passes, held) : it.state;
      if (rate !== undefined) tell(rate, shown);
      mark(group, "aria-label", rate === undefined ? words : `${name} ${shown} ${words}`);
    }
  }
}

/** On long connections what passes says more than how many begin. */
function streamed(status: Status, to: string, figures: Record<string, Figures> | undefined): string | undefined {
  const listener = status.listeners.find((it) => `listener/${it.name}` === to);
  if (listener === undefined || listener.protocol.startsWith("http")) return undefined;
  const { rate, bytes_in, bytes_out } = figures?.[listener.name] ?? {};
  const passed = (bytes_in ?? 0) + (bytes_out ?? 0);
  return (rate ?? 0) < 0.5 && passed > 0 ? `${bytes(passed)}/s` : undefined;
}

/** Where hardly anything begins, what is under way says more: long connections. */
function carried(rate: number | null | undefined, held: number | null | undefined): string {
  const text = amount(rate);
  if (text === UNKNOWN) return text;
  return (rate ?? 0) < 0.05 && (held ?? 0) > 0 ? `${amount(held)} held` : `${text}/s`;
}

function spoken(it: Seen): string {
  return `${it.pool}/${it.server.name}: ${it.state}${it.reason === "" ? "" : `, ${it.reason}`}`;
}

function drawSpot(spot: Spot): { spot: Spot; group: SVGElement; sign: SVGPathElement; rate: SVGTextElement | undefined; title: SVGTitleElement; name: string } {
  const title = s("title");
  const href = hashOf({ view: "server", pool: spot.pool, server: spot.server });
  if (spot.isCell) {
    const sign = s("path", { d: `M${spot.x} ${spot.y}h${spot.width}v${spot.height}h-${spot.width}z` });
    // One stop of the keyboard for each of hundreds of cells would be a trap: the table has them.
    return { spot, group: s("a", { class: "cell", href, tabindex: -1 }, title, sign), sign, rate: undefined, title, name: "" };
  }
  const middle = spot.y + spot.height / 2;
  const sign = s("path", { class: "spot-sign", transform: `translate(${spot.x + 8} ${middle - 5.5}) scale(0.69)`, "fill-rule": "evenodd" });
  const rate = s("text", { class: "spot-rate", x: spot.x + spot.width - 8, y: middle + 4, "text-anchor": "end" });
  const name = shortened(spot.server, Math.max(4, Math.floor((spot.width - 82) / LETTER)));
  const label = s("text", { class: "spot-name", x: spot.x + 26, y: middle + 4 });
  label.textContent = name;
  // Words of one name, with spaces between them; the title is the last of them.
  const group = s("a", { class: "spot", href },
    s("rect", { x: spot.x, y: spot.y, width: spot.width, height: spot.height, rx: 5 }), sign, label, " ", rate, " ", title);
  return { spot, group, sign, rate, title, name };
}

function placeOfBox(box: Box): Place | undefined {
  const name = box.id.slice(box.id.indexOf("/") + 1);
  switch (box.kind) {
    case "listener":
      return { view: "listener", listener: name };
    case "pool":
      return { view: "pool", pool: name };
    case "vip":
      return { view: "addresses" };
    case "node":
      return { view: "config" };
    default:
      return undefined;
  }
}

function total(all: readonly (Figures | undefined)[]): number | null {
  const known = all.map((it) => it?.rate).filter((it) => typeof it === "number");
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}

function above(status: Status, rate: number | null): string {
  const vips = status.vips.map((vip) => `${vip.name} (${vip.state})`);
  const way = ["clients", ...vips, status.node].join(" → ");
  return rate === null ? way : `${way} · ${amount(rate)}/s`;
}

