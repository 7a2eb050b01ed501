import { FARTHEST } from '#domain/time';
import { billsOf } from '#portal/customer/invoices/bills';
import { type OntModel, ontModel } from '#portal/customer/ont/ont';
import { paymentRows } from '#portal/customer/payments/payments';
import { type CustomerStanding, customerStanding, firstNameOf, reasonOf } from '#portal/customer/standing';
import { windowModel } from '#portal/customer/window/window';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { invoicesAtHand } from '#storage/invoices';
import { creditOf } from '#storage/ledger';
import { type LineState, lineState } from '#storage/portal-lines';
import { paymentsOf } from '#storage/receipts';

/** What is to be paid stands first among them; a line that owes more was closed long ago. */
const BILLS = 5;
const PAYMENTS = 3;

/** The dashboard of a customer, prepaid or postpaid: the account, the line, the bills and what was paid. */
export function accountPage(doors: Doors): void {
  doors.customer('GET', '/customer', async (context) => {
    const { db, subscriberId, now } = context;
    const lineRead = lineState(db, subscriberId, now);
    const [standing, line, invoices, payments, credit, window, ont] = await Promise.all([
      customerStanding(context, subscriberId),
      lineRead,
      invoicesAtHand(db, subscriberId, BILLS),
      paymentsOf(db, subscriberId, PAYMENTS),
      creditOf(db, subscriberId),
      windowModel(context),
      ontModel(context, () => lineRead),
    ]);
    const bills = await billsOf(context, invoices);
    const title = context.t('account-customer.title');
    const model = {
      firstName: standing === null ? null : firstNameOf(standing.account.name),
      account: standing === null ? null : accountOf(context, standing),
      line: line === null ? null : lineOf(line, standing, ont),
      // Of the line the page speaks once.
      ont: ont === null ? null : { ...ont, ppp: null },
      bills,
      payments: paymentRows(context, payments),
      credit: credit > 0 ? credit : null,
      window,
    };
    return context.page('customer/account/account', model, { title });
  });
}

const CHIPS = {
  active: { words: 'account-customer.active', is: 'good', icon: 'check' },
  'ends-soon': { words: 'account-customer.ends-soon', is: 'warn', icon: 'clock' },
  depleted: { words: 'account-customer.depleted', is: 'warn', icon: 'warning' },
  expired: { words: 'account-customer.expired', is: 'bad', icon: 'cross' },
  'no-package': { words: 'account-customer.no-package', is: 'warn', icon: 'box' },
  suspended: { words: 'account-customer.suspended', is: 'bad', icon: 'cross' },
  overdue: { words: 'account-customer.owes', is: 'bad', icon: 'warning' },
  paying: { words: 'account-customer.paying', is: 'warn', icon: 'clock' },
} as const;

function accountOf(context: Context, standing: CustomerStanding) {
  const { account, is, entitlement, coveredUntil, lastEnded, money } = standing;
  const plan = entitlement.plan ?? lastEnded?.plan ?? null;
  const ends = coveredUntil ?? lastEnded?.until ?? null;
  // A line that is closed has nothing left to count down.
  const goesOn = coveredUntil !== null && coveredUntil < FARTHEST && money?.is !== 'overdue';
  return {
    ...account,
    chip: CHIPS[is === 'suspended' ? is : (money?.is ?? is)],
    // What the word beside it and the dates below do not say.
    reason: is === 'suspended' || money !== null ? reasonOf(context, standing) : null,
    plan: plan?.name ?? null,
    bandwidth: plan === null ? null : bandwidthOf(context, plan.rate),
    ends: ends !== null && ends < FARTHEST ? ends : null,
    over: coveredUntil === null,
    left: goesOn
      ? { ms: coveredUntil - context.now, shown: context.format.duration(coveredUntil - context.now) }
      : null,
    mayChange: is !== 'suspended',
  };
}

const bandwidthOf = (
  { format }: Context,
  { downloadBps, uploadBps }: { readonly downloadBps: number; readonly uploadBps: number },
): string =>
  downloadBps === uploadBps ? format.rate(downloadBps) : `${format.rate(downloadBps)} / ${format.rate(uploadBps)}`;

/** The line as RADIUS knows it; where it never heard of it, the modem's own word stands in. */
function lineOf(line: LineState, standing: CustomerStanding | null, ont: OntModel | null) {
  if (line.access === 'static') {
    const served = standing !== null && ['active', 'ends-soon', 'depleted'].includes(standing.is);
    return { isStatic: true, connected: served, address: line.address, since: null };
  }
  const { onlineSince, offlineSince, address } = line;
  if (ont?.ppp?.by === 'modem')
    return { isStatic: false, connected: ont.ppp.connected, address: ont.ppp.ip, since: null };
  return { isStatic: false, connected: onlineSince !== null, address, since: onlineSince ?? offlineSince };
}
