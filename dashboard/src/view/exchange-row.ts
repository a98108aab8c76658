// One exchange that failed or was slow: a row, and below it all that is known once it is opened.

import type { RecordedExchange } from "../api/documents.ts";
import { codeOf, CODES, type Code } from "../model/codes.ts";
import { bar, pathOf, requestInWords, shownTarget, timers, toneOfExchange, whereOf, whyOf, type Phase } from "../model/exchanges.ts";
import { counted, latency, UNKNOWN } from "../model/format.ts";
import type { Place } from "../model/place.ts";
import { button, h, mark, s, tell, type Child } from "./dom.ts";
import { facts, link } from "./parts.ts";
import type { Bridge } from "./view.ts";

const BAR_WIDTH = 86;
const BAR_HEIGHT = 6;

const PHASES: readonly [Phase, string][] = [
  ["request", "request"],
  ["wait", "wait"],
  ["connect", "connect"],
  ["answer", "answer"],
  ["rest", "rest"],
];

/** What the colours of the bars stand for. */
export function phaseLegend(): HTMLElement {
  return h("p", { class: "phases", "aria-hidden": "true" }, ...PHASES.map(([phase, word]) => h("span", { class: "legend", "data-phase": phase }, h("i"), word)));
}

export class ExchangeRow {
  /** The row, and when it is open what is below. */
  elements: HTMLElement[];
  readonly #bridge: Bridge;
  readonly #it: RecordedExchange;
  readonly #row: HTMLElement;
  readonly #time: HTMLButtonElement;

  constructor(bridge: Bridge, it: RecordedExchange) {
    this.#bridge = bridge;
    this.#it = it;
    this.#time = button("", () => this.#toggle(), { class: "opener", "aria-expanded": "false" });
    const request = requestInWords(it);
    const again = it.retries === 0 ? "" : ` after ${counted(it.retries + 1, "try", "tries")}`;
    this.#row = h("tr", { role: "row", class: "exchange", "data-tone": toneOfExchange(it) },
      h("td", { role: "cell", class: "time" }, this.#time),
      h("th", { scope: "row", role: "rowheader", class: "request", title: request }, request),
      h("td", { role: "cell", class: "where" }, whereLink(it)),
      h("td", { role: "cell", class: "status" }, it.status === null ? UNKNOWN : String(it.status)),
      h("td", { role: "cell", class: "code" }, codeButton(it.code)),
      h("td", { role: "cell", class: "took" }, timerBar(it), h("span", { class: "value" }, latency(it.active_seconds))),
      h("td", { role: "cell", class: "why" }, `${whyOf(it)}${again}`));
    this.elements = [this.#row];
  }

  tell(clock: string, ago: string): void {
    tell(this.#time, clock);
    mark(this.#time, "title", ago);
  }

  #toggle(): void {
    const isOpen = this.elements.length > 1;
    mark(this.#time, "aria-expanded", String(!isOpen));
    mark(this.#row, "data-open", isOpen ? undefined : "");
    if (isOpen) {
      this.elements.pop()?.remove();
      return;
    }
    const more = h("tr", { role: "row", class: "more-row" }, h("td", { role: "cell", colspan: 7 }, ...details(this.#it, this.#bridge)));
    this.elements.push(more);
    this.#row.after(more);
  }
}

function whereLink(it: RecordedExchange): HTMLElement {
  const text = whereOf(it);
  if (it.pool === "") return link(text, { view: "listener", listener: it.listener }, "mono");
  if (it.server === "") return link(text, { view: "pool", pool: it.pool }, "mono");
  return link(text, { view: "server", pool: it.pool, server: it.server }, "mono");
}

function timerBar(it: RecordedExchange): SVGSVGElement {
  const all = timers(it);
  const words = all.filter((timer) => timer.seconds !== undefined).map((timer) => `${timer.what} ${latency(timer.seconds)}`).join(", ");
  const parts = bar(all, BAR_WIDTH).map(({ phase, x, width }) => s("rect", { "data-phase": phase, x, y: 0, width, height: BAR_HEIGHT }));
  const title = s("title");
  title.textContent = words;
  return s("svg", { class: "timers", width: BAR_WIDTH, height: BAR_HEIGHT, viewBox: `0 0 ${BAR_WIDTH} ${BAR_HEIGHT}`, role: "img", "aria-label": words }, title, ...parts);
}

/** A code with what it means: told on hover and focus, and all about it with a click. */
function codeButton(code: string): HTMLElement {
  if (code === "--") return h("span", { class: "mono", title: codeOf(code).meaning }, code);
  const { meaning } = codeOf(code);
  const element = button(code, () => openCodes(code), { class: "code-word mono", "aria-label": `${code}: ${meaning.replaceAll("`", "")}` });
  element.append(h("span", { class: "tip", "aria-hidden": "true" }, ...inCode(meaning)));
  return element;
}

function details(it: RecordedExchange, bridge: Bridge): HTMLElement[] {
  const { code, meaning, advice } = codeOf(it.code);
  const known = bridge.store.status?.listeners.find((listener) => listener.name === it.listener);
  const url = `${known?.protocol ?? "http"}://${it.host}${pathOf(it.target)}`;
  const again: Place = { view: "explain", method: it.method, url, listener: it.listener };
  const phases = timers(it).map((timer): [string, Child] => [timer.name === "" ? "rest" : timer.name, timer.seconds === undefined ? "not reached" : `${latency(timer.seconds)} ${timer.what}`]);
  return [h("div", { class: "details" },
    facts([
      ["request", it.method === "" ? "a stream" : h("span", { class: "mono" }, `${it.method} ${it.host}${shownTarget(it.target)}`)],
      ["client", it.client],
      ["listener", h("span", {}, link(it.listener, { view: "listener", listener: it.listener }), it.route === "" ? "" : `, route ${it.route}`)],
      ["server", it.server === "" ? "none was asked" : h("span", {}, whereLink(it))],
      ["further tries", it.retries === 0 ? "none" : String(it.retries)],
      ["request id", it.request_id === "" ? undefined : h("span", { class: "mono" }, it.request_id)],
      ["trace", it.trace_id ? h("span", { class: "mono" }, it.trace_id) : undefined],
      ["why", it.cause],
      [code, h("span", {}, ...inCode(meaning))],
      ["what to do", advice === "" ? undefined : h("span", {}, ...inCode(advice))],
    ]),
    facts([...phases, ["Ta", `${latency(it.active_seconds)} in all`]]),
    h("div", { class: "head-actions" },
      it.method === "" ? undefined : link("explain such a request", again, "quiet"),
      button("all codes", () => openCodes(it.code), { class: "quiet" })))];
}

/** Words between backticks are set as code. */
function inCode(text: string): Child[] {
  return text.split("`").map((part, place) => (place % 2 === 0 ? part : h("code", {}, part)));
}

/** What every code means and what to do about it; the one that was asked for comes first to the eye. */
function openCodes(asked: string): void {
  if (document.querySelector("dialog[open]") !== null) return;
  const rows = CODES.map((it) => codeRow(it, it.code === asked));
  const dialog = h("dialog", { class: "dialog codes", "aria-labelledby": "codes-title" },
    h("h2", { id: "codes-title" }, "Termination codes"),
    h("p", { class: "node-facts" }, "The first letter says who or what ended an exchange, the second how far it had come."),
    h("div", { class: "codes-list", tabindex: 0, role: "group", "aria-label": "Codes" }, h("dl", {}, ...rows.flat())),
    h("div", { class: "buttons" }, button("Close", () => dialog.close(), { autofocus: true })));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector(".asked")?.scrollIntoView({ block: "center" });
}

function codeRow({ code, meaning, advice }: Code, isAsked: boolean): HTMLElement[] {
  return [
    h("dt", { class: isAsked ? "mono asked" : "mono" }, code),
    h("dd", { class: isAsked ? "asked" : undefined }, h("p", {}, ...inCode(meaning)), h("p", { class: "notes" }, ...inCode(advice))),
  ];
}
