import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import type { Desk } from '#operations/desk';
import { invoiceName, lockInvoiceOf, moneyReason } from '#operations/find-invoice';
import { parseInput } from '#operations/input';
import { change } from '#storage/change';
import { setVoided } from '#storage/invoices';
import { lockPurchaseById, setCancelled } from '#storage/purchases';

export const voidInvoiceSchema = z.object({ invoice: invoiceName, reason: moneyReason });

/**
 * Takes back an invoice that nobody paid; the order it is for is cancelled with it. What was paid towards it stays the
 * customer's credit, and who pays it all the same gets what it was for. `changed` is false when it was void already.
 *
 * @throws InvalidInput for wrong fields, or when it is settled
 */
export async function voidInvoice(
  desk: Desk,
  input: Readonly<Record<string, unknown>>,
): Promise<{ readonly number: string; readonly changed: boolean }> {
  const { invoice: name, reason } = parseInput(voidInvoiceSchema, input);
  const detail: Record<string, unknown> = { reason };
  const why = { actor: desk.actor, why: 'void invoice', detail };
  return change(desk.db, why, async (tx) => {
    const { id, number, subscriberId, purchaseId, settledAt } = await lockInvoiceOf(tx, name);
    Object.assign(detail, { invoice: number });
    Object.assign(why, { subscriberId });
    if (settledAt !== null)
      throw new InvalidInput([say`invoice ${number} is paid; give a credit note, or refund its payment`]);
    const changed = await setVoided(tx, id, desk.clock(), desk.actor);
    const purchase = purchaseId === null ? null : await lockPurchaseById(tx, purchaseId);
    if (purchase !== null && purchase.cancelledAt === null && purchase.grantId === null)
      await setCancelled(tx, purchase.id, desk.clock(), desk.actor);
    await tx.mark([subscriberId]);
    return { number, changed };
  });
}
