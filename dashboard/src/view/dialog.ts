// Asking before something is done to a server or an address: what will follow, who does it and why.

import { inWords } from "../api/client.ts";
import type { Consequence } from "../model/change.ts";
import { settings } from "../settings.ts";
import { button, h, mark, tell } from "./dom.ts";

export interface Answer {
  author: string;
  reason: string;
  expires: number | undefined;
  number: number | undefined;
}

export interface Question {
  title: string;
  confirm: string;
  /** A number to be asked for, with its bounds. */
  number?: { label: string; value: number; least: number; most: number };
  /** Whether it may hold for a time only. */
  canExpire: boolean;
  consequence(number: number | undefined): Consequence;
  /** Does it; what it throws is shown, and the dialog stays. */
  act(answer: Answer): Promise<void>;
}

const TERMS: readonly [string, number][] = [
  ["until somebody says otherwise", 0],
  ["for 30 minutes", 1800],
  ["for 2 hours", 7200],
  ["for 8 hours", 28_800],
  ["for 24 hours", 86_400],
];

export function ask(question: Question): void {
  const author = h("input", { name: "author", required: true, maxlength: 64, autocomplete: "username", value: settings.author() });
  const reason = h("input", { name: "reason", maxlength: 200, autocomplete: "off", placeholder: "for those who look next" });
  const number = question.number && h("input", {
    name: "number", type: "number", required: true, inputmode: "numeric", step: 1,
    min: question.number.least, max: question.number.most, value: question.number.value,
  });
  const term = h("select", { name: "term" }, ...TERMS.map(([text, seconds]) => h("option", { value: seconds }, text)));
  const consequence = h("p", { class: "consequence" });
  const trouble = h("p", { class: "trouble", role: "alert" });
  const confirm = h("button", { type: "submit", class: "confirm" }, question.confirm);
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "dialog-title" });
  const close = (): void => dialog.close();
  const form = h("form", {},
    h("h2", { id: "dialog-title" }, question.title),
    consequence,
    number && question.number && field(question.number.label, number),
    field("Author", author),
    field("Reason", reason),
    question.canExpire && field("Holds", term),
    trouble,
    h("div", { class: "buttons" }, button("Cancel", close), confirm));
  const value = (): number | undefined => (number === undefined ? undefined : Number(number.value));
  const foretell = (): void => {
    const { text, isGrave } = question.consequence(value());
    tell(consequence, text);
    mark(consequence, "data-tone", isGrave ? "bad" : undefined);
    mark(confirm, "data-tone", isGrave ? "bad" : undefined);
  };
  number?.addEventListener("input", foretell);
  foretell();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const expires = Number(term.value);
    settings.setAuthor(author.value.trim());
    confirm.disabled = true;
    const answer = { author: author.value.trim(), reason: reason.value.trim(), expires: expires === 0 ? undefined : expires, number: value() };
    question.act(answer).then(close, (error: unknown) => {
      confirm.disabled = false;
      tell(trouble, `Not done: ${inWords(error)}.`);
    });
  });
  dialog.addEventListener("close", () => dialog.remove());
  dialog.append(form);
  document.body.append(dialog);
  dialog.showModal();
  if (number !== undefined) number.select();
  else (author.value === "" ? author : reason).focus();
}

function field(label: string, input: HTMLElement): HTMLElement {
  return h("label", { class: "field" }, h("span", {}, label), input);
}
