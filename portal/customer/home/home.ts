import { DAY, type Instant, instantOfLocal, localDate } from '#domain/time';
import { leftInWords } from '#portal/customer/offer';
import { type CustomerStanding, customerStanding, firstNameOf, reasonOf } from '#portal/customer/standing';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { type DayUsage, usageByDay } from '#storage/history';
import { type LineState, lineState } from '#storage/portal-lines';
import { openPurchases } from '#storage/purchases';

const USAGE_DAYS = 30;

export function homePage(doors: Doors): void {
  doors.customer('GET', '/prepaid/portal/home', async (context) => {
    const { db, subscriberId, now } = context;
    const days = lastDays(now, context.parts.zone);
    const [standing, line, waiting, usage] = await Promise.all([
      customerStanding(context, subscriberId),
      lineState(db, subscriberId, now),
      openPurchases(db, { limit: 1, subscriberId }, now),
      usageByDay(db, subscriberId, days[0]!, days.at(-1)!),
    ]);
    const title = context.t('home.title');
    const model = {
      firstName: standing === null ? null : firstNameOf(standing.account.name),
      cover: standing === null ? null : coverOf(context, standing),
      reason: standing === null ? null : reasonOf(context, standing),
      suspended: standing?.is === 'suspended',
      chip: line === null ? null : chipOf(line, standing),
      waiting: waiting[0] ?? null,
      usage: usageOf(context, days, usage),
    };
    return context.page('customer/home/home', model, { title });
  });
}

/** The package in force as ring and bar; null = none. */
function coverOf(context: Context, { entitlement, coveredUntil, is, nextToBegin }: CustomerStanding) {
  const { plan, leftBytes, allowanceBytes, inForce } = entitlement;
  const [first] = inForce;
  if (plan === null || coveredUntil === null || first === undefined) return null;
  const began = Math.min(...inForce.map((grant) => grant.from));
  const used = allowanceBytes === null ? null : allowanceBytes - (leftBytes ?? 0);
  return {
    plan: plan.name,
    rate: plan.rate.downloadBps,
    until: coveredUntil,
    soon: is === 'ends-soon',
    spent: is === 'depleted',
    share: (coveredUntil - context.now) / (coveredUntil - began),
    left: leftInWords(context, coveredUntil),
    limited: allowanceBytes !== null,
    leftBytes,
    allowanceBytes,
    // Whole percent, for a width.
    leftPercent: allowanceBytes === null ? 100 : Math.round(((leftBytes ?? 0) / allowanceBytes) * 100),
    nearlySpent: used !== null && allowanceBytes !== null && used >= 0.8 * allowanceBytes,
    next: nextToBegin === null ? null : { plan: nextToBegin.plan.name, from: nextToBegin.from },
  };
}

/** What is said of the line: a key, the instant it speaks of, and its colour. */
function chipOf(line: LineState, standing: CustomerStanding | null) {
  const served = standing !== null && ['active', 'ends-soon', 'depleted'].includes(standing.is);
  if (line.access === 'static')
    return served ? { key: 'home.static-on', at: null, is: 'good' } : { key: 'home.static-off', at: null, is: 'warn' };
  if (line.onlineSince !== null) return { key: 'home.online', at: line.onlineSince, is: 'good' };
  return line.offlineSince === null
    ? { key: 'home.never-online', at: null, is: 'warn' }
    : { key: 'home.offline', at: line.offlineSince, is: 'bad' };
}

/** The local dates of the last days, today included, the oldest first. */
function lastDays(now: Instant, zone: string): string[] {
  const today = Date.parse(localDate(now, zone));
  return Array.from({ length: USAGE_DAYS }, (_, index) =>
    new Date(today - (USAGE_DAYS - 1 - index) * DAY).toISOString().slice(0, 10),
  );
}

function usageOf(context: Context, days: readonly string[], usage: readonly DayUsage[]) {
  const of = new Map(usage.map(({ day, upBytes, downBytes }) => [day, upBytes + downBytes]));
  const total = [...of.values()].reduce((sum, bytes) => sum + bytes, 0);
  const dateOf = (day: string) => context.format.date(instantOfLocal(Date.parse(day), context.parts.zone));
  return {
    total,
    bars: days.map((day) => ({ value: of.get(day) ?? 0, title: '' })),
    first: dateOf(days[0]!),
    last: dateOf(days.at(-1)!),
    rows: days
      .filter((day) => of.has(day))
      .map((day) => ({ day: dateOf(day), used: of.get(day)! }))
      .reverse(),
  };
}
