// Figures as people read them. Times are milliseconds unless a name says otherwise.

/** What stands where a figure is not known. */
export const UNKNOWN = "–";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A span in its two largest units: `8 s`, `3 min 20 s`, `5 h`, `12 d`. */
export function span(milliseconds: number): string {
  const rest = Math.max(0, milliseconds);
  if (rest < MINUTE) return `${Math.floor(rest / SECOND)} s`;
  if (rest < 10 * MINUTE) return two(rest, MINUTE, "min", SECOND, "s");
  if (rest < HOUR) return `${Math.floor(rest / MINUTE)} min`;
  if (rest < 10 * HOUR) return two(rest, HOUR, "h", MINUTE, "min");
  if (rest < 2 * DAY) return `${Math.floor(rest / HOUR)} h`;
  return `${Math.floor(rest / DAY)} d`;
}

function two(rest: number, large: number, largeName: string, small: number, smallName: string): string {
  const whole = Math.floor(rest / large);
  const part = Math.floor((rest - whole * large) / small);
  return part === 0 ? `${whole} ${largeName}` : `${whole} ${largeName} ${part} ${smallName}`;
}

/** A text in which a number is not parted from its unit at the end of a line. */
export function unbroken(text: string): string {
  return text.replace(/(\d) (?=(?:s|min|h|d|ms|µs|%|B|[KMGT]iB)(?![\p{L}\d]))/gu, "$1\u00a0");
}

/** A figure per second or a count: `0`, `0.4`, `12`, `1.2k`, `34k`, `1.5M`. */
export function amount(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return UNKNOWN;
  if (value === 0) return "0";
  if (value < 0.05) return "<0.1";
  if (value < 9.95) return trimmed(value, 1);
  if (value < 999.5) return String(Math.round(value));
  if (value < 9_950) return `${trimmed(value / 1e3, 1)}k`;
  if (value < 999_500) return `${Math.round(value / 1e3)}k`;
  if (value < 9_950_000) return `${trimmed(value / 1e6, 1)}M`;
  return `${Math.round(value / 1e6)}M`;
}

/** A latency, given in seconds: `20 µs`, `0.4 ms`, `12 ms`, `1.2 s`. */
export function latency(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return UNKNOWN;
  const milliseconds = seconds * 1000;
  if (milliseconds > 0 && milliseconds < 0.095) return `${Math.max(1, Math.round(milliseconds * 1000))} µs`;
  if (milliseconds < 9.95) return `${trimmed(milliseconds, 1)} ms`;
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  return `${trimmed(seconds, 1)} s`;
}

/** A size in powers of 1024. */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return UNKNOWN;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size < 9.95 && unit > 0 ? trimmed(size, 1) : Math.round(size)} ${units[unit]}`;
}

/** A share of one: `0 %`, `0.4 %`, `37 %`. */
export function share(part: number): string {
  const percent = part * 100;
  if (percent === 0) return "0 %";
  if (percent < 0.1) return "<0.1 %";
  return percent < 9.95 ? `${trimmed(percent, 1)} %` : `${Math.round(percent)} %`;
}

function trimmed(value: number, digits: number): string {
  return value.toFixed(digits).replace(/\.0$/, "");
}

/** One or many: `1 server`, `3 servers`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** The time of day here, with the day when that is another one. */
export function clock(at: number, now: number): string {
  const then = new Date(at);
  const time = `${pad(then.getHours())}:${pad(then.getMinutes())}:${pad(then.getSeconds())}`;
  if (then.toDateString() === new Date(now).toDateString()) return time;
  return `${day(at)} ${time}`;
}

/** A calendar day here, as ISO 8601 writes it. */
export function day(at: number): string {
  const then = new Date(at);
  return `${then.getFullYear()}-${pad(then.getMonth() + 1)}-${pad(then.getDate())}`;
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}

/** Keeps begin and end of a name that does not fit. */
export function shortened(name: string, most: number): string {
  if (name.length <= most) return name;
  const tail = Math.floor((most - 1) / 2);
  return `${name.slice(0, most - 1 - tail)}…${name.slice(name.length - tail)}`;
}
