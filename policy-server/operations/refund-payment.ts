import { z } from 'zod';
import type { Rupiah } from '#domain/billing';
import { InvalidInput, Unavailable } from '#domain/errors';
import { type GatewayName, GatewayRefusal, type Gateways } from '#domain/gateway';
import { printRupiah } from '#domain/print';
import { say } from '#domain/say';
import { DAY, MINUTE } from '#domain/time';
import { askGateway } from '#operations/ask-gateway';
import type { Desk } from '#operations/desk';
import { filled, moneyReason, onceKey, optional, rupiahAmount } from '#operations/find-invoice';
import { parseInput } from '#operations/input';
import { bookRefundOfUnmatched } from '#operations/refund-unmatched';
import { takeBack } from '#operations/take-back';
import { type ChangeTransaction, change } from '#storage/change';
import { creditOf } from '#storage/ledger';
import {
  acceptRefundOrder,
  dueRefundOrders,
  endRefundOrder,
  insertRefundOrder,
  isKeyUsed,
  lockPayment,
  noteRefundError,
  openRefundOrder,
  type PaymentToRefund,
  postponeRefundOrder,
  type RefundOrder,
  refundOrder,
} from '#storage/refunds';
import { unmatchedOf } from '#storage/unmatched';

export const refundSchema = z.object({
  payment: z.coerce.number().int().positive().describe(say`the number of a payment`),
  /** Left out, all that is still with us. */
  amountRupiah: optional(rupiahAmount),
  /** `gateway`: it gives the money back; `cash` and `transfer`: we did so by hand. */
  how: z.enum(['gateway', 'cash', 'transfer']).describe(say`gateway, cash or transfer`),
  reason: moneyReason,
  key: onceKey,
});

/**
 * `done`: it is in the books. `asked`: the gateway said yes, and the books follow when it says so of the payment.
 * `waiting`: the gateway did not answer; it is asked again. `refused`: it says no, with its words. `before`: this was
 * asked before with the same key, and nothing was done now.
 */
export type Refunded = {
  readonly came: 'done' | 'asked' | 'waiting' | 'refused' | 'before';
  readonly amountRupiah: Rupiah;
  readonly error: string | null;
};

/** How long whoever ordered a refund has the gateway for themselves before the job asks too. */
const FIRST_ASKED_AGAIN_MS = 2 * MINUTE;
const LONGEST_PAUSE_MS = 60 * MINUTE;
/** A gateway that said yes shows it in minutes; banks take days. */
const GIVEN_UP_MS = 14 * DAY;
const MOST_AT_ONCE = 50;

/**
 * Gives money back, a part of a payment or all that is left of it. Of a gateway: the order is stored first with its key
 * and asked with that until the gateway says yes or no, so that it happens once also when we are killed between; what the
 * gateway says of the payment is then what the books follow. By hand it is booked at once.
 *
 * @throws InvalidInput for wrong fields, a payment that is not there, more than is left of it, or a refund under way
 */
export async function refundPayment(
  desk: Desk,
  gateways: Gateways,
  input: Readonly<Record<string, unknown>>,
): Promise<Refunded> {
  const given = parseInput(refundSchema, filled(input));
  const detail: Record<string, unknown> = { ...given };
  const why = { actor: desk.actor, why: 'refund payment', detail };
  const begun = await change(desk.db, why, async (tx) => {
    const payment = (await lockPayment(tx, given.payment)) ?? noSuchPayment(given.payment);
    Object.assign(why, { subscriberId: payment.subscriberId });
    const amountRupiah = given.amountRupiah ?? payment.amountRupiah - payment.backRupiah;
    detail.amountRupiah = amountRupiah;
    if (await isKeyUsed(tx, given.key)) return { came: 'before', amountRupiah } as const;
    await refuse(tx, payment, amountRupiah, given.how);
    if (given.how !== 'gateway') {
      const gateway = given.how === 'cash' ? 'cash' : 'bank';
      const { reason, key } = given;
      await takeBack(tx, desk, { payment, gateway, kind: 'refund', amountRupiah, reason, key });
      return { came: 'done', amountRupiah } as const;
    }
    const askedAt = desk.clock();
    const orderId = await insertRefundOrder(tx, {
      paymentId: payment.id,
      unmatchedId: null,
      key: given.key,
      amountRupiah,
      backRupiah: payment.backRupiah + amountRupiah,
      reason: given.reason,
      askedAt,
      askedBy: desk.actor,
      dueAt: askedAt + FIRST_ASKED_AGAIN_MS,
    });
    return { came: 'ordered', amountRupiah, orderId } as const;
  });
  if (begun.came !== 'ordered') return { ...begun, error: null };
  return askForRefund(desk, gateways, begun.orderId);
}

/** What can be given back of a payment, and how. */
async function refuse(
  tx: ChangeTransaction,
  payment: PaymentToRefund,
  amountRupiah: Rupiah,
  how: z.output<typeof refundSchema>['how'],
): Promise<void> {
  const left = payment.amountRupiah - payment.backRupiah;
  if (amountRupiah <= 0 || amountRupiah > left)
    throw new InvalidInput([say`of this payment ${printRupiah(left)} is left to give back`]);
  if (how === 'gateway' && (payment.gateway === null || payment.orderId === null))
    throw new InvalidInput([say`this payment came in by hand: give it back in cash or by transfer`]);
  if ((await openRefundOrder(tx, payment.id)) !== null)
    throw new InvalidInput([say`a refund of this payment is under way at its gateway; wait for what comes of it`]);
  // Of an invoice that is settled the service is taken back instead; credit that is spent is gone.
  if (payment.invoiceId === null && (await creditOf(tx, payment.subscriberId)) < amountRupiah)
    throw new InvalidInput([say`the customer has spent this money: as credit there is less than that left`]);
}

/**
 * Asks the gateway for a refund that is ordered, and then how the payment stands. Asked again with the same key it is
 * still one refund.
 */
export async function askForRefund(desk: Desk, gateways: Gateways, id: number): Promise<Refunded> {
  const order = (await refundOrder(desk.db, id))!;
  const { amountRupiah } = order;
  if (order.endedAt !== null) return endedAs(order);
  const from = await sourceOf(desk, order);
  const pause = Math.min(LONGEST_PAUSE_MS, FIRST_ASKED_AGAIN_MS * 2 ** order.attempts);
  await postponeRefundOrder(desk.db, id, desk.clock() + pause);
  try {
    if (order.acceptedAt === null) {
      const gateway = (await gateways.named(from.gateway)) ?? noKeys(from.gateway);
      const { orderId, gatewayRef } = from;
      await gateway.refund({ orderId, gatewayRef, key: order.key, amountRupiah, reason: order.reason });
      await acceptRefundOrder(desk.db, id, desk.clock());
    }
    if (order.unmatchedId !== null) await bookRefundOfUnmatched(desk, order);
    else if (from.intentId === null) await bookAccepted(desk, order);
    else await askGateway(desk, gateways, from.orderId);
  } catch (error) {
    return cameToNothing(desk, order, error);
  }
  const now = (await refundOrder(desk.db, id))!;
  if (now.endedAt !== null) return endedAs(now);
  if (now.acceptedAt! + GIVEN_UP_MS >= desk.clock()) return { came: 'asked', amountRupiah, error: null };
  const error = say`the gateway said yes, and never showed the refund; ask it by hand`;
  await refused(desk, order, error);
  return { came: 'refused', amountRupiah, error };
}

const endedAs = ({ amountRupiah, error }: RefundOrder): Refunded => ({
  came: error === null ? 'done' : 'refused',
  amountRupiah,
  error,
});

/** A gateway's no ends it; whatever else went wrong, it is asked again. */
async function cameToNothing(desk: Desk, order: RefundOrder, error: unknown): Promise<Refunded> {
  const { id, amountRupiah, acceptedAt } = order;
  if (!(error instanceof Unavailable || error instanceof GatewayRefusal)) throw error;
  if (error instanceof GatewayRefusal && error.code === 'refused' && acceptedAt === null) {
    await refused(desk, order, error.message);
    return { came: 'refused', amountRupiah, error: error.message };
  }
  await noteRefundError(desk.db, id, error.message);
  const after = (await refundOrder(desk.db, id))!;
  if (after.endedAt !== null) return endedAs(after);
  return { came: after.acceptedAt === null ? 'waiting' : 'asked', amountRupiah, error: error.message };
}

async function refused(desk: Desk, { id, paymentId, unmatchedId }: RefundOrder, error: string): Promise<void> {
  const why = { actor: desk.actor, why: 'refund refused', detail: { paymentId, unmatchedId, error } };
  await change(desk.db, why, (tx) => endRefundOrder(tx, id, desk.clock(), error));
}

/** Where the money of an order came from at its gateway. */
async function sourceOf(desk: Desk, { paymentId, unmatchedId }: RefundOrder): Promise<Source> {
  const found =
    unmatchedId !== null
      ? (await unmatchedOf(desk.db, unmatchedId))!
      : (await desk.db.transaction((tx) => lockPayment(tx, paymentId!)))!;
  const { gateway, gatewayRef, orderId, intentId } = found;
  return { gateway: gateway!, orderId: orderId!, gatewayRef: ownRef(gatewayRef!), intentId };
}

type Source = {
  readonly gateway: GatewayName;
  readonly gatewayRef: string;
  readonly orderId: string;
  /** The attempt whose truth says what became of the refund; null: the order is none of ours. */
  readonly intentId: number | null;
};

/** Of an order that is none of ours nobody asks how it stands: the gateway's yes is all there is. */
async function bookAccepted(desk: Desk, order: RefundOrder): Promise<void> {
  const detail = { payment: order.paymentId, amountRupiah: order.amountRupiah, reason: order.reason };
  await change(desk.db, { actor: desk.actor, why: 'refund payment', detail }, async (tx) => {
    const payment = (await lockPayment(tx, order.paymentId!))!;
    if ((await openRefundOrder(tx, payment.id))?.id !== order.id) return;
    const { amountRupiah, reason } = order;
    await takeBack(tx, desk, { payment, gateway: payment.gateway!, kind: 'refund', amountRupiah, reason });
  });
}

/** Money that came again under the same number of the gateway has a mark of ours behind it. */
const ownRef = (gatewayRef: string): string => gatewayRef.replace(/:again$/, '');

/** Every refund that is ordered and not at its end, when its time has come; for a job. Returns what came of each. */
export async function askForDueRefunds(desk: Desk, gateways: Gateways, signal?: AbortSignal): Promise<Refunded[]> {
  const came: Refunded[] = [];
  for (const { id } of await dueRefundOrders(desk.db, desk.clock(), MOST_AT_ONCE)) {
    if (signal?.aborted) break;
    came.push(await askForRefund(desk, gateways, id));
  }
  return came;
}

function noKeys(name: GatewayName): never {
  throw new Unavailable(say`the keys of ${name} are not set`);
}

function noSuchPayment(id: number): never {
  throw new InvalidInput([say`there is no payment of number ${id}`]);
}
