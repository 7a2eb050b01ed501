import { z } from 'zod';
import { printNumber, type Rupiah } from '#domain/billing';
import { InvalidInput } from '#domain/errors';
import { transfer } from '#domain/ledger';
import { printRupiah } from '#domain/print';
import { say } from '#domain/say';
import { localDate } from '#domain/time';
import type { Desk } from '#operations/desk';
import { invoiceName, lockInvoiceOf, moneyReason, rupiahAmount } from '#operations/find-invoice';
import { parseInput } from '#operations/input';
import { payFromCredit } from '#operations/receive-payment';
import { settleInvoice, taxOwed } from '#operations/settle-invoice';
import { type ChangeTransaction, change } from '#storage/change';
import { insertCreditNote } from '#storage/credit-notes';
import { type Invoice, lockInvoice, nextNumber, setRecognised } from '#storage/invoices';
import { creditOf, post } from '#storage/ledger';
import { expenseOf, paidOf } from '#storage/refunds';

const SERIES = 'CN';

export const creditNoteSchema = z.object({ invoice: invoiceName, amountRupiah: rupiahAmount, reason: moneyReason });

export type IssuedCreditNote = {
  /** `CN-2026-001`, without gaps. */
  readonly number: string;
  readonly invoiceNumber: string;
  readonly amountRupiah: Rupiah;
  /** Whether the invoice is settled now. */
  readonly settled: boolean;
  /** What the customer has as credit now. */
  readonly creditRupiah: Rupiah;
};

/**
 * Takes an amount off an invoice, with a number of its own. Of one that is owed less is owed then, and it is settled where
 * what was paid reaches that; of one that is settled the amount becomes the customer's credit, out of what was to be
 * earned, what was earned, and the tax, each in its share. Together never more than the invoice, less what of it was
 * refunded at our expense.
 *
 * @throws InvalidInput for wrong fields, a void invoice, or too much
 */
export async function issueCreditNote(desk: Desk, input: Readonly<Record<string, unknown>>): Promise<IssuedCreditNote> {
  const { invoice: name, amountRupiah, reason } = parseInput(creditNoteSchema, input);
  const detail: Record<string, unknown> = { amountRupiah, reason };
  const why = { actor: desk.actor, why: 'issue credit note', detail };
  return change(desk.db, why, async (tx) => {
    const invoice = await lockInvoiceOf(tx, name);
    Object.assign(why, { subscriberId: invoice.subscriberId });
    await refuseTooMuch(tx, invoice, amountRupiah);
    const issuedAt = desk.clock();
    const year = Number(localDate(issuedAt, desk.zone).slice(0, 4));
    const number = printNumber(SERIES, year, await nextNumber(tx, SERIES, year));
    Object.assign(detail, { number, invoice: invoice.number });
    const note = { number, invoiceId: invoice.id, amountRupiah, reason, issuedAt, issuedBy: desk.actor };
    await insertCreditNote(tx, note);
    const after = (await lockInvoice(tx, invoice.id))!;
    if (invoice.settledAt === null) await settleIfPaid(tx, desk, after);
    else await giveCredit(tx, desk, invoice, after, number);
    await payFromCredit(tx, desk, invoice.subscriberId);
    await tx.mark([invoice.subscriberId]);
    const { settledAt } = (await lockInvoice(tx, invoice.id))!;
    return {
      number,
      invoiceNumber: invoice.number,
      amountRupiah,
      settled: settledAt !== null,
      creditRupiah: await creditOf(tx, invoice.subscriberId),
    };
  });
}

async function refuseTooMuch(tx: ChangeTransaction, invoice: Invoice, amountRupiah: Rupiah): Promise<void> {
  const { number, settledAt, owedRupiah, kind } = invoice;
  if (invoice.voidedAt !== null) throw new InvalidInput([say`invoice ${number} is void: nothing is owed`]);
  const most = settledAt === null ? owedRupiah : owedRupiah - Math.max(0, await expenseOf(tx, invoice.id));
  if (amountRupiah > most) {
    throw new InvalidInput([say`of invoice ${number} at most ${printRupiah(Math.max(0, most))} can be credited`]);
  }
  if (settledAt === null && kind === 'package' && amountRupiah === owedRupiah) {
    throw new InvalidInput([
      say`that would give the package of invoice ${number} for nothing; to take the order back: invoice void ${number}`,
    ]);
  }
}

/** What is left is paid already, or nothing is left. */
async function settleIfPaid(tx: ChangeTransaction, desk: Desk, invoice: Invoice): Promise<void> {
  const { id, owedRupiah, subscriberId } = invoice;
  if (owedRupiah === 0) return settleInvoice(tx, desk, invoice);
  const paid = await paidOf(tx, id);
  if (paid >= owedRupiah && (await creditOf(tx, subscriberId)) >= owedRupiah) await settleInvoice(tx, desk, invoice);
}

/** The opposite of its settlement, in the part that is taken off; what was earned and what was not go down alike. */
async function giveCredit(
  tx: ChangeTransaction,
  desk: Desk,
  before: Invoice,
  after: Invoice,
  number: string,
): Promise<void> {
  const { id, subscriberId, recognisedRupiah } = before;
  const at = desk.clock();
  const tax = taxOwed(before) - taxOwed(after);
  const [netBefore, netAfter] = [before.owedRupiah - taxOwed(before), after.owedRupiah - taxOwed(after)];
  // Rupiah × rupiah pass 2^53.
  const recognised = netBefore === 0 ? 0 : Number((BigInt(recognisedRupiah) * BigInt(netAfter)) / BigInt(netBefore));
  const earned = recognisedRupiah - recognised;
  const credit = { account: 'customer-credit', subscriberId } as const;
  await post(tx, {
    kind: 'credit-note',
    reference: `credit-note:${number}`,
    subscriberId,
    at,
    day: localDate(at, desk.zone),
    entries: [
      ...transfer(credit, { account: 'deferred-revenue' }, netBefore - netAfter - earned),
      ...transfer(credit, { account: 'revenue' }, earned),
      ...transfer(credit, { account: 'tax-payable' }, tax),
    ],
    detail: { invoice: before.number },
  });
  await setRecognised(tx, id, recognised);
}
