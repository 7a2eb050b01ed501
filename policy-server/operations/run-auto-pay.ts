import { Unavailable } from '#domain/errors';
import type { Gateways } from '#domain/gateway';
import { HOUR, type Instant } from '#domain/time';
import { type Came, CLAIM_MS, pay, type Run, resume } from '#operations/auto-pay-charge';
import { chargeAt, type Due, tellAt, whatIsDue } from '#operations/auto-pay-due';
import { tellSoon } from '#operations/auto-pay-notices';
import type { Desk } from '#operations/desk';
import { type AutoPay, autoPayOf, dueAutoPays, waitingOrderUntil, writeAutoPay } from '#storage/auto-pay';
import { change } from '#storage/change';
import type { Queryable } from '#storage/database';
import { lockInvoice } from '#storage/invoices';
import { setCancelled } from '#storage/purchases';
import { readSettings } from '#storage/settings';
import { findSubscriberAccount } from '#storage/subscribers';

/** How many were told of a charge, were paid, failed, and are not known yet. */
export type AutoPayRun = {
  readonly told: number;
  readonly paid: number;
  readonly failed: number;
  readonly inDoubt: number;
};

const AT_ONCE = 100;
/** Gateways take a second or two for a charge. */
const LANES = 4;
/** Packages are bought and ended by others too. */
const LOOK_AGAIN_MS = 6 * HOUR;
/** An order of the customer's own is given way to, but not to the last. */
const GIVE_WAY_UNTIL_MS = 2 * HOUR;

/**
 * Charges whom it is time for (`billing.autoPayDays` before the cover ends or the invoice is overdue, at most
 * `billing.autoPayTries` times with growing distance), and tells them before and after. Each period is charged once: a
 * charge has an order id of ours that is committed before the gateway hears of it, and as long as its outcome is not known
 * it is asked about, and told again only under the same id. Killed at any point, the next run goes on.
 */
export async function runAutoPay(desk: Desk, gateways: Gateways, signal?: AbortSignal): Promise<AutoPayRun> {
  const run: Run = { desk, gateways, settings: await readSettings(desk.db) };
  const came: Record<Came, number> = { nothing: 0, told: 0, paid: 0, failed: 0, 'in-doubt': 0 };
  const mistakes: unknown[] = [];
  const seen = new Set<number>();
  for (;;) {
    const due = (await dueAutoPays(desk.db, desk.clock(), AT_ONCE)).filter((id) => !seen.has(id));
    if (due.length === 0) break;
    const lane = async (): Promise<void> => {
      for (let id = due.shift(); id !== undefined && signal?.aborted !== true; id = due.shift()) {
        seen.add(id);
        try {
          came[await visit(run, id)] += 1;
        } catch (error) {
          if (error instanceof Unavailable) throw error;
          // One whose books a person has to look at must not keep the others from being charged.
          mistakes.push(error);
          await postpone(run, id);
        }
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    if (signal?.aborted === true) break;
  }
  if (mistakes.length > 0) throw mistakes[0];
  return { told: came.told, paid: came.paid, failed: came.failed, inDoubt: came['in-doubt'] };
}

const postpone = ({ desk }: Run, id: number): Promise<void> =>
  desk.db.transaction(async (tx) => {
    const state = await autoPayOf(tx, id, 'lock');
    if (state !== null) await writeAutoPay(tx, { ...state, nextTryAt: desk.clock() + HOUR });
  });

/** What is to be done for one subscriber now. */
type Step =
  | { readonly do: 'nothing'; readonly told: boolean }
  /** Ask about a charge that was begun. */
  | { readonly do: 'ask'; readonly orderId: string }
  /** The customer took care of it otherwise: our order for it is void. */
  | { readonly do: 'drop'; readonly invoiceId: number }
  | { readonly do: 'pay'; readonly due: Due };

async function visit(run: Run, id: number): Promise<Came> {
  const { desk } = run;
  const step = await desk.db.transaction((tx) => nextStep(tx, run, id));
  switch (step.do) {
    case 'nothing':
      return step.told ? 'told' : 'nothing';
    case 'ask':
      return resume(run, id, step.orderId);
    case 'drop':
      await drop(run, id, step.invoiceId);
      return visit(run, id);
    case 'pay':
      return pay(run, id, step.due);
  }
}

/** Decides under the subscriber's lock, tells of a charge to come, and writes when to look again. */
async function nextStep(tx: Queryable, run: Run, id: number): Promise<Step> {
  const { desk, settings } = run;
  const now = desk.clock();
  const account = await findSubscriberAccount(tx, id, 'lock');
  const state = await autoPayOf(tx, id, 'lock');
  const nothing = { do: 'nothing', told: false } as const;
  if (account === null || state === null || state.pausedAt !== null || state.nextTryAt > now) return nothing;
  if (state.orderId !== null) {
    await writeAutoPay(tx, { ...state, nextTryAt: now + CLAIM_MS });
    return { do: 'ask', orderId: state.orderId };
  }
  const due = account.suspendedAt === null ? await whatIsDue(tx, desk, settings.billing, state) : null;
  if (state.invoiceId !== null && due?.key !== state.workingOn) return { do: 'drop', invoiceId: state.invoiceId };
  const working = due === null || due.key === state.workingOn ? state : begin(state, due);
  if (due === null || now < tellAt(due)) {
    const at = Math.min(now + LOOK_AGAIN_MS, due === null ? now + LOOK_AGAIN_MS : tellAt(due));
    await writeAutoPay(tx, { ...working, nextTryAt: at });
    return nothing;
  }
  const isTold = working.toldAt !== null && working.toldRupiah !== null && working.toldRupiah >= due.amountRupiah;
  const toldAt = isTold ? working.toldAt : now;
  const at = Math.max(chargeAt(due, toldAt), await giveWay(tx, due, now, id));
  if (!isTold) {
    const charged = { subscriberId: id, methodId: state.methodId, what: due.what, amountRupiah: due.amountRupiah };
    await tellSoon(tx, desk, charged, due.key, Math.max(at, now));
  }
  const told = { ...working, toldAt, toldRupiah: isTold ? working.toldRupiah : due.amountRupiah };
  if (at > now) {
    await writeAutoPay(tx, { ...told, nextTryAt: Math.min(at, now + LOOK_AGAIN_MS) });
    return { do: 'nothing', told: !isTold };
  }
  await writeAutoPay(tx, { ...told, nextTryAt: now + CLAIM_MS });
  return { do: 'pay', due };
}

/** Everything that was of what came before is over. */
const begin = (state: AutoPay, { key }: Due): AutoPay => ({
  ...state,
  workingOn: key,
  toldAt: null,
  toldRupiah: null,
  invoiceId: null,
  failures: 0,
  lastError: null,
});

/** While the customer has an order of their own that waits for its money, ours would take it away. */
async function giveWay(tx: Queryable, { invoice, renewal, until }: Due, now: Instant, id: number): Promise<Instant> {
  if (renewal === null || invoice !== null) return now;
  const waits = await waitingOrderUntil(tx, id, now);
  return waits === null ? now : Math.min(waits, Math.max(now, until - GIVE_WAY_UNTIL_MS));
}

/** The order that we placed is not wanted any more. */
async function drop({ desk }: Run, id: number, invoiceId: number): Promise<void> {
  const why = { actor: desk.actor, why: 'cancel purchase', subscriberId: id, detail: { by: 'auto-pay' } };
  await change(desk.db, why, async (tx) => {
    await findSubscriberAccount(tx, id, 'lock');
    const state = await autoPayOf(tx, id, 'lock');
    if (state === null || state.invoiceId !== invoiceId || state.orderId !== null) return;
    const invoice = (await lockInvoice(tx, invoiceId))!;
    if (invoice.settledAt === null && invoice.voidedAt === null) {
      await setCancelled(tx, invoice.purchaseId!, desk.clock(), desk.actor);
    }
    await writeAutoPay(tx, { ...state, workingOn: null, invoiceId: null });
  });
}
