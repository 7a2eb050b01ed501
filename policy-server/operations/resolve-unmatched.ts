import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import type { Gateways } from '#domain/gateway';
import { say } from '#domain/say';
import { MINUTE } from '#domain/time';
import type { Desk } from '#operations/desk';
import { filled, invoiceName, lockInvoiceOf, moneyReason, optional } from '#operations/find-invoice';
import { parseInput } from '#operations/input';
import { noSuchSubscriber } from '#operations/no-such-subscriber';
import { payFromCredit, receivePayment } from '#operations/receive-payment';
import { askForRefund, type Refunded } from '#operations/refund-payment';
import { type ChangeTransaction, change } from '#storage/change';
import type { Invoice } from '#storage/invoices';
import { insertRefundOrder } from '#storage/refunds';
import { findSubscriber } from '#storage/subscribers';
import { lockUnmatched, setResolved, type Unmatched } from '#storage/unmatched';

export const resolveSchema = z.object({
  id: z.coerce.number().int().positive().describe(say`the number of unmatched money`),
  how: z.enum(['credit', 'invoice', 'refund']).describe(say`credit, invoice or refund`),
  username: z.string().optional().describe(say`a user name, for example budi`),
  invoice: optional(invoiceName),
  reason: moneyReason,
});

export type Resolved = {
  /** Whose money it is now; null where it goes back. */
  readonly subscriberId: number | null;
  readonly settled: boolean;
  /** What came of asking the gateway for a refund. */
  readonly refund: Refunded | null;
};

/**
 * A person says whose money it is that fits nothing: credit of a subscriber, the money for an invoice, or it goes back at
 * its gateway. Out of the account of what is unmatched, once; as a payment of its subscriber from then on.
 *
 * @throws InvalidInput for wrong fields, or money that is resolved, or just being given back
 */
export async function resolveUnmatched(
  desk: Desk,
  gateways: Gateways,
  input: Readonly<Record<string, unknown>>,
): Promise<Resolved> {
  const given = parseInput(resolveSchema, filled(input));
  if (given.how === 'refund')
    return { subscriberId: null, settled: false, refund: await giveBack(desk, gateways, given) };
  const detail: Record<string, unknown> = { ...given };
  const why = { actor: desk.actor, why: 'resolve unmatched money', detail };
  return change(desk.db, why, async (tx) => {
    const { subscriberId, invoice } = await whose(tx, given);
    Object.assign(why, { subscriberId });
    const money = await open(tx, given.id);
    detail.amountRupiah = money.amountRupiah;
    const receivedAt = money.seenAt;
    const { settled } = await receivePayment(tx, desk, {
      subscriberId,
      invoice,
      amountRupiah: money.amountRupiah,
      method: money.gateway,
      gateway: {
        name: money.gateway,
        ref: money.gatewayRef,
        intentId: money.subscriberId === subscriberId ? money.intentId : null,
      },
      receivedAt,
      note: given.reason,
      from: 'unmatched',
    });
    const more = await payFromCredit(tx, desk, subscriberId);
    await setResolved(tx, money.id, desk.clock(), desk.actor, invoice?.number ?? given.username!);
    return { subscriberId, settled: settled || more > 0, refund: null };
  });
}

type Given = z.output<typeof resolveSchema>;

/** The subscriber locked, and the invoice where it is for one. */
async function whose(
  tx: ChangeTransaction,
  { how, username, invoice: name }: Given,
): Promise<{ subscriberId: number; invoice: Invoice | null }> {
  if (how === 'invoice') {
    if (name === undefined) throw new InvalidInput([say`which invoice is it for? give its number`]);
    const invoice = await lockInvoiceOf(tx, name);
    return { subscriberId: invoice.subscriberId, invoice };
  }
  if (username === undefined) throw new InvalidInput([say`whose credit is it? give a user name`]);
  const { id } = (await findSubscriber(tx, username, 'lock')) ?? noSuchSubscriber(username);
  return { subscriberId: id, invoice: null };
}

async function open(tx: ChangeTransaction, id: number): Promise<Unmatched> {
  const money = await lockUnmatched(tx, id);
  if (money === null) throw new InvalidInput([say`there is no unmatched money of number ${id}`]);
  if (money.resolvedAt !== null) throw new InvalidInput([say`somebody has resolved this already`]);
  if (money.refunding) throw new InvalidInput([say`its gateway is just asked to give it back`]);
  return money;
}

/** Stored before the gateway is asked, so that it is asked with the same key after whatever happens. */
async function giveBack(desk: Desk, gateways: Gateways, { id, reason }: Given): Promise<Refunded> {
  const why = { actor: desk.actor, why: 'resolve unmatched money', detail: { id, how: 'refund', reason } };
  const order = await change(desk.db, why, async (tx) => {
    const { amountRupiah, refundOrders } = await open(tx, id);
    const askedAt = desk.clock();
    return insertRefundOrder(tx, {
      paymentId: null,
      unmatchedId: id,
      // A second one after the gateway refused the first is another one to it.
      key: `unmatched-${id}-${refundOrders + 1}`,
      amountRupiah,
      backRupiah: amountRupiah,
      reason,
      askedAt,
      askedBy: desk.actor,
      dueAt: askedAt + 2 * MINUTE,
    });
  });
  return askForRefund(desk, gateways, order);
}
