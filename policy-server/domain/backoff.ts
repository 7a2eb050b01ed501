import { MINUTE, SECOND } from '#domain/time';

const SHORTEST_MS = 2 * SECOND;
const LONGEST_MS = 5 * MINUTE;

/**
 * How long to wait after the `attempts`-th failure in a row (1, 2, …): 2 s doubling to 5 min, of which a random half is
 * taken off at most, so that what failed together does not come back together. `random`: 0 ≤ x < 1.
 */
export function backoffMs(attempts: number, random: () => number, longestMs = LONGEST_MS): number {
  const full = Math.min(SHORTEST_MS * 2 ** Math.min(attempts - 1, 20), longestMs);
  return full * (1 - random() / 2);
}
