// What a change of a server will do, said before it is done.

import type { AdminState, Pool, Server } from "../api/documents.ts";
import { share } from "./format.ts";

export interface Consequence {
  text: string;
  /** It would leave the pool without a server. */
  isGrave: boolean;
}

export function ofState(pool: Pool, server: Server, state: AdminState): Consequence {
  if (state === "ready") {
    const health = server.verdict.health === "up" ? "It is up and takes requests at once." : "It takes requests as soon as its checks pass.";
    return { text: health, isGrave: false };
  }
  const what =
    state === "drain"
      ? "It takes no new requests; what runs is finished, checks go on."
      : "It takes nothing at all, and checks stop.";
  const others = pool.servers.filter((it) => it.in_use && it.name !== server.name).length;
  if (!server.in_use) return { text: what, isGrave: false };
  if (others === 0) {
    return { text: `${what} It is the only server of ${pool.name} in use: nothing is left to answer.`, isGrave: true };
  }
  const left = others === 1 ? "One other server carries" : `${others} other servers carry`;
  return { text: `${what} ${left} ${pool.name} meanwhile.`, isGrave: false };
}

/** The largest weight there is. */
export const MOST_WEIGHT = 256;

export function ofWeight(pool: Pool, server: Server, weight: number): Consequence {
  if (!Number.isInteger(weight) || weight < 0 || weight > MOST_WEIGHT) {
    return { text: `A weight is a whole number from 0 to ${MOST_WEIGHT}.`, isGrave: true };
  }
  const others = pool.servers
    .filter((it) => it.in_use && it.name !== server.name)
    .reduce((sum, it) => sum + it.weight, 0);
  if (weight === 0) {
    const isGrave = server.in_use && others === 0;
    return { text: isGrave ? `Nothing would be left to answer for ${pool.name}.` : "It takes no new requests.", isGrave };
  }
  return { text: `Its share of ${pool.name} is ${share(weight / (weight + others))}, by weight.`, isGrave: false };
}
