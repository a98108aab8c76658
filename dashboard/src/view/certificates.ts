// What the listeners show as proof of who they are, and until when.

import type { Certificate } from "../api/documents.ts";
import { day } from "../model/format.ts";
import { expiry } from "../model/expiry.ts";
import type { Change } from "../store.ts";
import { h } from "./dom.ts";
import { link, toned } from "./parts.ts";
import type { Bridge, View } from "./view.ts";

export class Certificates implements View {
  readonly element: HTMLElement;
  readonly title = "Certificates";
  readonly #bridge: Bridge;
  readonly #host = h("div");

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
    this.element = h("div", { class: "view" }, h("header", { class: "lead" }, h("h1", {}, "Certificates")), this.#host);
  }

  close(): void {}

  update(change: Change): void {
    const { store } = this.#bridge;
    if (store.status === undefined || change !== "status") return;
    const now = store.now();
    const all = store.status.listeners.flatMap((listener) => (listener.certificates ?? []).map((certificate) => ({ listener: listener.name, certificate })));
    all.sort((one, other) => Date.parse(one.certificate.not_after) - Date.parse(other.certificate.not_after));
    if (all.length === 0) {
      this.#host.replaceChildren(h("p", { class: "none" }, "TLS ends at no listener of this node: there is no certificate to look after."));
      return;
    }
    const titles = ["Ends", "Names", "Listener", "File", "Key"].map((title) => h("th", { scope: "col" }, title));
    this.#host.replaceChildren(h("section", { class: "block" }, h("table", { class: "plain certificates" }, h("thead", {}, h("tr", {}, ...titles)),
      h("tbody", {}, ...all.map(({ listener, certificate }) => row(listener, certificate, now))))));
  }
}

function row(listener: string, it: Certificate, now: number): HTMLElement {
  const { tone, text, spent } = expiry(Date.parse(it.not_before), Date.parse(it.not_after), now);
  const meter = h("progress", { max: 100, value: Math.round(spent * 100), "data-tone": tone, "aria-label": `${Math.round(spent * 100)} % of its time is over` });
  return h("tr", {},
    h("td", {}, toned(tone, text), h("span", { class: "notes" }, day(Date.parse(it.not_after))), meter),
    h("td", { class: "mono" }, it.names.join(", ")),
    h("td", {}, link(listener, { view: "listener", listener })),
    h("td", {}, h("span", { class: "mono" }, it.file), it.failure === undefined ? undefined : h("span", { class: "notes" }, toned("bad", `not in use as it is now: ${it.failure}`))),
    h("td", {}, it.key, h("span", { class: "notes mono", title: it.fingerprint }, it.fingerprint.slice(0, 16))));
}
