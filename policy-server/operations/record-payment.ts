import { z } from 'zod';
import type { Rupiah } from '#domain/billing';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import type { Desk } from '#operations/desk';
import { filled, invoiceName, lockInvoiceOf, onceKey, optional, rupiahAmount } from '#operations/find-invoice';
import { missing, parseInput } from '#operations/input';
import { noSuchSubscriber } from '#operations/no-such-subscriber';
import { payFromCredit, receivePayment } from '#operations/receive-payment';
import { paymentFields } from '#operations/settle-purchase';
import { type ChangeTransaction, change } from '#storage/change';
import type { Invoice } from '#storage/invoices';
import { creditOf } from '#storage/ledger';
import { paymentOfKey, setOnceKey } from '#storage/refunds';
import { findSubscriber, findSubscriberAccount } from '#storage/subscribers';

export const recordPaymentSchema = z.object({
  /** What it is for; left out, it is credit of `username`. */
  invoice: optional(invoiceName),
  username: z.string().optional().describe(say`a user name, for example budi`),
  /** Left out, what the invoice asks. */
  amountRupiah: optional(rupiahAmount),
  ...paymentFields,
  key: optional(onceKey),
});

export type RecordedPayment = {
  readonly paymentId: number;
  readonly subscriberId: number;
  readonly amountRupiah: Rupiah;
  /** Whether the invoice, or an invoice that was owed, was settled by it. */
  readonly settled: boolean;
  readonly creditRupiah: Rupiah;
  /** It was told before with this key, and nothing was done now. */
  readonly before: boolean;
};

/**
 * Money that came in by hand, for an invoice or as credit. Less than an invoice asks stays as credit until the rest is
 * there; what is over stays as credit too, and settles what a postpaid line owes. Told twice with the same `key` it counts
 * once.
 *
 * @throws InvalidInput for wrong fields, an invoice that is settled, or when it is for nobody
 */
export async function recordPayment(desk: Desk, input: Readonly<Record<string, unknown>>): Promise<RecordedPayment> {
  const { key, ...given } = parseInput(recordPaymentSchema, filled(input));
  if (given.invoice === undefined && given.username === undefined)
    throw new InvalidInput([say`for whom is it? give an invoice or a user name`]);
  const detail: Record<string, unknown> = { ...given };
  const why = { actor: desk.actor, why: 'record payment', detail };
  return change(desk.db, why, async (tx) => {
    const { subscriberId, invoice } = await whose(tx, given);
    Object.assign(why, { subscriberId });
    const before = key === undefined ? null : await paymentOfKey(tx, key);
    const amountRupiah = given.amountRupiah ?? invoice?.owedRupiah ?? noAmount();
    const creditRupiah = await creditOf(tx, subscriberId);
    if (before !== null)
      return { paymentId: before, subscriberId, amountRupiah, settled: false, creditRupiah, before: true };
    refuseSettled(invoice);
    const { method, note } = given;
    const money = { subscriberId, invoice, amountRupiah, method, note, gateway: null, receivedAt: desk.clock() };
    const { paymentId, settled } = await receivePayment(tx, desk, money);
    if (key !== undefined) await setOnceKey(tx, paymentId!, key);
    const more = await payFromCredit(tx, desk, subscriberId);
    Object.assign(detail, { paymentId, invoice: invoice?.number, amountRupiah, settled });
    return {
      paymentId: paymentId!,
      subscriberId,
      amountRupiah,
      settled: settled || more > 0,
      creditRupiah: await creditOf(tx, subscriberId),
      before: false,
    };
  });
}

type Given = z.output<typeof recordPaymentSchema>;

async function whose(
  tx: ChangeTransaction,
  { invoice: name, username }: Pick<Given, 'invoice' | 'username'>,
): Promise<{ subscriberId: number; invoice: Invoice | null }> {
  if (name !== undefined) {
    const invoice = await lockInvoiceOf(tx, name);
    return { subscriberId: invoice.subscriberId, invoice };
  }
  const { id } = (await findSubscriber(tx, username!)) ?? noSuchSubscriber(username!);
  await findSubscriberAccount(tx, id, 'lock');
  return { subscriberId: id, invoice: null };
}

function refuseSettled(invoice: Invoice | null): void {
  if (invoice?.settledAt != null)
    throw new InvalidInput([say`invoice ${invoice.number} is paid already; further money is credit of the customer`]);
}

function noAmount(): never {
  throw new InvalidInput([missing('amountRupiah', say`whole rupiah above zero, for example 75000 or 75.000`)]);
}
