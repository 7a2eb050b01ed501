import { z } from 'zod';
import { GATEWAYS, type Gateways } from '#domain/gateway';
import { parseRupiah } from '#domain/money';
import { say } from '#domain/say';
import type { Instant } from '#domain/time';
import type { Desk } from '#operations/desk';
import { parsedBy, rowNumber } from '#operations/fields';
import { parseInput } from '#operations/input';
import { type StartedPayment, startPayment } from '#operations/start-payment';
import type { Queryable } from '#storage/database';
import { intentByOrder } from '#storage/payment-intents';
import { paymentLinkAad, type Sealer } from '#storage/secrets';

export const LEAST_TOP_UP = 10_000;
export const MOST_TOP_UP = 10_000_000;

const AMOUNT = say`an amount from Rp 10.000 to Rp 10.000.000, for example 50000`;

export const topUpSchema = z.object({
  subscriberId: rowNumber('a subscriber'),
  amount: parsedBy((text) => {
    const rupiah = parseRupiah(text);
    return rupiah !== null && rupiah >= LEAST_TOP_UP && rupiah <= MOST_TOP_UP ? rupiah : null;
  }, AMOUNT),
  gateway: z.enum(GATEWAYS).optional().describe(say`the gateway to pay by: midtrans or xendit`),
  save: z.boolean().default(false),
});

/**
 * A link by which a customer fills the balance; the same one as long as it is good.
 *
 * @throws InvalidInput for an amount that is none or out of bounds; NoGateway, Unavailable, GatewayRefusal like `startPayment`
 */
export async function topUp(
  desk: Desk,
  gateways: Gateways,
  input: Readonly<Record<string, unknown>>,
  returnUrl: string,
): Promise<StartedPayment> {
  const { subscriberId, amount: topUpRupiah, gateway, save } = parseInput(topUpSchema, input);
  const choice = { returnUrl, save, ...(gateway === undefined ? {} : { gateway }) };
  return startPayment(desk, gateways, { subscriberId, topUpRupiah }, choice);
}

/** How a top-up stands. */
export type TopUp = {
  readonly orderId: string;
  readonly amountRupiah: number;
  readonly is: 'waiting' | 'paid' | 'over';
  /** Where it can be paid still. */
  readonly url: string | null;
};

/** One of the subscriber's own; null when there is none of that id. */
export async function topUpOf(
  q: Queryable,
  sealer: Sealer,
  subscriberId: number,
  orderId: string,
  now: Instant,
): Promise<TopUp | null> {
  const intent = await intentByOrder(q, orderId);
  if (intent === null || intent.subscriberId !== subscriberId || intent.invoiceId !== null) return null;
  const { id, amountRupiah, state, closedAt, expiresAt, linkSealed } = intent;
  const isOpen = closedAt === null && linkSealed !== null && expiresAt !== null && expiresAt > now;
  return {
    orderId,
    amountRupiah,
    is: state === 'paid' ? 'paid' : isOpen || state === 'pending' || state === 'review' ? 'waiting' : 'over',
    url: isOpen ? sealer.open(linkSealed, paymentLinkAad(id)) : null,
  };
}
