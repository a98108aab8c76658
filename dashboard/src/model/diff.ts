// What differs between two texts, line by line.

export interface Line {
  sign: " " | "+" | "-";
  text: string;
}

/** Beyond so many pairs of lines the whole middle counts as changed: the table would be large. */
const MOST_PAIRS = 4_000_000;

/** From the longest common subsequence of what lies between the common begin and end. */
export function diff(before: string, after: string): Line[] {
  const old = before.split("\n");
  const young = after.split("\n");
  let begin = 0;
  while (begin < old.length && begin < young.length && old[begin] === young[begin]) begin += 1;
  let end = 0;
  while (
    end < old.length - begin &&
    end < young.length - begin &&
    old[old.length - 1 - end] === young[young.length - 1 - end]
  ) {
    end += 1;
  }
  const same = (text: string): Line => ({ sign: " ", text });
  return [
    ...old.slice(0, begin).map(same),
    ...middle(old.slice(begin, old.length - end), young.slice(begin, young.length - end)),
    ...old.slice(old.length - end).map(same),
  ];
}

function middle(old: readonly string[], young: readonly string[]): Line[] {
  const gone = (text: string): Line => ({ sign: "-", text });
  const come = (text: string): Line => ({ sign: "+", text });
  if (old.length * young.length > MOST_PAIRS) return [...old.map(gone), ...young.map(come)];
  const width = young.length + 1;
  const common = new Uint32Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = young.length - 1; j >= 0; j -= 1) {
      common[i * width + j] =
        old[i] === young[j]
          ? (common[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(common[(i + 1) * width + j] ?? 0, common[i * width + j + 1] ?? 0);
    }
  }
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < young.length) {
    const [one, other] = [old[i], young[j]];
    if (one !== undefined && one === other) {
      lines.push({ sign: " ", text: one });
      i += 1;
      j += 1;
    } else if (one !== undefined && (other === undefined || (common[(i + 1) * width + j] ?? 0) >= (common[i * width + j + 1] ?? 0))) {
      lines.push(gone(one));
      i += 1;
    } else if (other !== undefined) {
      lines.push(come(other));
      j += 1;
    }
  }
  return lines;
}
