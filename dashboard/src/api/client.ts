// Speaks to the node this page comes from. The token goes in a header that no other page can send,
// never in a cookie or an address.

import type { Problem } from "./documents.ts";
import { Reader, type Message } from "../model/sse.ts";
import { settings } from "../settings.ts";

/** Beyond this an answer is not worth waiting for. */
const PATIENCE = 10_000;

/** The node has answered, but not as hoped. */
export class Refusal extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

async function refusal(answer: Response): Promise<Refusal> {
  try {
    const problem = (await answer.json()) as Problem;
    return new Refusal(answer.status, problem.detail ?? problem.title ?? answer.statusText);
  } catch {
    return new Refusal(answer.status, `the node answered ${answer.status}`);
  }
}

function headers(more: Record<string, string> = {}): Record<string, string> {
  const token = settings.token();
  return token === "" ? more : { authorization: `Bearer ${token}`, ...more };
}

async function ask(path: string, init: RequestInit): Promise<Response> {
  const answer = await fetch(path, { cache: "no-store", credentials: "omit", redirect: "error", ...init });
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

export async function get<T>(path: string): Promise<T> {
  const answer = await ask(path, { headers: headers(), signal: AbortSignal.timeout(PATIENCE) });
  return (await answer.json()) as T;
}

/** What is asked for, as text. */
export async function getText(path: string): Promise<string> {
  const answer = await ask(path, { headers: headers(), signal: AbortSignal.timeout(PATIENCE) });
  return answer.text();
}

export async function put<T>(path: string, body: unknown): Promise<T> {
  const answer = await ask(path, {
    method: "PUT",
    headers: headers({ "content-type": "application/json" }),
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE),
  });
  return (await answer.json()) as T;
}

/** Messages for as long as the node sends them and `signal` allows. */
export async function* stream(path: string, signal: AbortSignal): AsyncGenerator<Message> {
  const answer = await ask(path, { headers: headers({ accept: "text/event-stream" }), signal });
  if (answer.body === null) return;
  const pieces = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  const reader = new Reader();
  try {
    for (;;) {
      const { done, value } = await pieces.read();
      if (done) return;
      yield* reader.push(value);
    }
  } finally {
    // Whoever stopped reading does not want the rest, whether it can be had or not.
    pieces.cancel().catch(() => undefined);
  }
}

export function isStatus(error: unknown, status: number): boolean {
  return error instanceof Refusal && error.status === status;
}

export function inWords(error: unknown): string {
  if (error instanceof Refusal) return error.message;
  if (error instanceof DOMException && error.name === "TimeoutError") return "the node does not answer";
  return "the node cannot be reached";
}

/** One segment of a path. */
export const segment = encodeURIComponent;
