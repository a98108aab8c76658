// Small parts that several views are made of.

import type { DrillRecord } from "../api/documents.ts";
import { recordInWords, toneOfRecord } from "../model/drill.ts";
import { clock, span } from "../model/format.ts";
import type { Happening } from "../model/events.ts";
import type { Tone } from "../model/state.ts";
import { hashOf, type Place } from "../model/place.ts";
import { h, type Child } from "./dom.ts";
import { toneSign } from "./icon.ts";
import type { Bridge } from "./view.ts";

/** A list of what is known of a thing. */
export function facts(rows: readonly (readonly [string, Child] | undefined)[]): HTMLElement {
  const shown = rows.filter((row) => row !== undefined && row[1] !== undefined && row[1] !== "");
  return h("dl", { class: "facts" }, ...shown.flatMap((row) => (row === undefined ? [] : [h("dt", {}, row[0]), h("dd", {}, row[1])])));
}

export function link(text: string, place: Place, kind?: string): HTMLAnchorElement {
  return h("a", { href: hashOf(place), class: kind }, text);
}

export function toned(tone: Tone, text: string): HTMLElement {
  return h("span", { class: "toned", "data-tone": tone }, toneSign(tone), text);
}

/** What came of the last drill of something, and when. */
export function drilled(record: DrillRecord | undefined, now: number): HTMLElement | undefined {
  if (record === undefined) return undefined;
  return toned(toneOfRecord(record), `${span(now - Date.parse(record.ended))} ago, ${recordInWords(record, now)}`);
}

/** Where the subject of an event is to be seen. */
export function subjectPlace(it: Happening, bridge: Bridge): Place | undefined {
  const { status } = bridge.store;
  if (status === undefined) return undefined;
  const slash = it.subject.indexOf("/");
  const pool = status.pools.find((pool) => pool.name === (slash < 0 ? it.subject : it.subject.slice(0, slash)));
  if (it.lane === "servers" && pool !== undefined && slash > 0) return { view: "server", pool: pool.name, server: it.subject.slice(slash + 1) };
  if (it.lane === "pools" && pool !== undefined) return { view: "pool", pool: pool.name };
  if (it.lane === "addresses") return { view: "addresses" };
  if (it.kind.startsWith("config-")) return { view: "config" };
  return it.kind.startsWith("certificate-") ? { view: "certificates" } : undefined;
}

/** Events, the newest first. */
export function eventList(happenings: readonly Happening[], bridge: Bridge): HTMLElement {
  const now = bridge.store.now();
  const rows = happenings.map((it) => {
    const place = subjectPlace(it, bridge);
    return h("li", { "data-tone": it.tone },
      toneSign(it.tone),
      h("time", { datetime: new Date(it.at).toISOString(), title: `${span(now - it.at)} ago` }, clock(it.at, now)),
      h("span", { class: "kind" }, it.kind),
      place === undefined ? h("span", { class: "subject" }, it.subject) : link(it.subject, place, "subject"),
      h("span", { class: "message" }, it.message));
  });
  if (rows.length === 0) return h("p", { class: "none" }, "Nothing has happened yet.");
  return h("ol", { class: "events" }, ...rows);
}
