import type { Instant } from '#domain/time';
import { priceOf } from '#portal/customer/offer';
import type { Doors } from '#portal/shared/doors';
import { grantsOf, type ListedGrant } from '#storage/grants';
import { type PurchaseState, purchasesOf } from '#storage/purchases';

/** More than two years of monthly packages. */
const MOST = 30;

export function historyPage(doors: Doors): void {
  doors.customer('GET', '/prepaid/portal/history', async (context) => {
    const { db, subscriberId, now } = context;
    const [grants, purchases] = await Promise.all([
      grantsOf(db, subscriberId),
      purchasesOf(db, subscriberId, MOST, now),
    ]);
    const title = context.t('history.title');
    const model = {
      grants: grants.slice(0, MOST).map((grant) => ({ ...grant, ...GRANT_STATES[grantState(grant, now)] })),
      purchases: purchases.map((purchase) => ({
        number: purchase.number,
        plan: purchase.plan,
        orderedAt: purchase.orderedAt,
        price: priceOf(context, purchase.priceRupiah),
        ...PURCHASE_STATES[purchase.state],
      })),
    };
    return context.page('customer/history/history', model, { title });
  });
}

type Shown = { readonly state: string; readonly is: 'good' | 'warn' | 'bad' | '' };
type GrantState = 'running' | 'to-come' | 'over' | 'revoked';

const GRANT_STATES: Readonly<Record<GrantState, Shown>> = {
  running: { state: 'history.running', is: 'good' },
  'to-come': { state: 'history.to-come', is: '' },
  over: { state: 'history.over', is: '' },
  revoked: { state: 'history.revoked', is: 'warn' },
};

const PURCHASE_STATES: Readonly<Record<PurchaseState, Shown>> = {
  waiting: { state: 'history.waiting', is: 'warn' },
  expired: { state: 'history.expired', is: '' },
  cancelled: { state: 'history.cancelled', is: '' },
  done: { state: 'history.done', is: 'good' },
};

function grantState({ from, until, revokedAt }: ListedGrant, now: Instant): GrantState {
  if (revokedAt !== null && revokedAt <= now) return 'revoked';
  if (from > now) return 'to-come';
  return until > now ? 'running' : 'over';
}
