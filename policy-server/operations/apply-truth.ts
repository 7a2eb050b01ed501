import type { GatewayName, GatewayTruth } from '#domain/gateway';
import { transfer } from '#domain/ledger';
import { say } from '#domain/say';
import { DAY, type Instant, localDate } from '#domain/time';
import { tellCharged } from '#operations/auto-pay-notices';
import type { Desk } from '#operations/desk';
import { receivePayment } from '#operations/receive-payment';
import { keepPaidBy } from '#operations/saved-methods';
import { takeBack } from '#operations/take-back';
import { type Change, type ChangeTransaction, changeTogether } from '#storage/change';
import { lockInvoice } from '#storage/invoices';
import { post } from '#storage/ledger';
import {
  type IntentState,
  intentByOrder,
  lockIntent,
  type PaymentIntent,
  setIntentState,
} from '#storage/payment-intents';
import { insertUnmatched, isMoneyKnown, paymentOf, paymentOfIntent, type UnmatchedReason } from '#storage/payments';

/**
 * What a gateway's word came to: `settled` (what was asked is paid), `credited` (it is credit: a top-up, or paid already),
 * `unmatched` (a person has to look), `reversed` and `refunded`, `noted` (the intent stands otherwise now), `known` (nothing
 * new), `contradiction` (it says what cannot be; nothing is done).
 */
export type Applied =
  | 'settled'
  | 'credited'
  | 'unmatched'
  | 'reversed'
  | 'refunded'
  | 'noted'
  | 'known'
  | 'contradiction';

/**
 * Applies what a gateway says of an order when it is asked, in one transaction under the subscriber's lock. Applied twice,
 * at the same moment, or after something older or newer, the end is the same: money counts once, by the gateway's own
 * number of it, and whatever intent was paid settles, also one that was closed here.
 */
export async function applyTruth(
  desk: Desk,
  { gateway, orderId }: { readonly gateway: GatewayName; readonly orderId: string },
  truth: GatewayTruth,
): Promise<Applied> {
  const [applied] = await applyTogether(desk, [{ gateway, orderId, truth }]);
  return applied as Applied;
}

/** An answer of a gateway, and how the intent stood when it was asked (null: there was none); left out: no matter how. */
export type Answer = {
  readonly gateway: GatewayName;
  readonly orderId: string;
  readonly truth: GatewayTruth;
  readonly seen?: PaymentIntent | null;
};

/** `overtaken`: another answer was applied meanwhile, and which of the two is newer nobody knows; nothing is done. */
export type AppliedOrOvertaken = Applied | 'overtaken';

/**
 * As `applyTruth`, for many answers in one commit: each is a change of its own with its own line in the audit, and all of
 * them are applied, or none. Returns what came of each, in their order.
 */
export async function applyTogether(desk: Desk, answers: readonly Answer[]): Promise<AppliedOrOvertaken[]> {
  const quick = await Promise.all(answers.map((answer) => withoutLock(desk, answer)));
  // Two nodes that lock the same subscribers do so in the same order.
  const rest = answers
    .map((answer, at) => ({ answer, at }))
    .filter(({ at }) => quick[at] === null)
    .sort((one, other) => (one.answer.seen?.subscriberId ?? 0) - (other.answer.seen?.subscriberId ?? 0));
  if (rest.length === 0) return quick as AppliedOrOvertaken[];
  const changes = rest.map(({ answer }) => changeOf(desk, answer));
  for (const [i, applied] of (await changeTogether(desk.db, changes)).entries()) quick[rest[i]!.at] = applied;
  return quick as AppliedOrOvertaken[];
}

async function withoutLock(desk: Desk, { gateway, orderId, truth, seen }: Answer): Promise<AppliedOrOvertaken | null> {
  // What is paid is looked at under the lock anyway.
  const now = truth.state === 'paid' && seen !== undefined ? seen : await intentByOrder(desk.db, orderId);
  if (seen !== undefined && !isSame(now, seen)) return 'overtaken';
  return nothingNew(desk, now, gateway, truth);
}

function changeOf(desk: Desk, { gateway, orderId, truth, seen }: Answer): Change<AppliedOrOvertaken> {
  const detail: Record<string, unknown> = { gateway, orderId, says: truth.state };
  const why = { actor: desk.actor, why: 'gateway payment', detail };
  const work = async (tx: ChangeTransaction): Promise<AppliedOrOvertaken> => {
    const intent = await lockIntent(tx, orderId);
    const isOvertaken = seen !== undefined && !isSame(intent, seen);
    Object.assign(why, { nothing: isOvertaken });
    if (isOvertaken) return 'overtaken';
    const ours = intent !== null && isOurs(intent, gateway);
    if (ours) Object.assign(why, { subscriberId: intent.subscriberId });
    const at = { tx, desk, gateway, orderId, truth };
    const applied = ours ? await known(at, intent) : await strange(at);
    detail.came = applied;
    return applied;
  };
  return { why, work };
}

const isSame = (now: PaymentIntent | null, seen: PaymentIntent | null): boolean =>
  now?.state === seen?.state && now?.closedAt === seen?.closedAt && now?.paidAt === seen?.paidAt;

/**
 * What most answers are: nothing that is not known. Seen without a lock, and leaves no line in the audit, for every order
 * is asked about again and again. null: a closer look has to be taken.
 */
async function nothingNew(
  { db, clock }: Desk,
  intent: PaymentIntent | null,
  gateway: GatewayName,
  truth: GatewayTruth,
): Promise<Applied | null> {
  const { state, gatewayRef } = truth;
  if (intent === null || !isOurs(intent, gateway)) return isMoney(truth) ? null : 'known';
  switch (state) {
    case 'paid':
      if (gatewayRef === null || (intent.state !== 'paid' && intent.state !== 'review')) return null;
      return (await isMoneyKnown(db, gateway, gatewayRef)) ? 'known' : null;
    case 'expired':
      if (intent.state === 'paid') return 'contradiction';
      return intent.state === 'reversed' || intent.state === state ? 'known' : null;
    case 'pending':
    case 'review':
      return intent.state === 'paid' || intent.state === 'reversed' || intent.state === state ? 'known' : null;
    case 'unknown':
      return isOver(intent, clock()) ? null : 'known';
    default:
      return null;
  }
}

/** An order that was somebody else's there when we asked for a link is not paid for us. */
const isOurs = (intent: PaymentIntent, gateway: GatewayName): boolean =>
  intent.gateway === gateway && intent.lastAnswer !== 'order-taken';

const isMoney = ({ state }: GatewayTruth): boolean => state === 'paid' || state === 'partly-refunded';

type Case = {
  readonly tx: ChangeTransaction;
  readonly desk: Desk;
  readonly gateway: GatewayName;
  readonly orderId: string;
  readonly truth: GatewayTruth;
};

/** An order that is none of ours: only its money matters. */
const strange = async (at: Case): Promise<Applied> =>
  isMoney(at.truth) ? unmatched(at, null, 'unknown-order') : 'known';

async function known(at: Case, intent: PaymentIntent): Promise<Applied> {
  const { state } = at.truth;
  switch (state) {
    case 'paid':
      return paid(at, intent);
    case 'partly-refunded':
    case 'refunded':
      return refunded(at, intent);
    case 'charged-back':
      return goneAgain(at, intent, 'chargeback');
    case 'denied':
    case 'failed':
    case 'cancelled':
      return intent.state === 'paid'
        ? goneAgain(at, intent, 'reversal')
        : note(at, intent, state, state !== 'denied' || isOver(intent, at.desk.clock()));
    case 'expired':
      return intent.state === 'paid' ? 'contradiction' : note(at, intent, state, true);
    case 'pending':
    case 'review':
      return note(at, intent, state, false);
    case 'unknown':
      return forgotten(at, intent);
  }
}

async function paid(at: Case, intent: PaymentIntent): Promise<Applied> {
  const { tx, desk, gateway, truth } = at;
  const { gatewayRef, amountRupiah, currency } = truth;
  if (gatewayRef === null || amountRupiah === null) return 'contradiction';
  const before = await paymentOf(tx, gateway, gatewayRef);
  // A refund of ours may not be through at the gateway yet; only what was gone and is there again is new.
  if (before !== null) return intent.state === 'reversed' ? unmatched(at, intent, 'paid-again') : 'known';
  if (currency !== 'IDR') return unmatched(at, intent, 'wrong-currency');
  if (amountRupiah !== intent.amountRupiah) return unmatched(at, intent, 'wrong-amount');
  const invoice = intent.invoiceId === null ? null : await lockInvoice(tx, intent.invoiceId, 'owner-locked');
  const receivedAt = truth.paidAt ?? desk.clock();
  await setIntentState(tx, intent.id, { state: 'paid', paidAt: receivedAt, closed: true, at: desk.clock() });
  const received = await receivePayment(tx, desk, {
    subscriberId: intent.subscriberId,
    invoice,
    amountRupiah,
    method: truth.method ?? gateway,
    gateway: { name: gateway, ref: gatewayRef, intentId: intent.id },
    receivedAt,
    ...(intent.methodId === null ? {} : { told: true as const }),
  });
  if (truth.saved !== null) await keepPaidBy(tx, desk, intent, truth.saved);
  if (intent.methodId !== null) await tellCharged(tx, desk, intent, invoice);
  return received.settled ? 'settled' : 'credited';
}

/** Money that fits nothing is in the books all the same, and waits for a person. */
async function unmatched(
  { tx, desk, gateway, orderId, truth }: Case,
  intent: PaymentIntent | null,
  reason: UnmatchedReason,
): Promise<Applied> {
  const { gatewayRef, amountRupiah } = truth;
  if (gatewayRef === null || amountRupiah === null || amountRupiah <= 0) return 'contradiction';
  const at = desk.clock();
  const ref = reason === 'paid-again' ? `${gatewayRef}:again` : gatewayRef;
  const fresh = await insertUnmatched(tx, {
    gateway,
    ref,
    orderId,
    intentId: intent?.id ?? null,
    amountRupiah,
    reason,
    at,
  });
  if (!fresh) return 'known';
  await post(tx, {
    kind: 'unmatched',
    reference: `unmatched:${gateway}:${ref}`,
    subscriberId: intent?.subscriberId ?? null,
    at,
    day: localDate(at, desk.zone),
    entries: transfer({ account: 'unmatched' }, { account: `clearing:${gateway}` }, amountRupiah),
    detail: { orderId, reason },
  });
  if (intent !== null) await setIntentState(tx, intent.id, { state: 'review', closed: true, at });
  return 'unmatched';
}

async function refunded(at: Case, intent: PaymentIntent): Promise<Applied> {
  const { tx, desk, gateway, truth } = at;
  let payment = await paymentOfIntent(tx, intent.id);
  if (payment === null && truth.state === 'partly-refunded') {
    // The rest of it is ours: it was paid before we looked.
    const came = await paid(at, intent);
    payment = await paymentOfIntent(tx, intent.id);
    if (payment === null) return came;
  }
  // Paid and wholly given back before we looked: there is nothing of it with us.
  if (payment === null) return note(at, intent, 'cancelled', true);
  const amountRupiah = Math.min(truth.refundedRupiah, payment.amountRupiah) - payment.backRupiah;
  if (amountRupiah <= 0) return 'known';
  await takeBack(tx, desk, { payment, gateway, kind: 'refund', amountRupiah, reason: say`told by the gateway` });
  return 'refunded';
}

async function goneAgain(at: Case, intent: PaymentIntent, kind: 'reversal' | 'chargeback'): Promise<Applied> {
  const { tx, desk, gateway } = at;
  const payment = await paymentOfIntent(tx, intent.id);
  if (payment === null) return note(at, intent, 'cancelled', true);
  const amountRupiah = payment.amountRupiah - payment.backRupiah;
  if (amountRupiah <= 0) return 'known';
  await takeBack(tx, desk, { payment, gateway, kind, amountRupiah, reason: say`told by the gateway` });
  await setIntentState(tx, intent.id, { state: 'reversed', closed: true, at: desk.clock() });
  return 'reversed';
}

/** What is paid stays so: only money that goes back changes that. */
async function note({ tx, desk }: Case, intent: PaymentIntent, state: IntentState, closed: boolean): Promise<Applied> {
  if (intent.state === 'paid' || intent.state === 'reversed') return 'known';
  if (intent.state === state && (!closed || intent.closedAt !== null)) return 'known';
  await setIntentState(tx, intent.id, { state, closed, at: desk.clock() });
  return 'noted';
}

/** A method may still be chosen while the link is good; a day later nobody will. */
const forgotten = async (at: Case, intent: PaymentIntent): Promise<Applied> =>
  isOver(intent, at.desk.clock()) ? note(at, intent, 'expired', true) : 'known';

/** What never got a link, because whoever asked for it died, has none that could still be used a week later. */
const LONGEST_LINK_MS = 7 * DAY;
const isOver = ({ expiresAt, createdAt }: PaymentIntent, now: Instant): boolean =>
  (expiresAt ?? createdAt + LONGEST_LINK_MS) + DAY <= now;
