import { printNumber } from '#domain/billing';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import { localDate } from '#domain/time';
import type { Desk } from '#operations/desk';
import { change } from '#storage/change';
import { nextNumber } from '#storage/invoices';
import { lockReceiptNumber, receivedPayment, setReceiptNumber } from '#storage/receipts';

/** In small letters, as no prefix of invoices can be. */
const SERIES = 'receipt';
const PLACES = 6;

/**
 * The number of a payment's receipt, `KW-2026-000001`, given when it is first asked for and kept; without gaps in a year,
 * also when many ask at the same moment.
 *
 * @throws InvalidInput when there is no such payment
 */
export async function issueReceipt(desk: Desk, paymentId: number): Promise<string> {
  const payment = await receivedPayment(desk.db, paymentId, null);
  if (payment === null) throw new InvalidInput([say`there is no payment of number ${paymentId}`]);
  if (payment.receiptNumber !== null) return payment.receiptNumber;
  const detail: Record<string, unknown> = { paymentId };
  const why = { actor: desk.actor, why: 'issue receipt', subscriberId: payment.subscriberId, detail };
  return change(desk.db, why, async (tx) => {
    const before = await lockReceiptNumber(tx, paymentId);
    if (before != null) return before;
    const year = Number(localDate(desk.clock(), desk.zone).slice(0, 4));
    const number = printNumber('KW', year, await nextNumber(tx, SERIES, year), PLACES);
    await setReceiptNumber(tx, paymentId, number);
    Object.assign(detail, { number });
    return number;
  });
}
