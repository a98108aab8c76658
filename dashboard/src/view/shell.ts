// The frame around every view: where one is, where one can go, and whether what is shown is still true.

import { freshness } from "../model/freshness.ts";
import { hashOf, placeOf, type Place } from "../model/place.ts";
import { applyTheme, settings, type Theme } from "../settings.ts";
import type { Change } from "../store.ts";
import { Addresses } from "./addresses.ts";
import { Certificates } from "./certificates.ts";
import { Config } from "./config.ts";
import { button, h, mark, tell } from "./dom.ts";
import { Events } from "./events.ts";
import { Exchanges } from "./exchanges.ts";
import { Explain } from "./explain.ts";
import { openHelp } from "./help.ts";
import { markSign } from "./icon.ts";
import { ListenerView } from "./listener.ts";
import { Login } from "./login.ts";
import { Overview } from "./overview.ts";
import { PoolView } from "./pool.ts";
import { openSearch } from "./search.ts";
import { ServerView } from "./server.ts";
import { Servers } from "./servers.ts";
import type { Bridge, View } from "./view.ts";

type Top = "overview" | "servers" | "addresses" | "certificates" | "exchanges" | "events" | "explain" | "config";

const TOPS: readonly [Top, string][] = [
  ["overview", "Overview"],
  ["servers", "Servers"],
  ["addresses", "Addresses"],
  ["certificates", "Certificates"],
  ["exchanges", "Failed and slow"],
  ["events", "Events"],
  ["explain", "Explain"],
  ["config", "Configuration"],
];

const THEMES: readonly Theme[] = ["system", "light", "dark"];

export class Shell {
  readonly element: HTMLElement;
  readonly #bridge: Bridge;
  readonly #node = h("span", { class: "node-name" });
  readonly #brand = h("a", { class: "brand", href: hashOf({ view: "overview" }), "aria-label": "Overview" }, markSign(), this.#node);
  // Read out when it changes; its age, which changes each second, is not.
  readonly #word = h("span", { role: "status" });
  readonly #age = h("span", { class: "age" });
  readonly #fresh = h("span", { class: "fresh" }, this.#word, this.#age);
  readonly #theme: HTMLButtonElement;
  readonly #links = new Map<Top, HTMLAnchorElement>();
  readonly #nav = h("nav", { "aria-label": "Views" });
  readonly #main = h("main", { id: "main", tabindex: -1 });
  readonly #foot = h("footer", { class: "foot" });
  readonly #login: Login;
  readonly #frame: HTMLElement;
  #view: View;
  #version = "";

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
    this.#theme = button("", () => this.#nextTheme(), { class: "quiet theme" });
    this.#login = new Login(() => bridge.live.retry());
    const links = TOPS.map(([view, text]) => {
      const link = h("a", { href: hashOf({ view }) }, text);
      this.#links.set(view, link);
      return link;
    });
    this.#nav.append(...links);
    const search = button("Search", () => openSearch(bridge), { class: "quiet", "aria-keyshortcuts": "/" });
    search.append(" ", h("kbd", {}, "/"));
    const skip = button("to the content", () => this.#main.focus(), { class: "skip" });
    this.#frame = h("div", { class: "frame" }, skip,
      h("header", { class: "top" },
        this.#brand,
        this.#nav,
        h("div", { class: "top-end" }, this.#fresh, search, this.#theme)),
      this.#main, this.#foot);
    this.element = h("div", {}, this.#login.element, this.#frame);
    this.#view = this.#viewOf(placeOf(location.hash));
    this.#tellTheme();
    this.#enter();
    window.addEventListener("hashchange", () => this.#go());
    document.addEventListener("keydown", (event) => this.#onKey(event));
    bridge.store.subscribe((change) => this.#update(change));
    setInterval(() => this.#tellFresh(), 500);
  }

  #viewOf(place: Place): View {
    const bridge = this.#bridge;
    switch (place.view) {
      case "servers":
        return new Servers(bridge, { hasChoice: true, isWhole: true, ...(place.pool === undefined ? {} : { pool: place.pool }) });
      case "server":
        return new ServerView(bridge, place.pool, place.server);
      case "pool":
        return new PoolView(bridge, place.pool);
      case "listener":
        return new ListenerView(bridge, place.listener);
      case "addresses":
        return new Addresses(bridge);
      case "certificates":
        return new Certificates(bridge);
      case "events":
        return new Events(bridge);
      case "exchanges":
        return new Exchanges(bridge, place.filter ?? {});
      case "explain":
        return new Explain(bridge, place);
      case "config":
        return new Config(bridge, place.version, place.line);
      default:
        return new Overview(bridge);
    }
  }

  #go(): void {
    this.#view.close();
    this.#view = this.#viewOf(placeOf(location.hash));
    this.#enter();
    window.scrollTo(0, 0);
  }

  #enter(): void {
    const { view } = placeOf(location.hash);
    const top: Top = view === "server" || view === "pool" ? "servers" : view === "listener" ? "overview" : view;
    for (const [name, link] of this.#links) mark(link, "aria-current", name === top ? "page" : undefined);
    this.#showLink(this.#links.get(top));
    this.#main.replaceChildren(this.#view.element);
    this.#main.dataset["view"] = location.hash.replace(/^#\/?/, "");
    this.#tellTitle();
    for (const change of ["status", "tick", "events"] as const) this.#update(change);
  }

  /** Where there is no room for all, that of the view is among those that are seen. */
  #showLink(link: HTMLElement | undefined): void {
    if (link === undefined) return;
    const [inner, outer] = [link.getBoundingClientRect(), this.#nav.getBoundingClientRect()];
    this.#nav.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
  }

  #update(change: Change): void {
    const { store } = this.#bridge;
    if (change === "link") this.#tellLink();
    if (change === "tick" && store.tick === undefined) return;
    if (change === "status") this.#tellNode();
    this.#view.update(change);
  }

  #tellLink(): void {
    const isRefused = this.#bridge.store.link === "refused";
    if (isRefused) this.#login.refuse();
    this.#login.show(isRefused);
    this.#frame.hidden = isRefused;
    this.#tellFresh();
  }

  #tellNode(): void {
    const { status } = this.#bridge.store;
    if (status === undefined) return;
    tell(this.#node, status.node);
    mark(this.#brand, "aria-label", `${status.node}: overview`);
    if (this.#version !== status.version) {
      // A new program brings a new page.
      if (this.#version !== "" && document.querySelector("dialog[open]") === null) location.reload();
      this.#version = status.version;
      this.#tellTitle();
    }
    const links = this.#links.get("addresses");
    if (links !== undefined) links.hidden = status.vips.length === 0;
    const certificates = this.#links.get("certificates");
    if (certificates !== undefined) certificates.hidden = !status.listeners.some((it) => (it.certificates ?? []).length > 0);
    if (this.#foot.childElementCount === 0) {
      this.#foot.append(h("span", {}, `Evenkeel ${status.version}`),
        h("a", { href: "/api/v1/openapi.json" }, "API"), h("a", { href: "/metrics" }, "metrics"), button("keys", openHelp, { class: "quiet" }));
    }
  }

  #tellTitle(): void {
    const name = this.#bridge.store.status?.node;
    document.title = [this.#view.title, name, "Evenkeel"].filter((part) => part !== undefined && part !== "").join(" · ");
  }

  #tellFresh(): void {
    const { store } = this.#bridge;
    const { tone, word, detail, isStale } = freshness(store.link, store.lastAt, Date.now(), store.period);
    mark(this.#fresh, "data-tone", tone);
    tell(this.#word, word);
    tell(this.#age, detail);
    mark(document.body, "data-stale", isStale ? "" : undefined);
  }

  #nextTheme(): void {
    const next = THEMES[(THEMES.indexOf(settings.theme()) + 1) % THEMES.length] ?? "system";
    settings.setTheme(next);
    applyTheme(next);
    this.#tellTheme();
  }

  #tellTheme(): void {
    const [sign, word] = ({ system: ["◐", "auto"], light: ["○", "light"], dark: ["●", "dark"] } as const)[settings.theme()];
    this.#theme.replaceChildren(h("span", { "aria-hidden": "true" }, sign), ` ${word}`);
    mark(this.#theme, "aria-label", `Theme: ${sign} ${word}`);
  }

  #onKey(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (/^(input|select|textarea)$/i.test(target.tagName) || document.querySelector("dialog[open]") !== null) return;
    const place = Number(event.key);
    const shown = TOPS.filter(([view]) => this.#links.get(view)?.hidden !== true);
    const top = shown[place - 1];
    if (event.key === "/") openSearch(this.#bridge);
    else if (event.key === "?") openHelp();
    else if (event.key === "t") this.#nextTheme();
    else if (top !== undefined) this.#bridge.go({ view: top[0] });
    else return;
    event.preventDefault();
  }
}
