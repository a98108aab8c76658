// What can be done to a server or an address from here.

import { put, segment } from "../api/client.ts";
import type { AdminState, Server, ServerChange, Vip } from "../api/documents.ts";
import { MOST_WEIGHT, ofState, ofWeight } from "../model/change.ts";
import type { Seen } from "../model/state.ts";
import { ask, type Answer } from "./dialog.ts";
import { button, h, mark } from "./dom.ts";
import type { Bridge } from "./view.ts";

const VERBS: Record<AdminState, string> = { ready: "Make ready", drain: "Drain", maint: "Maintain" };

async function change(bridge: Bridge, it: Seen, answer: Answer, what: Partial<ServerChange>): Promise<void> {
  const body: ServerChange = { ...what, author: answer.author, reason: answer.reason };
  if (answer.expires !== undefined) body.expires_in_seconds = answer.expires;
  await put<Server>(`/api/v1/pools/${segment(it.pool)}/servers/${segment(it.server.name)}`, body);
  bridge.live.refresh();
}

export function askForState(bridge: Bridge, it: Seen, state: AdminState): void {
  const pool = bridge.store.status?.pools.find((pool) => pool.name === it.pool);
  if (pool === undefined) return;
  ask({
    title: `${VERBS[state]} ${it.pool}/${it.server.name}`,
    confirm: VERBS[state],
    canExpire: state !== "ready",
    consequence: () => ofState(pool, it.server, state),
    act: (answer) => change(bridge, it, answer, { state }),
  });
}

export function askForWeight(bridge: Bridge, it: Seen): void {
  const pool = bridge.store.status?.pools.find((pool) => pool.name === it.pool);
  if (pool === undefined) return;
  ask({
    title: `Weight of ${it.pool}/${it.server.name}`,
    confirm: "Set weight",
    canExpire: true,
    number: { label: "Weight", value: it.server.weight, least: 0, most: MOST_WEIGHT },
    consequence: (weight) => ofWeight(pool, it.server, weight ?? 0),
    act: (answer) => change(bridge, it, answer, { weight: answer.number ?? it.server.weight }),
  });
}

export function askToMove(bridge: Bridge, vip: Vip): void {
  const moved = !vip.moved;
  ask({
    title: moved ? `Give address ${vip.name} to another node` : `Let this node own address ${vip.name} again`,
    confirm: moved ? "Give away" : "Take part again",
    canExpire: false,
    consequence: () => ({
      text: moved
        ? "This node stops claiming it as soon as another one has it; connections to it end."
        : "This node claims it again by its priority.",
      isGrave: false,
    }),
    act: async (answer) => {
      await put<Vip>(`/api/v1/vips/${segment(vip.name)}`, { moved, author: answer.author, reason: answer.reason });
      bridge.live.refresh();
    },
  });
}

/** The three admin states of a server as one switch. */
export class AdminSwitch {
  readonly element: HTMLElement;
  readonly #buttons: [AdminState, HTMLButtonElement][];

  constructor(bridge: Bridge, current: () => Seen) {
    const states: AdminState[] = ["ready", "drain", "maint"];
    this.#buttons = states.map((state) => [state, button(state, () => askForState(bridge, current(), state))]);
    this.element = h("span", { class: "switch", role: "group" }, ...this.#buttons.map(([, element]) => element));
  }

  update(it: Seen): void {
    mark(this.element, "aria-label", `Admin state of ${it.pool}/${it.server.name}`);
    for (const [state, element] of this.#buttons) mark(element, "aria-pressed", String(state === it.admin));
  }
}
