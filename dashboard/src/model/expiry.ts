// How long a certificate still holds.

import { span } from "./format.ts";
import type { Tone } from "./state.ts";

const DAY = 86_400_000;
const YEAR = 365.25 * DAY;

/** The node warns of a certificate from so many days before its end on. */
const WARN_DAYS = 21;

export interface Expiry {
  tone: Tone;
  text: string;
  /** Part of its time that is over, from 0 to 1. */
  spent: number;
}

export function expiry(notBefore: number, notAfter: number, now: number): Expiry {
  const left = notAfter - now;
  const spent = Math.min(1, Math.max(0, (now - notBefore) / Math.max(1, notAfter - notBefore)));
  if (now < notBefore) return { tone: "bad", text: `holds only in ${span(notBefore - now)}`, spent: 0 };
  if (left <= 0) return { tone: "bad", text: `ended ${span(-left)} ago`, spent: 1 };
  // Certificates that live a few days only are renewed late in them.
  const warnFrom = Math.min(WARN_DAYS * DAY, (notAfter - notBefore) / 3);
  return { tone: left < warnFrom ? "wary" : "good", text: `${left < 2 * YEAR ? span(left) : `${Math.floor(left / YEAR)} years`} left`, spent };
}
