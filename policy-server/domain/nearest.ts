/** The word that somebody probably meant: it begins like it, or at most a third of its letters differ. Null where none is near. */
export function nearest(given: string, words: Iterable<string>): string | null {
  const written = given.slice(0, LONGEST).toLowerCase();
  let [best, least]: [string | null, number] = [null, Math.floor(written.length / 3) + 1];
  for (const word of words) {
    const other = word.slice(0, LONGEST).toLowerCase();
    const begins =
      Math.min(written.length, other.length) >= 3 && (written.startsWith(other) || other.startsWith(written));
    const distance = Math.min(editDistance(written, other), begins ? 1.5 : Number.POSITIVE_INFINITY);
    if (distance < least) [best, least] = [word, distance];
  }
  return best;
}

const LONGEST = 64;

/** Letters to add, to drop or to change, and neighbours to swap (the optimal string alignment distance). */
function editDistance(one: string, other: string): number {
  let before: number[] = [];
  let row = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1];
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      if (swapped) next[j] = Math.min(next[j]!, before[j - 2]! + 1);
    }
    [before, row] = [row, next];
  }
  return row[other.length]!;
}
