import type { Standing } from '#domain/standing';
import { SOON_MS } from '#domain/standing';
import { HOUR } from '#domain/time';

/**
 * `domain/standing.ts` in SQL, for statements over many subscribers (a test holds the two together). The fragments speak
 * of a row `s` of subscriber, and of the instant in a bound parameter, such as `$1`.
 *
 * They rest on `cover`, which holds for each subscriber the times without a gap that all grants amount to. Triggers keep it
 * with every change of a grant; what the passing of time does to it is asked here.
 */

/** When a grant `g` is over: a revoked one where it was revoked. An index knows this expression. */
export const GRANT_UNTIL = 'least(g.ends_at, g.revoked_at)';

/** Whether a grant `g` is in force. */
export const inForce = (now: string): string =>
  `(g.starts_at <= ${now}::timestamptz and ${GRANT_UNTIL} > ${now}::timestamptz)`;

/** Whether a grant `g` has something left. */
export const HAS_LEFT = 'not g.spent';

/** Whether a time of cover `c` goes on. Of one subscriber at most one does. */
export const goesOn = (now: string): string =>
  `(c.starts_at <= ${now}::timestamptz and c.ends_at > ${now}::timestamptz)`;

/** Until when the cover of a subscriber goes on without a gap; null = not covered. */
export const coverEnd = (now: string, subscriber = 's.id'): string =>
  `(select c.ends_at from cover c where c.subscriber_id = ${subscriber} and ${goesOn(now)})`;

/** Joins `e`, the cover of `s` that ends last: nearly always it is all there is to ask. */
export const LAST_COVER = 'left join cover e on e.subscriber_id = s.id and e.last';

/** The odd case: the last cover is still to come, so that what was before it has to be asked. */
const isToCome = (now: string): string => `coalesce(e.starts_at > ${now}::timestamptz, false)`;

/** Of `s` and `e`: whether there is cover; null where there never was any. */
export const isCovered = (now: string): string =>
  `(e.starts_at <= ${now}::timestamptz and e.ends_at > ${now}::timestamptz or ${isToCome(now)} and ${coverEnd(now)} is not null)`;

/** Of `s` and `e`: whether there is or was cover; null where there never was any. */
export const wasCovered = (now: string): string =>
  `(e.starts_at <= ${now}::timestamptz or ${isToCome(now)}
     and (select min(c.starts_at) from cover c where c.subscriber_id = s.id) <= ${now}::timestamptz)`;

/** `inForce` for the grants of one subscriber, whose index goes by `ends_at`. */
const inForceOf = (grant: string, now: string): string =>
  `${grant}.starts_at <= ${now}::timestamptz and ${grant}.ends_at > ${now}::timestamptz
     and (${grant}.revoked_at is null or ${grant}.revoked_at > ${now}::timestamptz)`;

/** The ids of those who are covered and have spent every allowance in force. */
export const depleted = (now: string): string =>
  `(select g.subscriber_id from grants g where g.spent and ${inForce(now)}
      and (select bool_and(l.spent) from grants l where l.subscriber_id = g.subscriber_id and ${inForceOf('l', now)}))`;

const served = (now: string): string =>
  `exists (select from grants g where g.subscriber_id = s.id and ${inForceOf('g', now)} and ${HAS_LEFT})`;

const coveredBeyond = (now: string, beyond: string): string =>
  `exists (select from cover c where c.subscriber_id = s.id and ${goesOn(now)} and c.ends_at > ${beyond})`;

const soon = (now: string): string => `${now}::timestamptz + interval '${SOON_MS / HOUR} hours'`;

/** The few whose cover ends soon. */
const endingSoon = (now: string): string =>
  `(select c.subscriber_id from cover c where ${goesOn(now)} and c.ends_at <= ${soon(now)})`;

/** Whether `s` is not suspended; said so that statistics know how many are not. */
export const isFree = (now: string): string => `(s.suspended_at is null or s.suspended_at > ${now}::timestamptz)`;

/** The condition that a subscriber `s`, with `e`, stands in one of these ways. */
export function standsSql(standings: readonly Standing[], now: string): string {
  const wanted = new Set(standings);
  const free = freeSql(wanted, now);
  const ways = free === null ? [] : [`${isFree(now)} and (${free})`];
  if (wanted.has('suspended')) ways.push(`s.suspended_at <= ${now}::timestamptz`);
  return ways.length === 0 ? 'false' : `(${ways.join(' or ')})`;
}

/** Of those that are not suspended. Whole groups ask one question; null = none of them is wanted. */
function freeSql(wanted: ReadonlySet<Standing>, now: string): string | null {
  const all = (...group: Standing[]) => group.every((one) => wanted.has(one));
  const ways: string[] = [];
  if (all('active', 'ends-soon')) ways.push(served(now));
  else if (wanted.has('active')) ways.push(`${served(now)} and ${coveredBeyond(now, soon(now))}`);
  else if (wanted.has('ends-soon')) ways.push(`s.id in ${endingSoon(now)} and ${served(now)}`);
  if (wanted.has('depleted')) ways.push(`s.id in ${depleted(now)}`);
  if (all('expired', 'no-package')) ways.push(`${isCovered(now)} is not true`);
  else if (wanted.has('expired')) ways.push(`${wasCovered(now)} and ${isCovered(now)} is not true`);
  else if (wanted.has('no-package')) ways.push(`${wasCovered(now)} is not true`);
  return ways.length === 0 ? null : ways.map((way) => `(${way})`).join(' or ');
}
