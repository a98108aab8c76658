// Asks for the node's token, once for as long as the tab is open.

import { settings } from "../settings.ts";
import { h, tell } from "./dom.ts";
import { markSign } from "./icon.ts";

export class Login {
  readonly element: HTMLElement;
  readonly #token = h("input", { type: "password", name: "token", required: true, autocomplete: "current-password", "aria-describedby": "login-note" });
  readonly #trouble = h("p", { class: "trouble", role: "alert" });

  constructor(retry: () => void) {
    const form = h("form", { class: "login" }, markSign(), h("h1", {}, "This node asks for its token"),
      h("label", { class: "field" }, h("span", {}, "Token"), this.#token), this.#trouble,
      h("button", { type: "submit", class: "confirm" }, "Open"),
      h("p", { id: "login-note", class: "notes" }, "It is in the file that the configuration names as token_file. This tab keeps it until it is closed."));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      settings.setToken(this.#token.value.trim());
      this.#token.value = "";
      retry();
    });
    this.element = h("main", { class: "login-page", hidden: true }, form);
  }

  show(isAsked: boolean): void {
    if (this.element.hidden !== isAsked) return;
    this.element.hidden = !isAsked;
    if (isAsked) this.#token.focus();
  }

  /** A token that was given is not the one. */
  refuse(): void {
    if (settings.token() === "") return;
    settings.setToken("");
    tell(this.#trouble, "That is not the token of this node.");
  }
}
