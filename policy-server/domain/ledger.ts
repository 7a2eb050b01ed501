import type { Rupiah } from '#domain/billing';
import type { GatewayName } from '#domain/gateway';

/** The accounts of the books. Of a customer's credit there is one for each subscriber. */
export type Account =
  | `clearing:${GatewayName}`
  | 'cash'
  | 'bank'
  | 'customer-credit'
  | 'deferred-revenue'
  | 'revenue'
  | 'tax-payable'
  | 'fee'
  | 'refund'
  | 'unmatched';

/** Debit above zero, credit below. */
export type Entry = {
  readonly account: Account;
  /** Of `customer-credit` alone, and there always. */
  readonly subscriberId?: number;
  readonly amountRupiah: Rupiah;
};

/** An amount from one account to another: credit `from`, debit `to`. Nothing where the amount is zero. */
export function transfer(from: Omit<Entry, 'amountRupiah'>, to: Omit<Entry, 'amountRupiah'>, rupiah: Rupiah): Entry[] {
  if (rupiah === 0) return [];
  return [
    { ...to, amountRupiah: rupiah },
    { ...from, amountRupiah: -rupiah },
  ];
}
