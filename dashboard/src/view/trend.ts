// Figures over time, with what happened below them on the same axis.

import uPlot from "uplot";
import { get, isStatus } from "../api/client.ts";
import type { History } from "../api/documents.ts";
import { codeOf, figureOf } from "../model/codes.ts";
import { LANES, type Happening, type Lane } from "../model/events.ts";
import { LEAST_WITHIN, type Filter } from "../model/exchanges.ts";
import { amount, bytes, clock, UNKNOWN } from "../model/format.ts";
import { hashOf } from "../model/place.ts";
import { sum, without, type Column } from "../model/series.ts";
import { KEPT, type Change } from "../store.ts";
import { arrange, button, h, mark, s, tell } from "./dom.ts";
import type { Bridge, View } from "./view.ts";

export interface Line {
  /** Of several things their sum is drawn. */
  of: string | readonly string[];
  figure: string;
  /** A figure that is a part of it, and is not meant. */
  less?: string;
  label: string;
  /** What the label stands for. */
  meaning?: string;
  /** A colour's name in the style sheet; else the next of the palette. */
  colour?: string;
  /** Filled down to zero, as a line that is alone always is. */
  isArea?: boolean;
}

export interface Panel {
  title: string;
  lines: Line[];
  write(value: number | null | undefined): string;
  /** Of an error graph: which exchanges its peaks are made of. */
  failures?: Filter;
}

export interface Choice {
  /** Which events are marked; all, unless it is said. */
  isAbout?(it: Happening): boolean;
  /** Somebody wants to know what is below a peak; unless it is said, the view of exchanges opens. */
  onPeak?(filter: Filter): void;
  /** How far back it reaches, where the view has a choice of its own for that. */
  seconds?: number;
}

/** Lines that can still be told apart. */
const MOST_LINES = 6;

const PALETTE = ["line-1", "line-2", "line-3", "line-4", "line-5", "line-6"];

const RANGES: readonly { label: string; seconds: number }[] = [
  { label: "5 min", seconds: KEPT },
  { label: "15 min", seconds: 900 },
  { label: "1 h", seconds: 3600 },
  { label: "6 h", seconds: 21_600 },
  { label: "24 h", seconds: 86_400 },
  { label: "7 d", seconds: 604_800 },
];

/** Room for the figures left of each graph; the time line below leaves the same. */
const LEFT = 46;
const RIGHT = 18;
const HEIGHT = 96;
const LANE = 18;

/** Between the lines behind a graph of bytes: up to a pebibyte. */
const BYTE_STEPS = Array.from({ length: 51 }, (_, power) => 2 ** power);

/** Longer ranges are asked for anew so often. */
const REREAD = 10_000;

interface Drawn {
  panel: Panel;
  lines: Line[];
  plot: uPlot;
  host: HTMLElement;
  values: HTMLElement[];
}

type Data = [number[], ...(number | null)[][]];

/** A panel of what went wrong, by how it was answered. What failed has no answer, or one that broke off. */
export function errorPanel(of: Line["of"], isAnswered: boolean, failures: Filter): Panel {
  const classes: Line[] = [
    { of, figure: "answered_5xx", label: "5xx", colour: "bad", isArea: true },
    { of, figure: "errors", less: "answered_5xx", label: "failed", colour: "line-2" },
    { of, figure: "answered_4xx", label: "4xx", colour: "wary" },
  ];
  const lines: Line[] = isAnswered ? classes : [{ of, figure: "errors", label: "errors", colour: "bad" }];
  return { title: "errors per second", lines, write: amount, failures };
}

/** A panel of the same by termination code; without lines while nothing has gone wrong. */
export function codePanel(of: string, codes: readonly string[], failures: Filter): Panel {
  const lines = codes.map((code) => ({ of, figure: figureOf(code), label: code, meaning: codeOf(code).meaning }));
  return { title: "by termination code, per second", lines, write: amount, failures };
}

function things({ of }: Line): readonly string[] {
  return typeof of === "string" ? [of] : of;
}

export class Trend implements View {
  readonly element: HTMLElement;
  readonly title = "";
  readonly #bridge: Bridge;
  readonly #panels: Panel[];
  readonly #choice: Choice;
  readonly #host: HTMLElement;
  readonly #lanes: SVGSVGElement;
  readonly #laneParts = new Map<Lane, [SVGElement, SVGElement]>();
  readonly #signs = new Map<Happening, SVGElement>();
  readonly #note: HTMLElement;
  readonly #ranges: HTMLButtonElement[];
  readonly #sizes: ResizeObserver;
  readonly #repaint = (): void => {
    colours.clear();
    this.#build();
  };
  readonly #sync = uPlot.sync(`trend-${Math.random()}`);
  #drawn: Drawn[] = [];
  #width = 0;
  #seconds = KEPT;
  #history: History | undefined;
  #readAt = 0;
  #isReading = false;

  constructor(bridge: Bridge, panels: Panel[], choice: Choice = {}) {
    this.#bridge = bridge;
    this.#panels = panels.filter((panel) => panel.lines.length > 0);
    this.#choice = choice;
    this.#ranges = RANGES.map(({ label, seconds }) => button(label, () => this.#choose(seconds), { "aria-pressed": String(seconds === KEPT) }));
    this.#note = h("span", { class: "trend-note" });
    this.#host = h("div", { class: "trend-panels" });
    this.#lanes = s("svg", { class: "lanes", role: "img", "aria-label": "What happened, on the same axis as the graphs" });
    const { seconds } = choice;
    if (seconds !== undefined) this.#seconds = seconds;
    this.element = h("section", { class: "trend", "aria-label": "Figures over time" },
      seconds === undefined && h("div", { class: "trend-head" }, h("span", { class: "switch", role: "group", "aria-label": "Range" }, ...this.#ranges), this.#note),
      this.#host, this.#lanes);
    this.#sizes = new ResizeObserver((entries) => {
      const width = Math.floor(entries[0]?.contentRect.width ?? 0);
      if (width === this.#width || width === 0) return;
      const isFirst = this.#width === 0;
      this.#width = width;
      if (isFirst) this.#build();
      for (const { plot } of this.#drawn) plot.setSize({ width, height: HEIGHT });
      this.update("events");
    });
    this.#sizes.observe(this.#host);
    window.addEventListener("theme", this.#repaint);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", this.#repaint);
  }

  close(): void {
    this.#sizes.disconnect();
    window.removeEventListener("theme", this.#repaint);
    matchMedia("(prefers-color-scheme: dark)").removeEventListener("change", this.#repaint);
    for (const { plot } of this.#drawn) plot.destroy();
  }

  update(change: Change): void {
    if (this.#width === 0 || change === "link") return;
    if (change === "tick") {
      if (this.#bridge.store.hasHistory !== false && Date.now() - this.#readAt > REREAD) void this.#read();
      this.#fill();
    }
    if (change !== "status") this.#drawLanes();
  }

  #choose(seconds: number): void {
    this.show(seconds);
    RANGES.forEach((range, place) => {
      const element = this.#ranges[place];
      if (element !== undefined) mark(element, "aria-pressed", String(range.seconds === seconds));
    });
  }

  /** Reaches back so far from now on. */
  show(seconds: number): void {
    if (seconds === this.#seconds) return;
    this.#seconds = seconds;
    this.#history = undefined;
    void this.#read();
    this.#fill();
    this.#drawLanes();
  }

  /** What the node remembers; one that remembers nothing is asked once. */
  async #read(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    this.#readAt = Date.now();
    const seconds = this.#seconds;
    const all = this.#panels.flatMap((panel) => panel.lines);
    const of = [...new Set(all.flatMap(things))].join(",");
    const figures = [...new Set(all.flatMap(({ figure, less }) => [figure, ...(less === undefined ? [] : [less])]))].join(",");
    try {
      const query = new URLSearchParams({ of, figures, last: `${seconds}s` });
      const history = await get<History>(`/api/v1/history?${query}`);
      this.#bridge.store.hasHistory = true;
      if (seconds === this.#seconds) this.#history = history;
    } catch (error) {
      if (isStatus(error, 404) || isStatus(error, 409)) this.#bridge.store.hasHistory = false;
    } finally {
      this.#isReading = false;
    }
    const { hasHistory } = this.#bridge.store;
    this.#ranges.forEach((element, place) => {
      element.disabled = hasHistory === false && place > 0;
      mark(element, "title", element.disabled ? "this node keeps no history" : undefined);
    });
    this.#fill();
    // Another range was chosen meanwhile.
    if (seconds !== this.#seconds) void this.#read();
  }

  #build(): void {
    if (this.#width === 0) return;
    for (const { plot } of this.#drawn) plot.destroy();
    this.#drawn = this.#panels.map((panel, place) => this.#draw(panel, place === this.#panels.length - 1));
    this.#host.replaceChildren(...this.#drawn.map((it) => it.host));
    this.#fill();
    this.#drawLanes();
  }

  #draw(panel: Panel, isLast: boolean): Drawn {
    const lines = panel.lines.slice(0, MOST_LINES);
    const values = lines.map(() => h("b"));
    const more = panel.lines.length - lines.length;
    const names = lines.map((line, place) => h("span", { class: "legend", title: line.meaning, "data-line": line.colour ?? PALETTE[place] }, h("i"), line.label, " ", values[place]));
    const host = h("div", { class: "panel" },
      h("div", { class: "panel-head" }, h("h3", {}, panel.title), ...names, more > 0 && h("span", { class: "legend" }, `and ${more} more`), this.#peaks(panel)));
    const ink = colour("--ink-3");
    const rule = colour("--rule");
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const grid = { stroke: rule, width: 1 };
    const plot = new uPlot({
      width: this.#width,
      height: HEIGHT,
      legend: { show: false },
      padding: [6, RIGHT, isLast ? 0 : 4, 0],
      cursor: { sync: { key: this.#sync.key }, y: false, points: { size: 6 }, drag: { x: false, y: false } },
      scales: { x: { time: true }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.15 : 1.15] } },
      axes: [
        { show: isLast, stroke: ink, font, grid, ticks: { show: false }, size: 22, values: (_, splits) => splits.map((at) => clock(at * 1000, at * 1000).slice(0, this.#seconds <= 900 ? 8 : 5)), space: 90 },
        { stroke: ink, font, grid, ticks: { show: false }, size: LEFT, ...(panel.write === bytes ? { incrs: BYTE_STEPS } : {}), values: (_, splits) => splits.map((value) => short(panel.write(value))), space: 26, gap: 6 },
      ],
      series: [{}, ...lines.map((line, place) => ({
        stroke: colour(`--${line.colour ?? PALETTE[place] ?? "line-1"}`),
        width: 1.5,
        ...(lines.length === 1 || line.isArea === true ? { fill: colour(`--${line.colour ?? "line-1"}-soft`) } : {}),
        points: { show: false },
        spanGaps: false,
      }))],
      hooks: {
        setCursor: [(plot) => this.#tellValues(plot)],
        drawAxes: [(plot) => this.#drawMarks(plot)],
      },
    }, [[], ...lines.map(() => [])], host);
    if (panel.failures !== undefined) this.#watchPeaks(plot, panel.failures);
    const drawn = { panel, lines, plot, host, values };
    this.#sync.sub(plot);
    return drawn;
  }

  /** The way to the exchanges below an error graph, for who has no pointer. */
  #peaks(panel: Panel): HTMLElement | undefined {
    if (panel.failures === undefined || this.#choice.onPeak !== undefined) return undefined;
    return h("a", { class: "more", href: hashOf({ view: "exchanges", filter: panel.failures }) }, "which?");
  }

  #watchPeaks(plot: uPlot, failures: Filter): void {
    plot.over.classList.add("peaks");
    plot.over.title = "a click shows what failed then";
    plot.over.addEventListener("click", () => {
      const left = plot.cursor.left ?? -1;
      if (left < 0) return;
      const at = Math.round(plot.posToVal(left, "x"));
      const filter = { ...failures, at, within: Math.max(LEAST_WITHIN, Math.ceil(this.#seconds / 120)) };
      if (this.#choice.onPeak === undefined) this.#bridge.go({ view: "exchanges", filter });
      else this.#choice.onPeak(filter);
    });
  }

  #data(lines: readonly Line[]): Data {
    const { store } = this.#bridge;
    if (this.#seconds > KEPT || (this.#history !== undefined && store.times.length < KEPT)) {
      const history = this.#history;
      if (history === undefined) return [[], ...lines.map(() => [])];
      const count = history.series[0]?.values.length ?? 0;
      const xs = Array.from({ length: count }, (_, place) => history.from / 1000 + place * history.step_seconds);
      const columns = lines.map((line) => columnOf(line, (of, figure) => {
        const found = history.series.find((it) => it.of === of && it.figure === figure);
        return found?.values ?? xs.map(() => null);
      }));
      return history.step_seconds === 1 ? this.#continued(lines, xs, columns) : [xs, ...columns];
    }
    return this.#continued(lines, [], lines.map(() => []));
  }

  /** What the page has seen itself, behind what the node remembers. */
  #continued(lines: readonly Line[], xs: number[], columns: (number | null)[][]): Data {
    const { store } = this.#bridge;
    const times = store.times.last(KEPT);
    const last = xs[xs.length - 1] ?? 0;
    const from = times.findIndex((at) => at > last);
    if (from < 0) return [xs, ...columns];
    const added = lines.map((line) => columnOf(line, (of, figure) => {
      const values = store.ring(of, figure)?.last(KEPT) ?? [];
      const offset = times.length - values.length;
      return times.map((_, place) => {
        const value = values[place - offset];
        return value === undefined || Number.isNaN(value) ? null : value;
      });
    }));
    return [[...xs, ...times.slice(from)], ...columns.map((column, place) => [...column, ...(added[place] ?? []).slice(from)])];
  }

  #span(): [number, number] {
    const to = (this.#bridge.store.tick?.at ?? this.#bridge.store.now()) / 1000;
    return [to - this.#seconds, to];
  }

  #fill(): void {
    const [min, max] = this.#span();
    for (const { plot, lines } of this.#drawn) {
      plot.batch(() => {
        plot.setData(this.#data(lines), false);
        plot.setScale("x", { min, max });
      });
      this.#tellValues(plot);
    }
    const isShort = this.#seconds > KEPT && this.#history === undefined;
    tell(this.#note, isShort ? "reading the history…" : "");
  }

  #tellValues(plot: uPlot): void {
    const drawn = this.#drawn.find((it) => it.plot === plot);
    if (drawn === undefined) return;
    const index = plot.cursor.idx ?? undefined;
    drawn.values.forEach((element, place) => {
      const column = plot.data[place + 1] ?? [];
      const value = index === undefined ? lastKnown(column) : column[index];
      tell(element, value === undefined ? UNKNOWN : drawn.panel.write(value));
    });
  }

  #marks(): Happening[] {
    const [from, to] = this.#span();
    return this.#bridge.store.happenings.filter((it) => it.at / 1000 >= from && it.at / 1000 <= to && this.#choice.isAbout?.(it) !== false);
  }

  #drawMarks(plot: uPlot): void {
    const { ctx, bbox } = plot;
    ctx.save();
    for (const it of this.#marks()) {
      // What went well needs no line through every graph.
      if (it.tone === "still" || it.tone === "good") continue;
      const x = Math.round(plot.valToPos(it.at / 1000, "x", true)) + 0.5;
      ctx.strokeStyle = colour(`--${it.tone}`);
      ctx.globalAlpha = 0.3;
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  /** A sign is made once, and then only moved. */
  #drawLanes(): void {
    if (this.#width === 0) return;
    const [from, to] = this.#span();
    const lanes = LANES.filter((lane) => lane !== "addresses" || (this.#bridge.store.status?.vips.length ?? 0) > 0);
    const inside = this.#width - LEFT - RIGHT;
    const marks = this.#marks().filter((it) => lanes.includes(it.lane));
    const shown = new Set(marks);
    for (const it of this.#signs.keys()) if (!shown.has(it)) this.#signs.delete(it);
    const signs = marks.map((it) => {
      const x = LEFT + ((it.at / 1000 - from) / (to - from)) * inside;
      const sign = this.#sign(it);
      mark(sign, "transform", `translate(${x.toFixed(1)} ${middle(lanes, it.lane)})`);
      return sign;
    });
    mark(this.#lanes, "width", String(this.#width));
    mark(this.#lanes, "height", String(lanes.length * LANE + 4));
    arrange(this.#lanes, [...lanes.flatMap((lane) => this.#laneOf(lane, middle(lanes, lane), inside)), ...signs]);
  }

  #laneOf(lane: Lane, y: number, inside: number): readonly SVGElement[] {
    let parts = this.#laneParts.get(lane);
    if (parts === undefined) {
      const label = s("text", { class: "lane-name", x: 0 });
      label.textContent = lane;
      parts = [label, s("path", { class: "lane-line" })];
      this.#laneParts.set(lane, parts);
    }
    mark(parts[0], "y", String(y + 3.5));
    mark(parts[1], "d", `M${LEFT + 14} ${y}H${LEFT + inside}`);
    return parts;
  }

  #sign(it: Happening): SVGElement {
    let sign = this.#signs.get(it);
    if (sign === undefined) {
      const title = s("title");
      title.textContent = `${clock(it.at, this.#bridge.store.now())} ${it.kind} ${it.subject}: ${it.message}`;
      sign = s("path", { class: "lane-mark", "data-tone": it.tone, d: MARKS[it.tone] }, title);
      this.#signs.set(it, sign);
    }
    return sign;
  }
}

/** Where the line of a lane is, from above. */
function middle(lanes: readonly Lane[], lane: Lane): number {
  return lanes.indexOf(lane) * LANE + 9.5;
}

/** Around their middle: a disc, a triangle, a cross, a square. */
const MARKS = {
  good: "M0 -4a4 4 0 1 0 0 8a4 4 0 1 0 0-8z",
  wary: "M0 -4.800L5 4H-5z",
  bad: "M-4 -5L0 -1.500L4 -5L5 -4L1.500 0L5 4L4 5L0 1.500L-4 5L-5 4L-1.500 0L-5 -4z",
  still: "M-3.500 -3.500h7v7h-7z",
} as const;

/** What a line shows, of the columns of its figures. */
function columnOf(line: Line, column: (of: string, figure: string) => Column): (number | null)[] {
  const whole = sum(things(line).map((of) => column(of, line.figure)));
  const { less } = line;
  return less === undefined ? whole : without(whole, sum(things(line).map((of) => column(of, less))));
}

function lastKnown(column: ArrayLike<number | null | undefined>): number | undefined {
  // The very last may not have come yet.
  for (let place = column.length - 1; place >= Math.max(0, column.length - 4); place -= 1) {
    const value = column[place];
    if (value !== null && value !== undefined) return value;
  }
  return undefined;
}

/** Figures beside the graph have little room. */
function short(text: string): string {
  return text.replace(" ", "");
}

const colours = new Map<string, string>();

/** A colour of the style sheet as the canvas wants it, in the theme of now. */
function colour(name: string): string {
  let found = colours.get(name);
  if (found === undefined) {
    const probe = h("span", { hidden: true });
    document.body.append(probe);
    probe.style.color = `var(${name})`;
    found = getComputedStyle(probe).color;
    probe.remove();
    colours.set(name, found);
  }
  return found;
}
