import { type InvoiceLine, type Rupiah, startOf, totalOf } from '#domain/billing';
import { transfer } from '#domain/ledger';
import { billingPeriod, type Held, minuteOf, restOfHeld, usedUntil } from '#domain/proration';
import { type Instant, localDate } from '#domain/time';
import type { Desk } from '#operations/desk';
import { taxOf } from '#operations/issue-invoice';
import type { Queryable } from '#storage/database';
import type { HeldGrant } from '#storage/held-grants';
import { post } from '#storage/ledger';
import { readSettings } from '#storage/settings';
import type { Subscription } from '#storage/subscriptions';

/** When a rest is priced: now, or as long before as a price that was shown is kept. */
export type Moment = { readonly pricedAt: Instant; readonly now: Instant };

/**
 * What the rest of a grant is worth, without a tax that is added: by what was asked for it. What staff gave without a
 * purchase cost nothing and is worth nothing. Of a subscription the plan's price for the whole period counts, so that a
 * change and its way back cost the same; of a package begun hours count as used.
 */
export function worthOf(
  grant: HeldGrant,
  subscription: Subscription | null,
  { pricedAt, now }: Moment,
  zone: string,
): Rupiah {
  if (!grant.billed) return 0;
  if (subscription?.grantId === grant.id) return restOfHeld(inPeriod(grant, subscription, zone), pricedAt);
  return restOfHeld(bought(grant), usedUntil(grant.from, pricedAt, now));
}

const bought = (grant: HeldGrant): Held => ({ ...grant, priceRupiah: grant.boughtRupiah ?? 0, begins: grant.from });

function inPeriod(grant: HeldGrant, { billingDay }: Subscription, zone: string): Held {
  const { from, until } = billingPeriod(localDate(grant.from, zone), billingDay);
  const priceRupiah = grant.listRupiah;
  // A change within the period was asked for from the begin of its minute.
  return {
    ...grant,
    priceRupiah,
    from: startOf(from, zone),
    until: startOf(until, zone),
    begins: minuteOf(grant.from),
  };
}

/** An amount that is given back to a customer for what they had: with its tax it is their credit. */
export type GivenBack = {
  readonly subscriberId: number;
  /** Without a tax that is added. */
  readonly amountRupiah: Rupiah;
  /** Names what is given back, so that it is given once. */
  readonly reference: string;
};

/**
 * Gives money back as credit, in the caller's transaction, the subscriber locked. It is taken from the revenue: what was
 * to be earned goes on being earned to the end of its time, as if nothing had happened.
 */
export async function giveCredit(tx: Queryable, desk: Desk, back: GivenBack): Promise<Rupiah> {
  const { subscriberId, amountRupiah, reference } = back;
  const { taxRupiah, totalRupiah } = await withTax(tx, [{ amountRupiah }]);
  const at = desk.clock();
  const credit = { account: 'customer-credit', subscriberId } as const;
  await post(tx, {
    kind: 'given-back',
    reference,
    subscriberId,
    at,
    day: localDate(at, desk.zone),
    entries: [
      ...transfer(credit, { account: 'revenue' }, totalRupiah - taxRupiah),
      ...transfer(credit, { account: 'tax-payable' }, taxRupiah),
    ],
  });
  return totalRupiah;
}

/** What lines come to with the tax as it is set. */
export async function withTax(q: Queryable, lines: readonly Pick<InvoiceLine, 'amountRupiah'>[]) {
  return totalOf(lines, taxOf((await readSettings(q)).billing));
}
