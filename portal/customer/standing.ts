import { type Entitlement, entitlement, standingAt } from '#domain/entitlement';
import type { Grant } from '#domain/facts';
import { coverEnd, type Standing, standing } from '#domain/standing';
import type { Instant } from '#domain/time';
import type { Context } from '#portal/shared/context';
import { loadGrants } from '#storage/facts';
import { findSubscriberAccount, type SubscriberAccount } from '#storage/subscribers';

/** How a customer stands at this moment, from the same rules as enforcement. */
export type CustomerStanding = {
  readonly account: SubscriberAccount;
  readonly is: Standing;
  readonly entitlement: Entitlement;
  /** Until when there is a package without a gap, whichever; null = there is none. */
  readonly coveredUntil: Instant | null;
  readonly lastEnded: Grant | null;
  readonly nextToBegin: Grant | null;
};

/** Null when there is no subscriber of that number. */
export async function customerStanding(context: Context, subscriberId: number): Promise<CustomerStanding | null> {
  const [account, loaded] = await Promise.all([
    findSubscriberAccount(context.db, subscriberId),
    loadGrants(context.db, [subscriberId]),
  ]);
  if (account === null) return null;
  const grants = loaded.get(subscriberId) ?? [];
  const { lastEnded, nextToBegin } = standingAt(grants, context.now);
  return {
    account,
    is: standing({ grants, suspendedSince: account.suspendedAt }, context.now),
    entitlement: entitlement({ grants }, context.now),
    coveredUntil: coverEnd(grants, context.now),
    lastEnded,
    nextToBegin,
  };
}

/** Why the line is as it is, with the date that explains it. */
export function reasonOf(context: Context, of: CustomerStanding): string {
  const plan = of.entitlement.plan?.name ?? of.lastEnded?.plan.name ?? '';
  const at = (instant: Instant | null) => (instant === null ? '' : context.format.dateTime(instant));
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
