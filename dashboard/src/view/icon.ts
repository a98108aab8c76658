// Signs. Each state has a shape of its own, so that nobody needs to see its colour.

import type { ServerState, Tone } from "../model/state.ts";
import { s } from "./dom.ts";

const SHAPES: Record<ServerState, string> = {
  up: "M8 2.500a5.500 5.500 0 1 0 0 11a5.500 5.500 0 1 0 0-11z",
  checking: "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12zM8 3.700a4.300 4.300 0 0 1 0 8.600z",
  drain: "M2.500 3h11L8 13.800z",
  down: "M4.100 2L8 5.900L11.900 2L14 4.100L10.100 8L14 11.900L11.900 14L8 10.100L4.100 14L2 11.900L5.900 8L2 4.100z",
  maint: "M2.500 2.500h11v11h-11zM4.500 4.500v7h7v-7z",
};

const TONES: Record<Tone, string> = {
  good: SHAPES.up,
  wary: "M8 1.800L14.800 13.700H1.200zM7.200 6v4h1.600V6zM7.200 11v1.500h1.600V11z",
  bad: SHAPES.down,
  still: SHAPES.maint,
};

function sign(path: string, size: number): SVGSVGElement {
  return s("svg", { viewBox: "0 0 16 16", width: size, height: size, class: "sign", "aria-hidden": "true" },
    s("path", { d: path, "fill-rule": "evenodd" }));
}

export function stateSign(state: ServerState, size = 11): SVGSVGElement {
  return sign(SHAPES[state], size);
}

export function toneSign(tone: Tone, size = 12): SVGSVGElement {
  return sign(TONES[tone], size);
}

/** Gives a sign another shape. */
export function reshape(element: SVGSVGElement, state: ServerState): void {
  const path = element.firstElementChild;
  if (path !== null && path.getAttribute("d") !== SHAPES[state]) path.setAttribute("d", SHAPES[state]);
}

export function shapeOf(state: ServerState): string {
  return SHAPES[state];
}

export function markSign(): SVGSVGElement {
  return s("svg", { viewBox: "0 0 32 32", width: 26, height: 26, class: "mark", "aria-hidden": "true" },
    s("path", { class: "mark-hull", d: "M5 15h22c0 6-4.600 9-9.400 9v4h-3.200v-4C9.600 24 5 21 5 15z" }),
    s("path", { class: "mark-line", d: "M4 10h24" }));
}
