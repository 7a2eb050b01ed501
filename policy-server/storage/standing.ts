import type { Standing } from '#domain/standing';
import { SOON_MS } from '#domain/standing';
import { HOUR } from '#domain/time';

/**
 * `domain/standing.ts` in SQL, for statements over many subscribers (a test holds the two together). The fragments speak
 * of a row `s` of subscriber, and of the instant in a bound parameter, such as `$1`.
 */

/** When a grant `g` is over: a revoked one where it was revoked. An index knows this expression. */
export const GRANT_UNTIL = 'least(g.ends_at, g.revoked_at)';

/** Whether a grant `g` is in force. */
export const inForce = (now: string): string =>
  `(g.starts_at <= ${now}::timestamptz and ${GRANT_UNTIL} > ${now}::timestamptz)`;

/** Whether a grant `g` of the plan revision `r` has something left. */
export const HAS_LEFT = '(r.allowance_bytes is null or g.used_bytes < r.allowance_bytes)';

/** Until when the cover of a subscriber goes on without a gap; null = not covered. */
export const coverEnd = (now: string, subscriber = 's.id'): string =>
  `(select upper(cover) from unnest((select range_agg(tstzrange(c.starts_at, least(c.ends_at, c.revoked_at))) from grants c
     where c.subscriber_id = ${subscriber} and least(c.ends_at, c.revoked_at) > greatest(c.starts_at, ${now}::timestamptz))) cover
    where cover @> ${now}::timestamptz)`;

/** What the standing rests on, as SQL: asked of the grants of each `s`, or read off what was gathered of all of them. */
type Questions = {
  readonly covered: string;
  readonly everCovered: string;
  readonly served: string;
  readonly spent: string;
};

const asked = (now: string): Questions => ({
  covered: `exists (select from grants g where g.subscriber_id = s.id and ${inForce(now)})`,
  everCovered: `exists (select from grants g where g.subscriber_id = s.id and g.starts_at < ${GRANT_UNTIL} and g.starts_at <= ${now}::timestamptz)`,
  served: `exists (select from grants g join plan_revision r on r.id = g.plan_revision_id
    where g.subscriber_id = s.id and ${inForce(now)} and ${HAS_LEFT})`,
  spent: `s.id in (select g.subscriber_id from grants g join plan_revision r on r.id = g.plan_revision_id
    where ${inForce(now)} group by 1 having not bool_or${HAS_LEFT})`,
});

const GATHERED: Questions = {
  covered: 'coalesce(e.covered, false)',
  everCovered: 'coalesce(e.ever, false)',
  served: 'coalesce(e.served, false)',
  spent: 'coalesce(e.covered and not e.served, false)',
};

/**
 * Joins `e`, gathered from all grants in one pass: `e.ends`, the end of the one that ends last, and what the standing rests
 * on, for `standsSql(…, 'gathered')`. A grant revoked before it began never was in force.
 */
export const gathered = (now: string): string => `left join (
  select g.subscriber_id, max(${GRANT_UNTIL}) as ends, bool_or(${inForce(now)}) as covered,
         bool_or(g.starts_at <= ${now}::timestamptz) as ever, bool_or(${inForce(now)} and ${HAS_LEFT}) as served
    from grants g join plan_revision r on r.id = g.plan_revision_id where g.starts_at < ${GRANT_UNTIL} group by 1) e on e.subscriber_id = s.id`;

const soon = (now: string): string => `${now}::timestamptz + interval '${SOON_MS / HOUR} hours'`;

/** The few whose grants in force end soon, and of those who have no cover that follows. */
const endingSoon = (now: string): string =>
  `(select g.subscriber_id from grants g join plan_revision r on r.id = g.plan_revision_id
    where ${inForce(now)} and ${GRANT_UNTIL} <= ${soon(now)} and ${HAS_LEFT} and ${coverEnd(now, 'g.subscriber_id')} <= ${soon(now)})`;

const suspended = (now: string): string => `coalesce(s.suspended_at <= ${now}::timestamptz, false)`;

/** The condition that a subscriber stands in one of these ways, in forms that are joins and not a question for each row. */
export function standsSql(standings: readonly Standing[], now: string, how: 'asked' | 'gathered' = 'asked'): string {
  const wanted = new Set(standings);
  const free = freeSql(wanted, now, how === 'asked' ? asked(now) : GATHERED);
  const ways = free === null ? [] : [`not ${suspended(now)} and (${free})`];
  if (wanted.has('suspended')) ways.push(suspended(now));
  return ways.length === 0 ? 'false' : `(${ways.join(' or ')})`;
}

/** Of those that are not suspended. Whole groups ask one question; null = none of them is wanted. */
function freeSql(wanted: ReadonlySet<Standing>, now: string, is: Questions): string | null {
  const all = (...group: Standing[]) => group.every((one) => wanted.has(one));
  const ways: string[] = [];
  if (all('active', 'ends-soon')) ways.push(is.served);
  else if (wanted.has('active')) ways.push(`${is.served} and s.id not in ${endingSoon(now)}`);
  else if (wanted.has('ends-soon')) ways.push(`s.id in ${endingSoon(now)}`);
  if (all('depleted', 'expired', 'no-package')) return [...ways, `not ${is.served}`].join(' or ');
  if (wanted.has('depleted')) ways.push(is.spent);
  if (all('expired', 'no-package')) ways.push(`not ${is.covered}`);
  else if (wanted.has('expired')) ways.push(`${is.everCovered} and not ${is.covered}`);
  else if (wanted.has('no-package')) ways.push(`not ${is.everCovered}`);
  return ways.length === 0 ? null : ways.map((way) => `(${way})`).join(' or ');
}
