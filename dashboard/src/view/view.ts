// What a view is.

import type { Live } from "../live.ts";
import type { Place } from "../model/place.ts";
import type { Change, Store } from "../store.ts";

export interface View {
  readonly element: HTMLElement;
  readonly title: string;
  update(change: Change): void;
  close(): void;
}

/** What views share. */
export interface Bridge {
  store: Store;
  live: Live;
  go(place: Place): void;
}
