// The last values of one figure, a second apart.

export class Ring {
  readonly #values: Float64Array;
  #next = 0;
  #length = 0;

  constructor(capacity: number) {
    this.#values = new Float64Array(capacity).fill(Number.NaN);
  }

  /** What is not known leaves a gap. */
  push(value: number | null | undefined): void {
    this.#values[this.#next] = value ?? Number.NaN;
    this.#next = (this.#next + 1) % this.#values.length;
    this.#length = Math.min(this.#length + 1, this.#values.length);
  }

  clear(): void {
    this.#next = 0;
    this.#length = 0;
  }

  get length(): number {
    return this.#length;
  }

  /** The last `count` values, the oldest first; `NaN` where nothing is known. */
  last(count: number): number[] {
    const length = Math.min(count, this.#length);
    const found: number[] = new Array<number>(length);
    const size = this.#values.length;
    for (let place = 0; place < length; place += 1) {
      found[place] = this.#values[(this.#next - length + place + size) % size] ?? Number.NaN;
    }
    return found;
  }
}

/** A line through values in a box of this size, with gaps where nothing is known; it starts at zero. */
export function path(values: readonly number[], slots: number, width: number, height: number): string {
  let highest = 0;
  for (const value of values) if (value > highest) highest = value;
  const scale = highest > 0 ? (height - 2) / highest : 0;
  const step = slots > 1 ? width / (slots - 1) : 0;
  const offset = slots - values.length;
  let line = "";
  let isDrawing = false;
  values.forEach((value, place) => {
    if (Number.isNaN(value)) {
      isDrawing = false;
      return;
    }
    const x = ((offset + place) * step).toFixed(1);
    const y = (height - 1 - value * scale).toFixed(1);
    line += `${isDrawing ? "L" : "M"}${x} ${y}`;
    isDrawing = true;
  });
  return line;
}
