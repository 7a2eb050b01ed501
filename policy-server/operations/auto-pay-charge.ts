import { InvalidInput, Unavailable } from '#domain/errors';
import { GatewayRefusal, type Gateways } from '#domain/gateway';
import type { Settings } from '#domain/settings';
import { DAY, HOUR, type Instant, MINUTE } from '#domain/time';
import { askGateway } from '#operations/ask-gateway';
import { type Due, retryAt } from '#operations/auto-pay-due';
import {
  type AutoPayFault,
  type Charged,
  isFinal,
  paidFor,
  tellCharged,
  tellFailed,
} from '#operations/auto-pay-notices';
import type { Desk } from '#operations/desk';
import { lockBuyer, newPurchaseNumber, place } from '#operations/place-purchase';
import { settleFromCredit } from '#operations/receive-payment';
import { settle } from '#operations/settle-purchase';
import { type AutoPay, autoPayOf, writeAutoPay } from '#storage/auto-pay';
import { type ChangeTransaction, change } from '#storage/change';
import type { Queryable } from '#storage/database';
import { type Invoice, invoiceOfPurchase, invoiceWithId, lockInvoice } from '#storage/invoices';
import { creditOf } from '#storage/ledger';
import {
  closeIntent,
  countAttempts,
  insertIntent,
  intentByOrder,
  openIntentOf,
  type PaymentIntent,
} from '#storage/payment-intents';
import { lockPurchase } from '#storage/purchases';
import { methodWithToken } from '#storage/saved-methods';
import { findSubscriberAccount } from '#storage/subscribers';

/** What came of one look at somebody. */
export type Came = 'nothing' | 'told' | 'paid' | 'failed' | 'in-doubt';
export type Run = { readonly desk: Desk; readonly gateways: Gateways; readonly settings: Settings };

/** Longer than a gateway's client waits: whoever began a charge and still is silent is dead. */
export const CLAIM_MS = 2 * MINUTE;
/** Until then a charge is asked about by the poller too. */
const CHARGE_ENDS_MS = DAY;

/** What `pay` came to in the database: done, or a charge whose order id is committed and the gateway has yet to hear of. */
type Begun =
  | { readonly is: 'paid' | 'stale' }
  | { readonly is: 'unpayable'; readonly cause: AutoPayFault }
  /** A link for it is open, by which the customer could pay too. */
  | { readonly is: 'link'; readonly intent: PaymentIntent }
  | { readonly is: 'charge'; readonly orderId: string };

/** Pays what is due, as the customer has chosen; `nextStep` has claimed it for us. */
export async function pay(run: Run, id: number, due: Due): Promise<Came> {
  const { desk } = run;
  const begun = await begunFor(run, id, due);
  switch (begun.is) {
    case 'stale':
      return 'nothing';
    case 'paid':
      return 'paid';
    case 'unpayable':
      return failed(run, id, null, { cause: begun.cause, what: due.what, amountRupiah: due.amountRupiah });
    case 'link':
      return (await closeLink(run, begun.intent)) ? pay(run, id, due) : 'in-doubt';
    case 'charge':
      return charge(run, id, (await intentByOrder(desk.db, begun.orderId))!);
  }
}

async function begunFor(run: Run, id: number, due: Due): Promise<Begun> {
  const { desk } = run;
  if (due.renewal?.retired === true && due.invoice === null) return { is: 'unpayable', cause: 'plan-gone' };
  const detail: Record<string, unknown> = {};
  const why = { actor: desk.actor, why: 'auto-pay', subscriberId: id, detail };
  try {
    return await change(desk.db, why, async (tx): Promise<Begun> => {
      const begun = await beginPayment(tx, run, id, due);
      why.why = begun.is === 'paid' ? 'auto-pay paid' : 'auto-pay';
      Object.assign(detail, { ...due.what, amountRupiah: due.amountRupiah, came: begun.is });
      return begun;
    });
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    // The customer is told; what exactly was wrong with the order is nothing they could change.
    return { is: 'unpayable', cause: 'order' };
  }
}

/** In one commit: the order and its invoice where there are none, and what pays it or will. */
async function beginPayment(tx: ChangeTransaction, run: Run, id: number, due: Due): Promise<Begun> {
  const { desk } = run;
  const buyer = await lockBuyer(tx, desk, id);
  const state = await autoPayOf(tx, id, 'lock');
  if (state === null || state.pausedAt !== null || state.workingOn !== due.key || state.orderId !== null) {
    return { is: 'stale' };
  }
  let { invoice } = due;
  if (invoice === null) {
    const order = { planRevisionId: due.renewal!.revisionId, begins: 'after', number: newPurchaseNumber() } as const;
    await place(tx, desk, buyer, order);
    const purchase = (await lockPurchase(tx, order.number))!;
    invoice = await invoiceOfPurchase(tx, purchase.id);
    if (invoice === null || invoice.owedRupiah === 0) {
      await settle(tx, desk, purchase, null);
      return paidNow(tx, desk, state);
    }
  }
  const locked = (await lockInvoice(tx, invoice.id))!;
  if (locked.settledAt !== null || locked.voidedAt !== null) return { is: 'stale' };
  const kept = { ...state, invoiceId: due.renewal === null ? null : locked.id };
  await writeAutoPay(tx, kept);
  return payInvoice(tx, run, kept, locked);
}

async function payInvoice(tx: ChangeTransaction, { desk }: Run, state: AutoPay, invoice: Invoice): Promise<Begun> {
  const { subscriberId, methodId } = state;
  const now = desk.clock();
  const open = await openIntentOf(tx, invoice.id);
  if (open !== null) {
    // Somebody asks for a link this moment, or it is being charged already: there is another look in a while.
    const isBusy = open.methodId !== null || (open.claimedUntil ?? 0) > now;
    return isBusy ? { is: 'stale' } : { is: 'link', intent: open };
  }
  const credit = Math.max(0, await creditOf(tx, subscriberId));
  if (credit >= invoice.owedRupiah) {
    await settleFromCredit(tx, desk, invoice);
    await tellCharged(tx, desk, { subscriberId, methodId: null, amountRupiah: invoice.owedRupiah }, invoice);
    return paidNow(tx, desk, state);
  }
  if (methodId === null) return { is: 'unpayable', cause: 'balance' };
  const method = await methodWithToken(tx, desk.sealer, subscriberId, methodId);
  if (method === null) return { is: 'unpayable', cause: 'method-gone' };
  if (method.expiresAt !== null && method.expiresAt <= now) return { is: 'unpayable', cause: 'method-expired' };
  const orderId = `${invoice.number.replaceAll('/', '-')}-${(await countAttempts(tx, invoice.id)) + 1}`;
  await insertIntent(tx, {
    orderId,
    gateway: method.gateway,
    subscriberId,
    invoiceId: invoice.id,
    amountRupiah: invoice.owedRupiah - credit,
    createdAt: now,
    createdBy: desk.actor,
    claimedUntil: null,
    saveMethod: false,
    charge: { methodId, expiresAt: now + CHARGE_ENDS_MS },
  });
  await writeAutoPay(tx, { ...state, orderId, nextTryAt: now + CLAIM_MS });
  return { is: 'charge', orderId };
}

/** Nothing of it is open; what comes next is looked for at the next run. */
async function paidNow(tx: Queryable, desk: Desk, state: AutoPay): Promise<Begun> {
  await writeAutoPay(tx, over(desk, state));
  return { is: 'paid' };
}

const over = (desk: Desk, state: AutoPay): AutoPay => ({
  ...state,
  workingOn: null,
  toldAt: null,
  toldRupiah: null,
  invoiceId: null,
  orderId: null,
  failures: 0,
  lastError: null,
  nextTryAt: desk.clock() + MINUTE,
});

/**
 * A link that the customer asked for and did not pay by: paid beside our charge it would be paid twice. False: it cannot be
 * closed now; somebody may be paying by it.
 */
async function closeLink({ desk, gateways }: Run, intent: PaymentIntent): Promise<boolean> {
  try {
    const gateway = await gateways.named(intent.gateway);
    if (gateway !== null && !(await gateway.close(intent))) {
      await askGateway(desk, gateways, intent.orderId);
      return false;
    }
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    // Its gateway is away; there is another look in a while.
    return false;
  }
  const at = desk.clock();
  await closeIntent(desk.db, intent.id, { state: 'cancelled', answer: 'auto-pay', asking: false, at });
  return true;
}

/** The gateway hears of a charge: of a new one, or once more of one whose outcome is not known, by the same order id. */
async function charge(run: Run, id: number, intent: PaymentIntent): Promise<Came> {
  const { desk, gateways } = run;
  const { orderId } = intent;
  const gateway = await gateways.named(intent.gateway);
  const request = await requestOf(run, intent);
  if (gateway === null) return conclude(run, id, orderId, 'keys');
  if (request === null) return conclude(run, id, orderId, 'method-gone');
  let fault: AutoPayFault | null = null;
  try {
    await gateway.charge(request);
  } catch (error) {
    if (error instanceof GatewayRefusal) fault = error.code === 'keys' ? 'keys' : 'refused';
    else if (!(error instanceof Unavailable)) throw error;
    // It may have charged all the same: only the truth says.
  }
  // A refusal counts when the gateway then knows of no payment: a charge before it may have come through.
  return conclude(run, id, orderId, (await isAsked(desk, gateways, orderId)) ? fault : null);
}

async function requestOf({ desk }: Run, intent: PaymentIntent) {
  const { subscriberId, orderId, amountRupiah, invoiceId, methodId } = intent;
  const [account, invoice, method] = await Promise.all([
    findSubscriberAccount(desk.db, subscriberId),
    invoiceWithId(desk.db, invoiceId!),
    methodWithToken(desk.db, desk.sealer, subscriberId, methodId!),
  ]);
  if (method === null) return null;
  const { name, username, phone, language } = account!;
  return {
    orderId,
    amountRupiah,
    description: `${language === 'id' ? 'Tagihan' : 'Invoice'} ${invoice!.number}`,
    customer: { name: name || username, phone },
    expiresAt: intent.expiresAt!,
    returnUrl: `${desk.publicUrl}/customer/autopay`,
    save: null,
    token: method.token,
  };
}

/** Whether the gateway said how the order stands; what it said is applied. */
async function isAsked(desk: Desk, gateways: Gateways, orderId: string): Promise<boolean> {
  try {
    await askGateway(desk, gateways, orderId);
    return true;
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    // The gateway is away; it is asked again before anything else is done.
    return false;
  }
}

/** A charge was begun, by us or by whoever died after that. */
export async function resume(run: Run, id: number, orderId: string): Promise<Came> {
  const { desk, gateways } = run;
  const before = (await intentByOrder(desk.db, orderId))!;
  if (outcomeOf(before) !== null || !(await isAsked(desk, gateways, orderId))) return conclude(run, id, orderId, null);
  const intent = (await intentByOrder(desk.db, orderId))!;
  // It knows of no such order: the charge never got there.
  return intent.state === 'created' && intent.closedAt === null
    ? charge(run, id, intent)
    : conclude(run, id, orderId, null);
}

/** How a charge ended; null: not yet, as far as is known. */
function outcomeOf({ state, closedAt }: PaymentIntent): 'paid' | AutoPayFault | null {
  if (state === 'paid') return 'paid';
  if (state === 'review' && closedAt !== null) return 'refused';
  return closedAt !== null || state === 'denied' ? 'declined' : null;
}

/** Writes what a charge came to. `fault`: why it never was one. */
async function conclude(run: Run, id: number, orderId: string, fault: AutoPayFault | null): Promise<Came> {
  const { desk } = run;
  const intent = (await intentByOrder(desk.db, orderId))!;
  const outcome = outcomeOf(intent) ?? (intent.state === 'created' ? fault : null);
  if (outcome === 'paid') return paid(run, id, intent);
  if (outcome === null) {
    const now = desk.clock();
    const again = Math.min(HOUR, Math.max(MINUTE, (now - intent.createdAt) / 2));
    await onlyIf(run, id, orderId, (tx, state) => writeAutoPay(tx, { ...state, nextTryAt: now + again }));
    return 'in-doubt';
  }
  const invoice = (await invoiceWithId(desk.db, intent.invoiceId!))!;
  const { amountRupiah } = intent;
  return failed(run, id, intent, { cause: outcome, what: await paidFor(desk.db, invoice), amountRupiah });
}

/** Where the charge still is the one that is waited for. */
const onlyIf = (
  { desk }: Run,
  id: number,
  orderId: string,
  work: (tx: Queryable, state: AutoPay) => Promise<void>,
): Promise<void> =>
  desk.db.transaction(async (tx) => {
    const state = await autoPayOf(tx, id, 'lock');
    if (state?.orderId === orderId) await work(tx, state);
  });

/** The payment, what it settled and the notice are committed already, by whoever applied the truth. */
async function paid(run: Run, id: number, { orderId, amountRupiah, gateway, invoiceId }: PaymentIntent): Promise<Came> {
  const { desk } = run;
  const invoice = (await invoiceWithId(desk.db, invoiceId!))!;
  const detail = { ...(await paidFor(desk.db, invoice)), amountRupiah, orderId, gateway };
  await change(desk.db, { actor: desk.actor, why: 'auto-pay paid', subscriberId: id, detail }, async (tx) => {
    const state = await autoPayOf(tx, id, 'lock');
    if (state?.orderId === orderId) await writeAutoPay(tx, over(desk, state));
  });
  return 'paid';
}

type Failure = Pick<Charged, 'what' | 'amountRupiah'> & { readonly cause: AutoPayFault };

/** One try less: told, and tried again later, or paused. */
async function failed(run: Run, id: number, intent: PaymentIntent | null, failure: Failure): Promise<Came> {
  const { desk, settings } = run;
  const { cause, what, amountRupiah } = failure;
  const now = desk.clock();
  const detail: Record<string, unknown> = { ...what, amountRupiah, cause };
  const why = { actor: desk.actor, why: 'auto-pay failed', subscriberId: id, detail };
  return change(desk.db, why, async (tx): Promise<Came> => {
    await findSubscriberAccount(tx, id, 'lock');
    const state = await autoPayOf(tx, id, 'lock');
    if (state === null || state.orderId !== (intent?.orderId ?? null)) return 'nothing';
    const failures = state.failures + 1;
    const isLast = isFinal(cause) || failures >= settings.billing.autoPayTries;
    const nextTryAt: Instant = retryAt(failures, now);
    if (intent !== null && intent.closedAt === null) {
      // Should it be paid after all, which gateways do not do, it is learned before the next try.
      await closeIntent(tx, intent.id, { state: 'failed', answer: cause, asking: true, at: now });
    }
    const paused = isLast ? now : null;
    await writeAutoPay(tx, { ...state, orderId: null, failures, nextTryAt, lastError: cause, pausedAt: paused });
    const charged = { subscriberId: id, methodId: state.methodId, what, amountRupiah };
    await tellFailed(tx, desk, charged, cause, isLast ? null : nextTryAt);
    Object.assign(detail, { failures, paused: isLast });
    return 'failed';
  });
}
