import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import type { Instant } from '#domain/time';
import { chargeAt, type Due, tellAt, whatIsDue } from '#operations/auto-pay-due';
import { actingSubscriber, type Desk } from '#operations/desk';
import { rowNumber } from '#operations/fields';
import { parseInput } from '#operations/input';
import { noSubscriberOfNumber } from '#operations/no-such-subscriber';
import { type AutoPay, autoPayOf, beginAutoPay, deleteAutoPay } from '#storage/auto-pay';
import { type ChangeTransaction, change } from '#storage/change';
import { lockInvoice } from '#storage/invoices';
import { planOffers } from '#storage/plans';
import { setCancelled } from '#storage/purchases';
import { methodsOf, removeMethod, type StoredMethod } from '#storage/saved-methods';
import { readSettings } from '#storage/settings';
import { findSubscriberAccount } from '#storage/subscribers';
import { setWalletUnlinking } from '#storage/wallet-links';

const chooseAutoPaySchema = z.object({
  subscriberId: rowNumber('a subscriber'),
  methodId: rowNumber('a saved method').nullable(),
  planId: rowNumber('a plan').nullable().default(null),
});

/**
 * Begins auto-pay, or changes it: from a saved method, or from the balance (`methodId` null); the package that runs out is
 * renewed, or the one of `planId`. A pause is over. Only for themselves when a subscriber acts in person.
 *
 * @throws InvalidInput when the method is not kept (any more) or the plan is not for sale
 */
export async function chooseAutoPay(desk: Desk, input: Readonly<Record<string, unknown>>): Promise<void> {
  const { subscriberId, methodId, planId } = parseInput(chooseAutoPaySchema, input);
  const detail: Record<string, unknown> = {};
  await change(desk.db, { actor: desk.actor, why: 'begin auto-pay', subscriberId, detail }, async (tx) => {
    await lockOwn(tx, desk, subscriberId);
    const method = methodId === null ? null : await methodOf(tx, subscriberId, methodId);
    const plan = planId === null ? null : (await planOffers(tx)).find((offered) => offered.planId === planId);
    if (plan === undefined || plan?.retired === true || (plan !== null && !plan.onPortal)) {
      throw new InvalidInput([say`this package is not sold any more; choose another`]);
    }
    Object.assign(detail, { method: method?.label ?? null, ...(plan === null ? {} : { plan: plan.name }) });
    await beginAutoPay(tx, { subscriberId, methodId, planId }, desk.clock(), desk.actor);
  });
}

/**
 * Stops auto-pay at once: nothing more is charged. An order that it placed and did not pay is cancelled; a charge whose
 * outcome is not known yet is brought to its end. Returns whether it was on.
 */
export async function stopAutoPay(desk: Desk, subscriberId: number): Promise<boolean> {
  if ((await autoPayOf(desk.db, subscriberId)) === null) return false;
  const why = { actor: desk.actor, why: 'stop auto-pay', subscriberId, detail: {} };
  return change(desk.db, why, async (tx) => {
    await lockOwn(tx, desk, subscriberId);
    return stop(tx, desk, subscriberId);
  });
}

async function stop(tx: ChangeTransaction, desk: Desk, subscriberId: number): Promise<boolean> {
  const state = await autoPayOf(tx, subscriberId, 'lock');
  const invoice = state?.invoiceId == null || state.orderId !== null ? null : await lockInvoice(tx, state.invoiceId);
  if (invoice?.purchaseId != null && invoice.settledAt === null && invoice.voidedAt === null) {
    await setCancelled(tx, invoice.purchaseId, desk.clock(), desk.actor);
  }
  return deleteAutoPay(tx, subscriberId);
}

/**
 * Removes a saved method with us: what it was charged by is gone, and auto-pay by it stops. A linked wallet is unlinked at the
 * gateway too, by `lookAtWallets`; what the gateway keeps of a card is between the customer and the gateway.
 *
 * @throws InvalidInput when it is not theirs, or removed already
 */
export async function removeSavedMethod(desk: Desk, subscriberId: number, methodId: number): Promise<void> {
  const detail: Record<string, unknown> = {};
  await change(desk.db, { actor: desk.actor, why: 'remove saved method', subscriberId, detail }, async (tx) => {
    await lockOwn(tx, desk, subscriberId);
    if ((await autoPayOf(tx, subscriberId))?.methodId === methodId) {
      await stop(tx, desk, subscriberId);
      detail.stoppedAutoPay = true;
    }
    const label = await removeMethod(tx, subscriberId, methodId, desk.clock());
    await setWalletUnlinking(tx, methodId, desk.clock());
    detail.method = label ?? noSuchMethod();
  });
}

async function lockOwn(tx: ChangeTransaction, desk: Desk, subscriberId: number): Promise<void> {
  const isTheirs = (actingSubscriber(desk) ?? subscriberId) === subscriberId;
  const found = isTheirs ? await findSubscriberAccount(tx, subscriberId, 'lock') : null;
  if (found === null) noSubscriberOfNumber(subscriberId);
}

async function methodOf(tx: ChangeTransaction, subscriberId: number, id: number): Promise<StoredMethod> {
  return (await methodsOf(tx, subscriberId)).find((method) => method.id === id) ?? noSuchMethod();
}

function noSuchMethod(): never {
  throw new InvalidInput([say`this card or e-wallet is not saved any more; choose another`]);
}

/** What comes next: told in advance, charged at `at` (in the next minutes when that is over). */
export type NextCharge = Pick<Due, 'what' | 'amountRupiah' | 'until'> & {
  readonly tellAt: Instant;
  readonly at: Instant;
};

/** How auto-pay stands, for a page. Without it, `next` is what would be charged if it were begun now. */
export async function autoPayNow(
  desk: Desk,
  subscriberId: number,
): Promise<{ readonly state: AutoPay | null; readonly next: NextCharge | null }> {
  const [state, { billing }] = await Promise.all([autoPayOf(desk.db, subscriberId), readSettings(desk.db)]);
  const now = desk.clock();
  const fresh = { subscriberId, planId: null, begunAt: now, workingOn: null, invoiceId: null };
  const due = await whatIsDue(desk.db, desk, billing, state ?? fresh);
  if (due === null) return { state, next: null };
  const { key, what, amountRupiah, until } = due;
  const isTold = state?.workingOn === key && state.toldAt !== null;
  const toldAt = isTold ? state.toldAt! : Math.max(now, tellAt(due));
  const tried = state !== null && state.workingOn === key && state.failures > 0;
  const at = tried ? state.nextTryAt : chargeAt(due, toldAt);
  return { state, next: { what, amountRupiah, until, tellAt: tellAt(due), at } };
}
