import { startOf } from '#domain/billing';
import { type Entitlement, entitlement, standingAt } from '#domain/entitlement';
import type { Grant } from '#domain/facts';
import { toldEnd } from '#domain/proration';
import { coverEnd, type Standing, standing } from '#domain/standing';
import type { Instant } from '#domain/time';
import type { Context } from '#portal/shared/context';
import { type MoneyReason, moneyReasonsOf } from '#portal/shared/money-reason';
import { loadFacts } from '#storage/facts';
import { findSubscriberAccount, type SubscriberAccount } from '#storage/subscribers';
import { subscriptionOf } from '#storage/subscriptions';

/** How a customer stands at this moment, from the same rules as enforcement. */
export type CustomerStanding = {
  readonly account: SubscriberAccount;
  readonly is: Standing;
  readonly entitlement: Entitlement;
  /** Until when there is a package without a gap, whichever; null = there is none. */
  readonly coveredUntil: Instant | null;
  readonly lastEnded: Grant | null;
  readonly nextToBegin: Grant | null;
  /** What closes the line, or opens it for a while, whatever its package says; null = nothing. */
  readonly money: MoneyReason | null;
};

/** Null when there is no subscriber of that number. */
export async function customerStanding(context: Context, subscriberId: number): Promise<CustomerStanding | null> {
  const [account, facts] = await Promise.all([
    findSubscriberAccount(context.db, subscriberId),
    loadFacts(context.db, [subscriberId]),
  ]);
  if (account === null) return null;
  const grants = facts.get(subscriberId)?.grants ?? [];
  const money = await moneyReasonsOf(context, [...facts.values()]);
  const { lastEnded, nextToBegin } = standingAt(grants, context.now);
  return {
    account,
    is: standing({ grants, suspendedSince: account.suspendedAt }, context.now),
    entitlement: entitlement({ grants }, context.now),
    coveredUntil: await toldCover(context, account, coverEnd(grants, context.now)),
    lastEnded,
    nextToBegin,
    money: money.get(subscriberId) ?? null,
  };
}

async function toldCover(context: Context, { id, billing }: SubscriberAccount, end: Instant | null) {
  const subscription = end === null || billing === 'prepaid' ? null : await subscriptionOf(context.db, id);
  if (end === null || subscription === null) return end;
  return toldEnd(end, startOf(subscription.nextOn, context.parts.zone), context.now);
}

/** Why the line is as it is, with the date that explains it. */
export function reasonOf(context: Context, of: CustomerStanding): string {
  const plan = of.entitlement.plan?.name ?? of.lastEnded?.plan.name ?? '';
  const at = (instant: Instant | null) => (instant === null ? '' : context.format.dateTime(instant));
  if (of.money?.is === 'overdue')
    return context.t('splash.because-overdue', { at: context.format.date(of.money.since) });
  if (of.money?.is === 'paying')
    return context.t('splash.because-paying', { at: context.format.moment(of.money.until) });
  switch (of.is) {
    case 'suspended':
      return context.t('splash.because-suspended', { at: at(of.account.suspendedAt) });
    case 'active':
    case 'ends-soon':
      return context.t('splash.because-active', { plan, at: at(of.coveredUntil) });
    case 'depleted':
      return context.t('splash.because-depleted', { plan });
    case 'expired':
      return context.t('splash.because-expired', { plan, at: at(of.lastEnded?.until ?? null) });
    case 'no-package':
      return context.t('splash.because-no-package');
  }
}

/** Titles that Indonesian names are written with: alone they address nobody. */
const TITLE =
  /^(bapak|bpk|pak|bp|ibu|bu|sdr|sdri|saudara|saudari|mas|mbak|kak|h|hj|haji|dr|drs|ir|ust|ustadz|mr|mrs|ms)\.?$/i;
const LONGEST_FIRST_NAME = 30;

/** `Budi` of `Budi Santoso`, `Ibu Sri` of `Ibu Sri Wahyuni`; null where there is no name. */
export function firstNameOf(name: string): string | null {
  const [first, second] = name.trim().split(/\s+/);
  if (first === undefined || first === '') return null;
  const called = TITLE.test(first) && second !== undefined ? `${first} ${second}` : first;
  return called.length > LONGEST_FIRST_NAME ? `${called.slice(0, LONGEST_FIRST_NAME)}…` : called;
}
