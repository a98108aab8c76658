// What would be done with a request, and why: the node is asked, and nothing is sent.

import { get, inWords, isStatus } from "../api/client.ts";
import type { Explanation, ExplainedPool, ExplainedServer } from "../api/documents.ts";
import { amount, latency } from "../model/format.ts";
import { h, type Child } from "./dom.ts";
import { facts, link, toned } from "./parts.ts";
import type { Bridge, View } from "./view.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

/** What is asked at once. */
export interface Asked {
  method?: string;
  url?: string;
  /** Where that came in, in place of the listener that the URL says. */
  listener?: string;
}

export class Explain implements View {
  readonly element: HTMLElement;
  readonly title = "Explain";
  readonly #bridge: Bridge;
  readonly #method = h("select", { "aria-label": "Method" }, ...METHODS.map((method) => h("option", {}, method)));
  readonly #url = h("input", { required: true, "aria-label": "URL", placeholder: "https://shop.example/api/users", spellcheck: "false", autocomplete: "off" });
  readonly #from = h("input", { "aria-label": "Client's address", placeholder: "192.0.2.7", spellcheck: "false", autocomplete: "off" });
  readonly #headers = h("textarea", { rows: 2, "aria-label": "Header lines", placeholder: "Cookie: srv=a", spellcheck: "false" });
  readonly #asked: Asked;
  readonly #answer = h("div", { class: "view", "aria-live": "polite" });

  constructor(bridge: Bridge, asked: Asked) {
    this.#bridge = bridge;
    if (asked.method !== undefined) this.#method.value = asked.method;
    this.#url.value = asked.url ?? "";
    this.#asked = asked;
    const form = h("form", { class: "ask" },
      h("label", { class: "field" }, h("span", {}, "Method"), this.#method),
      h("label", { class: "field wide" }, h("span", {}, "URL"), this.#url),
      h("label", { class: "field" }, h("span", {}, "From"), this.#from),
      h("label", { class: "field wide" }, h("span", {}, "Headers, one a line"), this.#headers),
      h("button", { type: "submit", class: "confirm" }, "Explain"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#ask();
    });
    // It was asked for somewhere else: what is left to do is to answer.
    if (asked.url !== undefined) void this.#ask();
    this.element = h("div", { class: "view" },
      h("header", { class: "lead" }, h("h1", {}, "What would be done with a request"),
        h("p", { class: "node-facts" }, "The node is asked by the functions that serve the traffic. Nothing is sent, no turn is taken, no limit charged.")),
      h("section", { class: "block" }, form), this.#answer);
  }

  close(): void {}

  update(): void {
    const { status } = this.#bridge.store;
    if (status === undefined || this.#url.value !== "" || document.activeElement === this.#url) return;
    // Something that this node would take, to begin with.
    const listener = status.listeners.find((it) => it.protocol.startsWith("http"));
    const address = listener?.addresses[0] ?? "";
    if (listener === undefined && this.#answer.childElementCount === 0) {
      this.#answer.replaceChildren(h("p", { class: "none" }, "No listener of this node speaks HTTP: it passes connections on, and there is no request to explain."));
    }
    if (listener !== undefined) this.#url.value = `${listener.protocol}://${address.replace(/^(0\.0\.0\.0|\[::\])/, "localhost")}/`;
  }

  async #ask(): Promise<void> {
    const query = new URLSearchParams({ method: this.#method.value, url: this.#url.value.trim() });
    const { url, listener } = this.#asked;
    if (listener !== undefined && this.#url.value === url) query.set("listener", listener);
    if (this.#from.value.trim() !== "") query.set("from", this.#from.value.trim());
    for (const line of this.#headers.value.split("\n")) if (line.trim() !== "") query.append("header", line.trim());
    try {
      this.#answer.replaceChildren(...this.#tell(await get<Explanation>(`/api/v1/explain?${query}`)));
    } catch (error) {
      const text = isStatus(error, 404) && /see \//.test(inWords(error)) ? "this node cannot explain yet" : inWords(error);
      this.#answer.replaceChildren(h("p", { class: "trouble" }, `No answer: ${text}.`));
    }
  }

  #tell(it: Explanation): HTMLElement[] {
    const { outcome } = it;
    const rows: [string, Child][] = [
      ["from", it.from],
      ["listener", h("span", {}, link(it.listener, { view: "listener", listener: it.listener }), ` (${it.protocol})${it.on_port ? "" : ", the only one, though not on that port"}`)],
      ["certificate", it.certificate === undefined ? undefined : `${it.certificate.names.join(", ")} (${it.certificate.file})`],
      ["route", it.route ?? "none matches: the listener's default"],
      ...(it.passed_over ?? []).map((over): [string, Child] => [`not ${over.route}`, over.why]),
      ...(it.passes ?? []).map((gate): [string, Child] => ["has to pass", gate]),
    ];
    if (outcome.kind === "refused") rows.push(["outcome", toned("bad", `${outcome.status ?? "closed without an answer"}: ${outcome.why}`)]);
    if (outcome.kind === "answer") rows.push(["outcome", toned("good", `${outcome.status}, by this node: ${outcome.why}`)]);
    if (outcome.kind === "redirect") rows.push(["outcome", toned("good", `${outcome.status} to ${outcome.location}`)]);
    if (outcome.kind === "file") rows.push(["outcome", toned("good", `${outcome.status}: the file ${outcome.path} of ${outcome.folder}`)]);
    if (outcome.kind === "pool") rows.push(...poolRows(outcome));
    const way = h("section", { class: "block" }, h("h2", { class: "mono" }, `${it.method} ${it.url}`), facts(rows));
    return outcome.kind === "pool" ? [way, servers(outcome)] : [way];
  }
}

function poolRows(pool: ExplainedPool): [string, Child][] {
  const why = pool.keeps_home ? ", where its cookie keeps it" : pool.by_chance ? ", by chance: the next may go elsewhere" : "";
  return [
    ["path", pool.path === "" ? undefined : pool.path_before === undefined ? pool.path : `${pool.path}, was ${pool.path_before}`],
    ["pool", h("span", {}, link(pool.pool, { view: "pool", pool: pool.pool }), ` (${pool.balance})${pool.by_split ? ", by its share of the traffic" : ""}`)],
    ["hashed", pool.key],
    ["choice", pool.chosen === undefined ? toned("bad", "no server takes it") : toned("good", `${pool.chosen}${why}`)],
  ];
}

function servers(pool: ExplainedPool): HTMLElement {
  const titles = ["Server", "Weight", "In flight", "Score", "Try", "Verdict"];
  const { retry } = pool;
  const again = retry.attempts === 0
    ? "If that fails, nobody else is asked."
    : `If that fails, up to ${retry.attempts} more are asked, on ${retry.on.join(", ")}, while no more than ${retry.budget_percent} % of the pool's requests (or ${retry.budget_floor} a second) are tried again. ${retry.repeatable ? "" : "It is not repeated once a server may have begun it. "}`;
  const patience = `A connection is waited for ${latency(retry.connect_seconds)}, the begin of an answer ${latency(retry.first_byte_seconds)}.`;
  return h("section", { class: "block" }, h("h2", {}, "Servers"),
    h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, ...titles.map((title, place) => h("th", { scope: "col", class: place > 0 && place < 5 ? "figure" : undefined }, title)))),
      h("tbody", {}, ...pool.servers.map((it) => row(pool.pool, it)))),
    h("p", { class: "after" }, `${again} ${patience}`));
}

function row(pool: string, it: ExplainedServer): HTMLElement {
  const verdict = it.try_number === 1 ? toned("good", it.verdict) : it.verdict.startsWith("down") ? toned("bad", it.verdict) : it.verdict;
  return h("tr", {},
    h("th", { scope: "row", class: "mono" }, link(it.server, { view: "server", pool, server: it.server })),
    h("td", { class: "figure" }, amount(it.weight)), h("td", { class: "figure" }, String(it.in_flight)),
    h("td", { class: "figure" }, it.score === undefined ? "–" : amount(it.score)), h("td", { class: "figure" }, it.try_number === undefined ? "–" : String(it.try_number)),
    h("td", {}, verdict));
}
