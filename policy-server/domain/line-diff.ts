/** One line of two texts that are compared. Numbers are 1-based; null where the text has no such line. */
export type DiffLine = {
  readonly is: 'same' | 'removed' | 'added';
  readonly before: number | null;
  readonly after: number | null;
  readonly text: string;
};

/** A stretch of a comparison: lines that changed with some around them, or how many were left out as equal. */
export type DiffHunk = { readonly lines: readonly DiffLine[] } | { readonly skipped: number };

/** Two bytes each: beyond it, what lies between equal beginnings and ends counts as replaced. */
const MOST_CELLS = 16_000_000;

/** How one text becomes another, line by line, with the fewest lines changed; what is removed stands before what is added. */
export function lineDiff(before: string, after: string): DiffLine[] {
  const [old, now] = [linesOf(before), linesOf(after)];
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head += 1;
  let tail = 0;
  while (tail < Math.min(old.length, now.length) - head && old.at(-1 - tail) === now.at(-1 - tail)) tail += 1;
  const same = (at: number, shift: number): DiffLine => ({
    is: 'same',
    before: at + 1,
    after: at + shift + 1,
    text: old[at]!,
  });
  const middle = between(old.slice(head, old.length - tail), now.slice(head, now.length - tail), head);
  return [
    ...old.slice(0, head).map((_, at) => same(at, 0)),
    ...middle,
    ...old.slice(old.length - tail).map((_, at) => same(old.length - tail + at, now.length - old.length)),
  ];
}

/** Only what changed, with `around` lines before and after; equal stretches as their number of lines. */
export function diffHunks(lines: readonly DiffLine[], around = 3): DiffHunk[] {
  const near = new Array<boolean>(lines.length).fill(false);
  for (const [at, line] of lines.entries())
    if (line.is !== 'same') near.fill(true, Math.max(0, at - around), Math.min(lines.length, at + around + 1));
  const hunks: DiffHunk[] = [];
  for (let at = 0; at < lines.length; ) {
    const from = at;
    while (at < lines.length && near[at] === near[from]) at += 1;
    hunks.push(near[from] ? { lines: lines.slice(from, at) } : { skipped: at - from });
  }
  return hunks;
}

/** A line break at the end begins no line. */
const linesOf = (text: string): string[] => (text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/));

/** By the longest common subsequence of the lines. */
function between(old: readonly string[], now: readonly string[], shift: number): DiffLine[] {
  const removed = (at: number): DiffLine => ({ is: 'removed', before: shift + at + 1, after: null, text: old[at]! });
  const added = (at: number): DiffLine => ({ is: 'added', before: null, after: shift + at + 1, text: now[at]! });
  const width = now.length + 1;
  if ((old.length + 1) * width > MOST_CELLS || Math.min(old.length, now.length) > 0xffff)
    return [...old.map((_, at) => removed(at)), ...now.map((_, at) => added(at))];
  const lengths = new Uint16Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i -= 1)
    for (let j = now.length - 1; j >= 0; j -= 1)
      lengths[i * width + j] =
        old[i] === now[j]
          ? lengths[(i + 1) * width + j + 1]! + 1
          : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!);
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      lines.push({ is: 'same', before: shift + i + 1, after: shift + j + 1, text: old[i]! });
      i += 1;
      j += 1;
    } else if (i < old.length && (j === now.length || lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!)) {
      lines.push(removed(i));
      i += 1;
    } else {
      lines.push(added(j));
      j += 1;
    }
  }
  return lines;
}
